"""What a plan is worth beside the ways people staff by hand, and how far its prices can be trusted.

    OMP_NUM_THREADS=1 python3 dev.py bench greedy [--experts 3000] [--queues 50] [--load 8] [--seeds 10]

best skill   queue by queue as they came; the surest producers and the quickest reviewers first
by value     the same, the queue with the most valuable unit first
fifo         everybody pulls from the oldest queue that is open to them

Both obey the rules of the plan: hours, demand, budgets, every unit reviewed by others; no hour of a review is spent
before there is a unit to review. Compared is the worth of what is accepted, on the same pools. Prices: five per cent
more or less demand on a tenth of the queues, and hours for a twentieth of the people, foretold and solved again.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from assignment.arrays import Floats, Rows, total_by
from assignment.checker import violations
from assignment.floor import best_floor, solve_with_floor
from assignment.foresee import foresee
from assignment.plan import Plan
from assignment.problem import Problem
from assignment.projection import PRODUCE, REVIEW, SECOND
from assignment.rows import servable
from assignment.solve import solve


def accepted_worth(problem: Problem, hours: Floats) -> float:
    worth = problem.queues.value[problem.queue] * problem.quality * problem.accepted
    return float(worth @ hours)


class ByHand:
    """Hours left, and one queue filled after the other."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.left = problem, problem.hours[:, 0].copy()
        self.hours, self.money = np.zeros(problem.arcs), problem.queues.budget.copy()

    def fill(self, q: int, arcs: dict[int, Rows]) -> None:
        """Producers in order, each as far as hours, demand, money and reviewers (in order) go."""
        p, queues = self.problem, self.problem.queues
        wanted, purse = queues.demand[q], queues.purse[q]
        shares = {REVIEW: queues.review_share[q], SECOND: queues.second_share[q]}
        producing = set()
        for a in arcs[PRODUCE]:
            e = p.expert[a]
            if self.left[e] <= 0 or any(self.hours[b] > 0 for role in shares for b in self.of(q, e, role)):
                continue
            hours = min(self.left[e], wanted / p.accepted[a])
            crews = {role: self.crew(arcs[role], producing | {e}) for role in shares}
            for role, share in shares.items():
                if share > 0:
                    hours = min(hours, (p.rate[crews[role]] @ self.left[p.expert[crews[role]]]) / (share * p.rate[a]))
            hours = min(hours, self.affordable(a, crews, shares, purse))
            if hours <= 1e-9:
                continue
            self.spend(a, hours, purse)
            for role, share in shares.items():
                self.review(crews[role], share * p.rate[a] * hours, purse)
            producing.add(e)
            wanted -= p.accepted[a] * hours
            if wanted <= 1e-9:
                return

    def of(self, q: int, e: int, role: int) -> Rows:
        mine = np.arange(self.problem.starts[e], self.problem.starts[e + 1])
        return mine[(self.problem.queue[mine] == q) & (self.problem.role[mine] == role)]

    def crew(self, arcs: Rows, producing: set[int]) -> Rows:
        return np.array([b for b in arcs if self.left[self.problem.expert[b]] > 0
                         and self.problem.expert[b] not in producing], dtype=np.intp)  # fmt: skip

    def affordable(self, a: int, crews: dict[int, Rows], shares: dict[int, float], purse: int) -> float:
        p, each = self.problem, self.problem.cost[a]
        for role, share in shares.items():
            if share > 0 and len(crews[role]):
                each += share * p.rate[a] * (p.cost / p.rate)[crews[role]].max()
        return self.money[purse] / each

    def spend(self, a: int, hours: float, purse: int) -> None:
        self.hours[a] += hours
        self.left[self.problem.expert[a]] -= hours
        self.money[purse] -= self.problem.cost[a] * hours

    def review(self, crew: Rows, wanted: float, purse: int) -> None:
        for b in crew:
            if wanted <= 1e-12:
                return
            hours = min(self.left[self.problem.expert[b]], wanted / self.problem.rate[b])
            self.spend(b, hours, purse)
            wanted -= hours * self.problem.rate[b]


