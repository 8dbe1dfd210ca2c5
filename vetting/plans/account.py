"""What a plan says, by id: hours and reasons, what is short and at what price, whom to vet next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from assignment import explain
from assignment.exploration import Explored
from assignment.plan import Plan
from assignment.projection import PRODUCE, ROLES, clearing_each_bar
from assignment.vet_next import vet_next
from vetting.plans.scene import Scene, may_enter
from vetting.plans.shifts import able_by_queue
from vetting.plans.timetable import dates
from vetting.records import Json
from vetting.scope import QueueForm

VETTING_COST = 2.0  # money for vetting one skill: a few minutes of an applicant's and a grader's time
LEAST_HOURS = 0.05  # shorter stretches are rounding, not work


@dataclass(frozen=True, eq=False)
class Exploring:
    """What a plan does in order to learn, and what was allowed."""

    found: Explored
    most: float  # share of the hours


def closed(setting: Scene) -> list[str]:
    """Queues that no one may produce or review on, with the bar that shuts them and the best anyone reaches."""
    people = explain.eligible_people(setting.problem)
    alone = clearing_each_bar(setting.pool.means, setting.pool.sds, setting.bars)
    said = []
    for q, queue in enumerate(setting.queues):
        needed = (True, queue.reviews > 0, queue.second > 0)
        shut = [role for role in range(len(ROLES)) if needed[role] and people[q, role] == 0]
        if not shut:
            continue
        doing = ("make", "review", "give the second-level review of")[shut[0]]
        hardest = [setting.pool.skills.ids[k] for k in np.flatnonzero(alone[q] == 0)]
        which = f"the bar on {', '.join(hardest)} is cleared by no one" if hardest else barrier(queue)
        said.append(
            f"Queue {queue.name!r}: nobody may {doing} its units: {which} with the needed certainty of 90 %. "
            f"Maybe lower the bar to {reachable(setting, q):.1f}, or vet more people."
        )
    return said


def barrier(queue: QueueForm) -> str:
    papers = f" and holds {', '.join(queue.credentials)}, verified" if queue.credentials else ""
    return f"no one clears all bars and speaks the language ({', '.join(sorted(queue.spoken))}){papers}"


def reachable(setting: Scene, q: int) -> float:
    """A bar that the third-best expert would clear on the skill that shuts the queue most."""
    floors = setting.pool.means - 1.2816 * setting.pool.sds
    rows = np.flatnonzero(~np.isnan(setting.bars[q]))
    if len(rows) == 0:
        return 0.0
    lack = [np.sort(floors[:, k])[-min(3, len(floors))] - setting.bars[q, k] for k in rows]
    worst = rows[int(np.argmin(lack))]
    return float(np.floor(10 * np.sort(floors[:, worst])[-min(3, len(floors))]) / 10)


def body(setting: Scene, plan: Plan, exploring: Exploring | None = None) -> Json:
    """Everything a page or a file says about the plan, by id."""
    problem = setting.problem
    short = {shortage.queue: shortage for shortage in explain.shortages(problem, plan)}
    missing = explain.unmet(problem, plan)
    vet = invitations(setting, plan)
    weights = explain.skill_demand(problem, plan, setting.weights, setting.bars)
    trials = np.zeros(problem.arcs) if exploring is None else exploring.found.trials.hours
    times = dates(setting, plan.hours, trials)
    return {
        "value": plan.value,
        "bound": plan.bound,
        "gap": plan.gap,
        "status": plan.status,
        "hours": [row for e in range(problem.experts) for row in seats(setting, plan, e, times, exploring)],
        "exploring": None if exploring is None else told(plan, exploring),
        "queues": [queue_view(setting, plan, q, float(missing[q]), short.get(q)) for q in range(len(setting.queues))],
        "closed": closed(setting),
        "demand": {setting.pool.skills.ids[k]: float(weights[k]) for k in np.argsort(-weights) if weights[k] > 1e-6},
        "worth_missing": float(sum(shortage.worth for shortage in short.values())),
        "vet_next": vet,
        "supply": supply(setting, plan, vet),
        "one_more_hour": {
            setting.pool.axis.ids[e]: float(w) for e, w in enumerate(explain.one_more_hour(plan)) if w > 0.01
        },
        "broken": broken(setting, plan),
        "prices": prices(setting, plan),
        "lessons": lessons(setting),
        "paces": paces(setting),
        "able": able(setting),
    }


def able(setting: Scene) -> dict[str, list[str]]:
    """Who may work on each queue, so that a later look can tell who left and who came; not of pools from files."""
    if setting.learnt is None:
        return {}
    cleared = np.zeros((setting.problem.experts, len(setting.queues)), dtype=bool)
    cleared[setting.problem.expert, setting.problem.queue] = True
    return able_by_queue(setting.pool.axis.ids, setting.queues, cleared)


def lessons(setting: Scene) -> Json:
    """What outcomes had taught of each queue by the time of the plan; empty where none were asked."""
    if setting.learnt is None:
        return {}
    seen = asdict(setting.learnt.lessons)
    return {
        queue.name: {what: float(numbers[q]) for what, numbers in seen.items() if what != "pace"}
        for q, queue in enumerate(setting.queues)
    }


def paces(setting: Scene) -> Json:
    """Likewise of people: by how much work takes longer than their test let expect, as a log, and its variance."""
    return {} if setting.learnt is None else {str(who): list(told) for who, told in setting.learnt.lessons.pace.items()}


def prices(setting: Scene, plan: Plan) -> Json:
    """What the plan's scarce things are worth, by queue: all that offering the next unit needs."""
    paid = plan.prices
    return {
        queue.name: {
            "demand": float(paid.demand[q]),
            "review": float(paid.review[q]),
            "second": float(paid.second[q]),
            "budget": float(paid.budget[setting.problem.queues.purse[q]]),
        }
        for q, queue in enumerate(setting.queues)
    }


