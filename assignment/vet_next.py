r"""Whom to vet next, and in what: the people whose hours would be worth most behind a bar they do not surely clear.

The belief about skill k is N(m, s²). Vetting to precision s' turns it into a belief with mean M ~ N(m, s² - s'²), and
the bar is cleared if M - z s' ≥ b, so that before vetting

    P(passes) = Φ((m - b - z s') / √(s² - s'²)).

Where several bars are open, all must be passed (skills are taken as independent given the belief's margins). Behind
the bars an hour is worth w - U: what it brings at the plan's prices less what the expert's hour already brings. So

    gain = P(passes) · min(H, hours the queue can use) · (w - U)⁺ - cost of vetting,       at most.

References: Raiffa & Schlaifer (1961), Applied Statistical Decision Theory (preposterior analysis).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from assignment.arrays import Bools, Floats, Rows
from assignment.plan import Plan
from assignment.problem import Problem
from assignment.projection import PRODUCE, REVIEW, ROLE_STEPS, ROLES, SURE, Projection


@dataclass(frozen=True, eq=False)
class Invitations:
    """Vettings worth their cost, the best first; row i in every array."""

    expert: Rows  # (I,) rows of experts
    queue: Rows  # (I,) the queue it would open
    role: Rows  # (I,)
    skills: Bools  # (I, S) what to vet
    chance: Floats  # (I,) of passing
    hours: Floats  # (I,) that would be used
    worth: Floats  # (I,) of one of these hours beyond what it brings today
    gain: Floats  # (I,) expected, less the cost of vetting; at most


def vet_next(
    problem: Problem, plan: Plan, projection: Projection, means: Floats, sds: Floats, bars: Floats, *,
    pay: Floats, vetting_cost: Floats, sd_after: float = 0.3, sure: float = SURE, open_to: Bools | None = None,
) -> Invitations:  # fmt: skip
    """One invitation for each expert: the set of skills whose vetting is expected to gain most.

    means, sds (E, S) beliefs; bars (Q, S), nan for none; pay (E,) an hour; vetting_cost (S,) money; sd_after the
    posterior sd that a vetting reaches; open_to (E, Q, 3) other filters (languages, conflicts), all open by default.
    """
    best = _Best(len(means), means.shape[1])
    spread = np.sqrt(np.maximum(sds**2 - sd_after**2, 1e-12))  # (E, S)
    doubt = np.where(sds > sd_after, ndtri(sure) * sd_after, np.inf)  # nothing is learnt about a sharper belief
    per_hour = [projection.submitted, projection.reviews, projection.seconds]
    hourly = plan.prices.hour.sum(axis=1)  # (E,)
    for q in range(len(problem.queues)):
        barred = np.flatnonzero(~np.isnan(bars[q]))
        if not len(barred):
            continue
        for role in range(len(ROLES)):
            bar = bars[q, barred] + ROLE_STEPS[role]
            closed = means[:, barred] - ndtri(sure) * sds[:, barred] < bar  # (E, B) what to vet
            passes = ndtr((means[:, barred] - bar - doubt[:, barred]) / spread[:, barred])
            chance = np.where(closed, passes, 1.0).prod(axis=1) * closed.any(axis=1)
            if open_to is not None:
                chance = chance * open_to[:, q, role]
            worth = np.maximum(_worth(problem, plan, projection, q, role, pay) - hourly, 0.0)
            hours = _usable(problem, q, role, per_hour[role][:, q], projection.accepted[:, q])
            gain = chance * hours * worth - closed @ vetting_cost[barred]
            best.offer(gain, q, role, barred, closed, chance, hours, worth)
    return best.invitations()


def by_person_and_skill(found: Invitations, experts: int) -> Floats:
    """(E, S) the expected gain of vetting each person in each skill; a set of skills shares its gain evenly."""
    table = np.zeros((experts, found.skills.shape[1]))
    share = found.gain / np.maximum(found.skills.sum(axis=1), 1)
    table[found.expert] = share[:, None] * found.skills
    return table


def _worth(problem: Problem, plan: Plan, projection: Projection, q: int, role: int, pay: Floats) -> Floats:
    """(E,) w of an hour on an arc that does not exist yet."""
    queues, prices = problem.queues, plan.prices
    wage = pay * (1.0 + prices.budget[queues.purse[q]])
    if role == PRODUCE:
        checks = queues.review_share[q] * prices.review[q] + queues.second_share[q] * prices.second[q]
        return np.asarray(
            (queues.value[q] - prices.demand[q]) * projection.accepted[:, q]
            - checks * projection.submitted[:, q]
            - wage
        )
    if role == REVIEW:
        return np.asarray(prices.review[q] * projection.reviews[:, q] - wage)
    return np.asarray(prices.second[q] * projection.seconds[:, q] - wage)


def _usable(problem: Problem, q: int, role: int, rate: Floats, accepted: Floats) -> Floats:
    """(E,) hours of each expert that the queue can use at all: to the end of its demand and of its due date."""
    queues = problem.queues
    wanted = queues.demand[q] / np.maximum(accepted, 1e-12)  # hours to produce everything alone
    if role != PRODUCE:
        share = queues.review_share[q] if role == REVIEW else queues.second_share[q]
        made = (problem.queue == q) & (problem.role == PRODUCE)
        yields = problem.accepted[made] / problem.rate[made]
        wanted = share * queues.demand[q] / max(float(np.median(yields)) if made.any() else 0.5, 1e-3) / rate
    return np.minimum(problem.hours[:, queues.due[q]], wanted)


class _Best:
    """Keeps the best invitation of each expert."""

    def __init__(self, experts: int, skills: int) -> None:
        self.rows = np.zeros((experts, 6))  # gain, queue, role, chance, hours, worth
        self.skills = np.zeros((experts, skills), dtype=bool)

    def offer(self, gain: Floats, q: int, role: int, barred: Rows, closed: Bools, chance: Floats, hours: Floats,
              worth: Floats) -> None:  # fmt: skip
        better = np.flatnonzero(gain > self.rows[:, 0])
        for column, numbers in enumerate((gain, np.full(len(gain), q), np.full(len(gain), role), chance, hours, worth)):
            self.rows[better, column] = numbers[better]
        self.skills[better] = False
        self.skills[np.ix_(better, barred)] = closed[better]

    def invitations(self) -> Invitations:
        order = np.argsort(-self.rows[:, 0], kind="stable")
        order = order[self.rows[order, 0] > 0]
        gain, queue, role, chance, hours, worth = self.rows[order].T
        return Invitations(
            order, queue.astype(np.intp), role.astype(np.intp), self.skills[order], chance, hours, worth, gain
        )