def by_hand(problem: Problem, queues: Rows, merit: Floats) -> Floats:
    """(A,) hours when queues are filled in this order, people by falling merit (A,)."""
    work, seat = ByHand(problem), problem.queue * 3 + problem.role
    order = np.lexsort((-merit, seat))
    edges = np.searchsorted(seat[order], np.arange(3 * len(problem.queues) + 1))
    for q in queues:
        work.fill(int(q), {role: order[edges[3 * q + role] : edges[3 * q + role + 1]] for role in range(3)})
    return work.hours


def best_skill(problem: Problem, queues: Rows) -> Floats:
    return by_hand(problem, queues, np.where(problem.role == PRODUCE, problem.accepted / problem.rate, problem.rate))


def fifo(problem: Problem, rng: np.random.Generator) -> Floats:
    return by_hand(problem, rng.permutation(len(problem.queues)), rng.random(problem.experts)[problem.expert])


def foretold(problem: Problem, plan: Plan, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """What came over what was foretold for small changes, by today's prices and by those of both ends.

    Both foretell at most: a gain comes out at 1 or below, a loss at 1 or above.
    """
    which, who = rng.random(len(problem.queues)) < 0.1, rng.random(problem.experts) < 0.05
    found = {}
    for sign in (0.05, -0.05):
        demand = problem.queues.demand * (1.0 + sign * which)
        hours = problem.hours * (1.0 + sign * who)[:, None]
        for name, changed in (
            ("demand", replace(problem, queues=replace(problem.queues, demand=demand))),
            ("hours", replace(problem, hours=hours)),
        ):
            came = solve(changed, goal=1e-7).objective - plan.objective
            said = foresee(plan, changed)
            dust = 1e-7 * abs(plan.objective)  # nothing foretold, nothing came
            by_price, gain = (came / one if abs(one) > dust else 1.0 for one in (said.by_price, said.gain))
            found[f"{name} {sign:+.0%}"] = (by_price, gain)
            if came > said.gain + dust:
                raise AssertionError(f"{name} {sign:+.0%} brought {came:g}, foretold were at most {said.gain:g}.")
    return found


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, usual in (("experts", 3000), ("queues", 50), ("seeds", 10)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--load", type=float, default=3.0)
    parser.add_argument("--floor", action="store_true", help="also the worst queue under a floor (slow)")
    wish = parser.parse_args(argv)
    from assignment.simulation import simulate_problem  # noqa: PLC0415

    ratios = []
    for seed in range(1, wish.seeds + 1):
        problem = simulate_problem(np.random.default_rng(seed), wish.experts, wish.queues, load=wish.load)
        plan = solve(problem, goal=1e-7)
        rng = np.random.default_rng(1000 + seed)
        rivals = {
            "best skill": best_skill(problem, np.arange(wish.queues)),
            "by value": best_skill(problem, np.argsort(-problem.queues.value, kind="stable")),
            "fifo": fifo(problem, rng),
        }
        broken = [len(list(violations(problem, hours))) for hours in (plan.hours, *rivals.values())]
        used = plan.hours.sum() / problem.hours[np.unique(problem.expert)].sum()
        ours = accepted_worth(problem, plan.hours)
        ratio = [ours / accepted_worth(problem, hours) - 1 for hours in rivals.values()]
        ratios.append([used, *ratio])
        trust = "   ".join(
            f"{name} {price:.3f} {both:.4f}" for name, (price, both) in foretold(problem, plan, rng).items()
        )
        print(f"seed {seed}: {used:.1%} of hours, over best skill {ratio[0]:+.1%}, "
              f"by value {ratio[1]:+.1%}, over fifo {ratio[2]:+.1%}, "
              f"rules broken {broken}   {trust}", flush=True)  # fmt: skip
        if wish.floor:
            level, served = best_floor(problem), servable(problem)
            floored = solve_with_floor(problem, floor=level)
            made = total_by(problem.queue, problem.accepted * floored.hours, len(problem.queues))
            worst = (made / np.maximum(problem.queues.demand, 1e-12))[served].min()
            print(
                f"    worst queue {worst:.4f} of its demand, best possible {level:.4f}: {worst / level:.3f}", flush=True
            )
    print(
        "median: {:.1%} of hours, {:+.1%} over best skill, {:+.1%} by value, {:+.1%} over fifo".format(
            *np.median(ratios, axis=0)
        )
    )


if __name__ == "__main__":
    main()