def told(plan: Plan, exploring: Exploring) -> Json:
    """What exploring comes to as a whole: its share of the hours, what it costs today, what it is to bring later."""
    return {
        "most": exploring.most,
        "share": exploring.found.share,
        "hours": float(exploring.found.trials.hours.sum()),
        "costs": max(plan.bound - plan.objective, 0.0),
        "worth": float(exploring.found.trials.worth[exploring.found.trials.hours > 0].sum()),
    }


def seats(
    setting: Scene, plan: Plan, e: int, times: Mapping[tuple[int, int, int], Json], exploring: Exploring | None = None
) -> list[Json]:
    """Where an expert works, why there, and what the second choice would cost."""
    said = []
    for choice in explain.choices(setting.problem, plan, e):
        if choice.hours < LEAST_HOURS:
            continue
        queue = setting.queues[choice.queue]
        said.append(
            {
                "expert": setting.pool.axis.ids[e],
                "queue": queue.name,
                "role": ROLES[choice.role],
                "hours": choice.hours,
                **times.get((e, choice.queue, choice.role), {}),
                "worth": choice.worth,
                "second_worth": choice.second_worth,
                "moving_costs": choice.moving_costs,
                "second": None
                if choice.second is None
                else {"queue": setting.queues[choice.second[0]].name, "role": ROLES[choice.second[1]]},
                "acceptance": float(setting.projection.acceptance[e, choice.queue]),
                "acceptance_low": float(setting.projection.acceptance_low[e, choice.queue]),
                "acceptance_high": float(setting.projection.acceptance_high[e, choice.queue]),
                "minutes": float(setting.projection.minutes[e, choice.queue]),
                "strongest": strongest(setting, e, choice.queue),
                **to_learn(setting, exploring, choice),
            }
        )
    return said


def to_learn(setting: Scene, exploring: Exploring | None, seat: explain.Choice) -> Json:
    """How many of a seat's hours are a trial, of how many units, what their outcome may show and is worth later."""
    arcs = setting.problem
    here = (arcs.expert == seat.expert) & (arcs.queue == seat.queue) & (arcs.role == seat.role)
    arc = int(np.flatnonzero(here)[0])
    if exploring is None or not exploring.found.trials.hours[arc] > 0:
        return {"learning": 0.0, "tries": 0.0, "hoped": None, "repays": 0.0}
    trials = exploring.found.trials
    hours = float(trials.hours[arc])
    return {
        "learning": hours,
        "tries": hours * float(arcs.rate[arc]),
        "hoped": float(trials.hoped[arc]),
        "repays": float(trials.worth[arc]),
    }


