"""How fast a plan is found and proven, against HiGHS on the same linear programme.

    OMP_NUM_THREADS=1 python3 dev.py bench plan_speed --experts 30000 --queues 200 --load 0.5 --load 8 --highs hipo
    OMP_NUM_THREADS=1 python3 dev.py bench plan_speed --experts 300000 --queues 500 --fields 19 --load 8

CPU seconds of one thread, compilation left out. `hipo` and `ipx` (interior point with crossover) need the group `bench`
(highspy with extras); `highs-ds` and `highs-ipm` are SciPy's. "raw LP" is the programme without the rows of "nobody
reviews their own work", which our plans obey and the raw programme does not: our objective may be a little below its
optimum, and our gap is proven against all arcs either way. "floor" is the share of hours that left with their people,
"moved" what the new plan took from the old one, "untouched" the part of it among people whose own hours did not change.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from resource import RUSAGE_SELF, getrusage

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csc_array, vstack

from assignment.plan import Plan, columns
from assignment.problem import Problem
from assignment.rows import coupling, hour_rows
from assignment.simulation import change_some, simulate_problem
from assignment.solve import solve


def highs(problem: Problem, method: str, limit: float) -> tuple[str, float]:
    shared, limits = coupling(problem)
    hourly, at_most = hour_rows(problem, columns(problem))
    right = np.concatenate([limits, at_most])
    rows = vstack([shared, hourly], format="csr")[np.isfinite(right)]
    began = time.process_time()
    found = linprog(
        -problem.gain, A_ub=rows, b_ub=right[np.isfinite(right)], method=method, options={"time_limit": limit}
    )
    took = time.process_time() - began
    worth = "no plan" if found.x is None else f"objective {-found.fun:.6g}"
    return f"{method:>10}: {took:8.2f} CPU s   {'optimal' if found.status == 0 else 'not finished'}   {worth}", took


def hipo(problem: Problem, method: str, limit: float) -> tuple[str, float]:
    """The same by highspy, one thread, crossover on."""
    import highspy  # noqa: PLC0415 -- the group `bench`

    shared, limits = coupling(problem)
    hourly, at_most = hour_rows(problem, columns(problem))
    right = np.concatenate([limits, at_most])
    rows = csc_array(vstack([shared, hourly], format="csr")[np.isfinite(right)])
    lp, solver = highspy.HighsLp(), highspy.Highs()
    lp.num_row_, lp.num_col_ = rows.shape
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = -problem.gain, np.zeros(problem.arcs), np.full(problem.arcs, np.inf)
    lp.row_lower_, lp.row_upper_ = np.full(rows.shape[0], -np.inf), right[np.isfinite(right)]
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = rows.indptr, rows.indices, rows.data
    for name, value in (("output_flag", False), ("threads", 1), ("parallel", "off"), ("solver", method),
                        ("run_crossover", "on"), ("time_limit", limit)):  # fmt: skip
        if solver.setOptionValue(name, value) != highspy.HighsStatus.kOk:
            raise SystemExit(f"{method}: this highspy has no {name} = {value}. Maybe install highspy[extras].")
    solver.passModel(lp)
    began = time.process_time()
    solver.run()
    took = time.process_time() - began
    status = solver.modelStatusToString(solver.getModelStatus())
    worth = -solver.getInfo().objective_function_value
    return f"{method:>10}: {took:8.2f} CPU s   {status}   objective {worth:.6g}", took


def timed(problem: Problem, **wishes: object) -> tuple[Plan, float]:
    began = time.process_time()
    plan = solve(problem, **wishes)  # type: ignore[arg-type]
    return plan, time.process_time() - began


def moved(old: Plan, new: Plan, among: np.ndarray | None = None) -> float:
    lost = np.maximum(old.hours - new.hours, 0.0)
    return float((lost if among is None else lost[among]).sum() / old.hours.sum())


def replans(problem: Problem, plan: Plan, seed: int) -> None:
    changed = change_some(np.random.default_rng(seed + 1000), problem)
    same = (changed.hours == problem.hours).all(axis=1)[problem.expert]
    used = np.bincount(problem.expert, plan.hours, minlength=problem.experts)
    floor = np.maximum(used - changed.hours[:, 0], 0.0).sum() / plan.hours.sum()
    calm = replace(changed, before=plan.hours, switching=0.05 * float(np.median(problem.cost)))
    cold, cold_took = timed(changed)
    runs = (("cold", (cold, cold_took)), ("warm", timed(changed, start=plan.prices)),
            ("warm, switching 5 %", timed(calm, start=plan.prices)))  # fmt: skip
    for name, (new, took) in runs:
        print(
            f"{name:>22}: {took:6.2f} CPU s   gap {new.gap:.1e}   value {new.value / cold.value - 1:+.1e}   "
            f"moved {moved(plan, new):.1%} (floor {floor:.1%})   untouched {moved(plan, new, same):.1%}"
        )


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experts", type=int, default=30_000)
    parser.add_argument("--queues", type=int, default=200)
    parser.add_argument("--load", type=float, action="append")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--highs", action="append", default=[], choices=["highs-ds", "highs-ipm", "hipo", "ipx"])
    parser.add_argument("--fields", type=int, help="fewer fields, more arcs")
    parser.add_argument("--limit", type=float, default=600.0, help="wall seconds for HiGHS")
    wish = parser.parse_args(argv)
    timed(simulate_problem(np.random.default_rng(0), 6000, 50))  # compiles
    times: dict[tuple[float, str], list[float]] = {}
    for load in wish.load or [0.5, 8.0]:
        for seed in range(1, wish.seeds + 1):
            problem = simulate_problem(
                np.random.default_rng(seed), wish.experts, wish.queues, load=load, fields=wish.fields
            )
            plan, took = timed(problem)
            ready = problem.hours[np.unique(problem.expert)].sum()
            split = int((np.bincount(problem.expert[plan.hours > 0], minlength=problem.experts) > 1).sum())
            print(
                f"load {load} seed {seed}: {problem.arcs} arcs, {len(np.unique(problem.expert))} people with arcs, "
                f"{plan.hours.sum() / ready:.0%} of hours used, {split} people on several arcs"
            )
            print(f"{'ours':>22}: {took:6.2f} CPU s   gap {plan.gap:.1e}   objective {plan.objective:.6g}", flush=True)
            replans(problem, plan, seed)
            for method in wish.highs:
                other = highs if method.startswith("highs") else hipo
                line, other_took = other(problem, method, wish.limit)
                times.setdefault((load, method), []).append(other_took / took)
                print(f"{'':12}{line}   {other_took / took:.1f} times ours", flush=True)
            print(f"{'':12}peak memory {getrusage(RUSAGE_SELF).ru_maxrss / 1024**2:.2f} GiB", flush=True)
    for (load, method), found in times.items():
        print(
            f"load {load}: {method} takes {np.median(found):.1f} times ours in the median of {len(found)} pools, "
            f"{min(found):.1f} to {max(found):.1f}"
        )


if __name__ == "__main__":
    main()
