r"""Whole jobs: every job to exactly one agent, nobody above their capacity (the generalised assignment problem).

    min  Σ_ij c_ij x_ij    subject to    Σ_i x_ij = 1    Σ_j a_ij x_ij ≤ b_i    x binary

Prices π of the capacities come from the linear relaxation. With them each pair has a reduced cost

    r_ij = c_ij + π_i a_ij - min_k (c_kj + π_k a_kj) ≥ 0,      bound = Σ_j min_k (c_kj + π_k a_kj) - π·b,

and a pair with bound + r_ij above a plan that is known cannot be part of a better one. So: prices, then a plan by
repair (cheapest pairs at the prices, shifted and swapped until nobody is overloaded, then until nothing gets cheaper),
then branch and bound by HiGHS over the pairs that are left, asked only for something better than the plan. When it says
that there is nothing, the plan is proven.

References: Fisher, Jaikumar & Van Wassenhove (1986), A multiplier adjustment method for the generalized assignment
problem; Martello & Toth (1990), Knapsack problems, ch. 7; Angelelli, Mansini & Speranza (2010), Kernel search.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

import numpy as np
from scipy.optimize import LinearConstraint, linprog, milp
from scipy.sparse import coo_array, csr_array, vstack

from assignment.arrays import Bools, Floats, Rows

PASSES = 200  # of shifts and swaps
GOAL = 1e-6  # a better plan must be better by this share, or by 1 where all costs are whole numbers
KERNEL = 8  # agents a job is offered to, cheapest first, while no plan is known


@dataclass(frozen=True, eq=False)
class WholePlan:
    """Who does each job, and how far from the best this can be."""

    agent: Rows  # (n,) -1 where no plan was found
    cost: float  # inf where no plan was found
    bound: float  # no plan costs less
    finished: bool  # proven, or proven impossible; else time was up

    @property
    def gap(self) -> float:
        """How much the cost may be above the least possible, as a share of it."""
        return max(self.cost - self.bound, 0.0) / max(abs(self.bound), 1e-9)


@dataclass(frozen=True, eq=False)
class _Jobs:
    cost: Floats  # (m, n)
    load: Floats  # (m, n)
    capacity: Floats  # (m,)

    @property
    def step(self) -> float:
        """By how much a better plan is better at least."""
        whole = (self.cost == np.rint(self.cost)).all()
        return 1.0 if whole else GOAL * float(np.abs(self.cost).min(axis=0).sum())

    def total(self, agent: Rows) -> float:
        return float(self.cost[agent, np.arange(len(agent))].sum())

    def left(self, agent: Rows) -> Floats:
        """(m,) capacity that is not used; negative where there is too much."""
        used = np.bincount(agent, self.load[agent, np.arange(len(agent))], minlength=len(self.capacity))
        return self.capacity - used


def assign_whole(cost: Floats, load: Floats, capacity: Floats, *, time_limit: float = 10.0) -> WholePlan:
    """The cheapest plan; with the time limit (seconds) the best that was found, and its bound.

    cost, load (m agents, n jobs), inf cost where an agent may not do a job; capacity (m,).
    """
    _refuse(cost, load, capacity)
    end = monotonic() + time_limit
    may = np.isfinite(cost) & (load <= capacity[:, None])
    if not may.any(axis=0).all():
        return WholePlan(np.full(cost.shape[1], -1), np.inf, np.inf, finished=True)
    dear = float(np.abs(cost[may]).sum()) + 1.0
    jobs = _Jobs(np.where(may, cost, dear), load, capacity)
    price = _prices(jobs, may)
    paid = np.where(may, cost + price[:, None] * load, np.inf)
    bound = float(paid.min(axis=0).sum() - price @ capacity)
    reduced = paid - paid.min(axis=0)
    agent = _repaired(jobs, reduced, may)
    best = WholePlan(agent, jobs.total(agent), bound, finished=False) if agent is not None else None
    return _better(jobs, may, reduced, bound, best, end)


def _prices(jobs: _Jobs, may: Bools) -> Floats:
    """(m,) what a unit of each capacity is worth in the linear relaxation."""
    i, j = np.nonzero(may)
    agents, n = jobs.cost.shape
    pairs = np.arange(len(i))
    room = csr_array(coo_array((jobs.load[i, j], (i, pairs)), shape=(agents, len(i))))
    once = csr_array(coo_array((np.ones(len(i)), (j, pairs)), shape=(n, len(i))))
    found = linprog(
        jobs.cost[i, j], A_ub=room, b_ub=jobs.capacity, A_eq=once, b_eq=np.ones(n), bounds=(0.0, None), method="highs"
    )
    return np.maximum(-found.ineqlin.marginals, 0.0) if found.status == 0 else np.zeros(agents)


def _repaired(jobs: _Jobs, reduced: Floats, may: Bools) -> Rows | None:
    """A plan near the prices: nobody overloaded first, then cheaper; None where shifts and swaps do not get there."""
    agent = reduced.argmin(axis=0)
    if not _relieve(jobs, agent, reduced):
        return None
    for _ in range(PASSES):
        if not (_shift(jobs, agent, may) or _swap(jobs, agent, may)):
            break
    return agent


def _relieve(jobs: _Jobs, agent: Rows, reduced: Floats) -> bool:
    """Moves jobs off overloaded agents, the least reduced cost for each unit of overload first."""
    left, n = jobs.left(agent), len(agent)
    for _ in range(PASSES + n):
        over = np.flatnonzero(left < -1e-9)
        if not len(over):
            return True
        mine = np.flatnonzero(np.isin(agent, over))
        own = jobs.load[agent[mine], mine]
        after = left[:, None] - jobs.load[:, mine]  # (m, mine)
        excess = np.maximum(-left[agent[mine]], 0.0)
        relief = np.minimum(own, excess) - np.maximum(-after, 0.0) + np.maximum(-left, 0.0)[:, None]
        relief[agent[mine], np.arange(len(mine))] = 0.0
        dearer = reduced[:, mine] - reduced[agent[mine], mine] + 1e-6
        score = np.divide(dearer, relief, out=np.full(relief.shape, np.inf), where=relief > 1e-9)
        to, which = np.unravel_index(int(score.argmin()), score.shape)
        if not np.isfinite(score[to, which]):
            return False
        job = mine[which]
        left[agent[job]] += jobs.load[agent[job], job]
        left[to] -= jobs.load[to, job]
        agent[job] = to
    return False


def _shift(jobs: _Jobs, agent: Rows, may: Bools) -> bool:
    """One job to a cheaper agent with room: the best such move, if there is one."""
    own = jobs.cost[agent, np.arange(len(agent))]
    fits = may & (jobs.load <= jobs.left(agent)[:, None] + 1e-9)
    saved = np.where(fits, own - jobs.cost, -np.inf)
    to, job = np.unravel_index(int(saved.argmax()), saved.shape)
    if saved[to, job] <= 1e-9:
        return False
    agent[job] = to
    return True


def _swap(jobs: _Jobs, agent: Rows, may: Bools) -> bool:
    """Two jobs exchange their agents: the best such move, if there is one."""
    every = np.arange(len(agent))
    left, cost, load = jobs.left(agent), jobs.cost[agent], jobs.load[agent]  # row j: job j's agent
    own_cost, own_load = cost[every, every], load[every, every]
    room = load <= (left[agent] + own_load)[:, None] + 1e-9  # job column fits where row's job was
    allowed = may[agent]
    fits = room & room.T & allowed & allowed.T & (agent[:, None] != agent)
    saved = np.where(fits, own_cost[:, None] + own_cost - cost - cost.T, -np.inf)
    one, other = np.unravel_index(int(saved.argmax()), saved.shape)
    if saved[one, other] <= 1e-9:
        return False
    agent[one], agent[other] = agent[other], agent[one]
    return True


def _better(
    jobs: _Jobs, may: Bools, reduced: Floats, bound: float, best: WholePlan | None, end: float
) -> WholePlan:  # fmt: skip
    """Branch and bound for something better than what is known, over the pairs that could be in it."""
    nothing = WholePlan(np.full(may.shape[1], -1), np.inf, bound, finished=False)
    known = best or nothing
    if best is None:  # somebody's place first, on few pairs; then all that could beat it
        rank = np.argsort(np.argsort(np.where(may, reduced, np.inf), axis=0), axis=0)
        known = _search(jobs, may & (rank < KERNEL), nothing, monotonic() + 0.4 * (end - monotonic()), partial=True)
    useful = may & (bound + reduced <= known.cost - jobs.step + 1e-9)
    if not useful.any(axis=0).all():
        return WholePlan(known.agent, known.cost, known.cost, finished=True)
    return _search(jobs, useful, known, end, partial=False)


def _search(jobs: _Jobs, pairs: Bools, known: WholePlan, end: float, *, partial: bool) -> WholePlan:
    """HiGHS over some pairs, for a plan cheaper than the known one. partial: its bound is not one for all pairs."""
    i, j = np.nonzero(pairs)
    which = np.arange(len(i))
    agents, n = jobs.cost.shape
    room = coo_array((jobs.load[i, j], (i, which)), shape=(agents, len(i)))
    once = coo_array((np.ones(len(i)), (j, which)), shape=(n, len(i)))
    cost = jobs.cost[i, j]
    rules = [LinearConstraint(vstack([room, once]), np.append(np.full(agents, -np.inf), np.ones(n)),
                              np.append(jobs.capacity, np.ones(n)))]  # fmt: skip
    if np.isfinite(known.cost):
        rules.append(LinearConstraint(csr_array(cost[None, :]), -np.inf, known.cost - jobs.step))
    options = {"time_limit": max(end - monotonic(), 0.01), "mip_rel_gap": 0.0}
    found = milp(cost, constraints=rules, integrality=np.ones(len(i)), bounds=(0, 1), options=options)
    impossible = found.status == 2
    if found.x is None:
        bound = known.cost if impossible and not partial else known.bound
        return WholePlan(known.agent, known.cost, bound, finished=impossible and not partial)
    chosen = np.flatnonzero(found.x > 0.5)
    agent = np.empty(n, np.intp)
    agent[j[chosen]] = i[chosen]
    limit = known.bound if partial else max(known.bound, min(float(found.mip_dual_bound), jobs.total(agent)))
    return WholePlan(agent, jobs.total(agent), limit, finished=found.status == 0 and not partial)


def _refuse(cost: Floats, load: Floats, capacity: Floats) -> None:
    if cost.ndim != 2 or load.shape != cost.shape or capacity.shape != cost.shape[:1] or not cost.size:
        raise ValueError(
            f"cost is {cost.shape}, load {load.shape}, capacity {capacity.shape}, but must be (m, n), (m, n) and (m,) "
            "with at least one agent and one job. Maybe the tables are transposed."
        )
    for name, table in (("load", load), ("capacity", capacity)):
        if not (np.isfinite(table).all() and (table >= 0).all()):
            raise ValueError(f"{name} must be numbers of 0 or more. Maybe a field was left empty or a sign turned.")
    if np.isnan(cost).any() or np.isneginf(cost).any():
        i, j = np.argwhere(np.isnan(cost) | np.isneginf(cost))[0]
        raise ValueError(f"cost[{i}, {j}] = {cost[i, j]}. Maybe use inf where an agent may not do a job.")