def strongest(setting: Scene, e: int, q: int) -> str:
    """The queue's skill on which this person stands out most from the other experts."""
    rows = np.flatnonzero(setting.weights[q] > 0)
    ahead = setting.pool.means[e, rows] - setting.pool.means[:, rows].mean(axis=0)
    best: str = setting.pool.skills.ids[rows[int(np.argmax(ahead))]]
    return best


def queue_view(setting: Scene, plan: Plan, q: int, missing: float, shortage: explain.Shortage | None) -> Json:
    queue = setting.queues[q]
    people = explain.eligible_people(setting.problem)[q]
    return {
        "name": queue.name,
        "units": queue.units,
        "accepted": queue.units - missing,
        "missing": missing,
        "sd": spread(setting, plan, q),
        "value": queue.value,
        "due": str(queue.due) if queue.due else None,
        "people": {role: int(count) for role, count in zip(ROLES, people, strict=True)},
        "held_back_by": shortage.held_back_by if shortage else None,
        "worth": shortage.worth if shortage else 0.0,
        "newcomer": {
            role: None if shortage is None or np.isnan(price) else float(price)
            for role, price in zip(ROLES, shortage.prices if shortage else (np.nan,) * 3, strict=True)
        },
    }


def invitations(setting: Scene, plan: Plan) -> list[Json]:
    """Whom to vet next, and in what; the best twenty."""
    entry = may_enter(setting.pool, setting.queues)
    found = vet_next(
        setting.problem,
        plan,
        setting.projection,
        setting.pool.means,
        setting.pool.sds,
        setting.bars,
        pay=setting.pool.pay,
        vetting_cost=np.full(len(setting.pool.skills.ids), VETTING_COST),
        open_to=np.repeat(entry[:, :, None], len(ROLES), axis=2),
    )
    return [
        {
            "expert": setting.pool.axis.ids[found.expert[i]],
            "queue": setting.queues[found.queue[i]].name,
            "role": ROLES[found.role[i]],
            "skills": [setting.pool.skills.ids[k] for k in np.flatnonzero(found.skills[i])],
            "chance": float(found.chance[i]),
            "hours": float(found.hours[i]),
            "gain": float(found.gain[i]),
        }
        for i in range(min(20, len(found.expert)))
    ]


def supply(setting: Scene, plan: Plan, vet: Sequence[Json]) -> list[Json]:
    """Hours by skill: asked, planned, and likely after vetting; a queue's hours lie on its skills by weight."""
    names = [queue.name for queue in setting.queues]
    made = setting.problem.role == PRODUCE
    planned = np.bincount(setting.problem.queue[made], plan.hours[made], len(names))
    typical = np.median(1 / np.maximum(setting.projection.accepted, 1e-6), axis=0)  # hours an accepted unit
    asked = planned + explain.unmet(setting.problem, plan) * typical
    likely = np.zeros(len(names))
    for one in vet:
        likely[names.index(one["queue"])] += one["chance"] * one["hours"]
    rows = np.flatnonzero(setting.weights.sum(axis=0) > 0)
    return [
        {
            "skill": setting.pool.skills.ids[k],
            "demand_hours": float(asked @ setting.weights[:, k]),
            "ready_hours": float(planned @ setting.weights[:, k]),
            "likely_hours": float(likely @ setting.weights[:, k]),
        }
        for k in rows
    ]


def spread(setting: Scene, plan: Plan, q: int) -> float:
    """The sd of the units accepted in a queue, from what is not known of its people's acceptance."""
    here = (setting.problem.queue == q) & (setting.problem.role == PRODUCE)
    sd = setting.projection.accepted_sd[setting.problem.expert[here], q]
    return float(np.sqrt((np.square(plan.hours[here] * sd)).sum()))


def broken(setting: Scene, plan: Plan) -> list[Json]:
    """Pins that could not be kept whole."""
    arcs = setting.problem
    return [
        {
            "expert": setting.pool.axis.ids[arcs.expert[a]],
            "queue": setting.queues[arcs.queue[a]].name,
            "hours": float(plan.broken[a]),
        }
        for a in np.flatnonzero(plan.broken > LEAST_HOURS)
    ]
