"""Whole jobs to agents: the 78 instances of the OR-Library with known optima, so many seconds each.

    OMP_NUM_THREADS=1 python3 dev.py bench whole_jobs FOLDER [--seconds 10]

FOLDER holds pairs.csv.gz (instance, agent, job, cost, load), capacities.csv (instance, agent, capacity) and optima.csv
(instance, agents, jobs, optimum).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from assignment.whole import assign_whole


def rows(file: Path) -> Iterator[dict[str, str]]:
    read = gzip.open if file.suffix == ".gz" else open
    with read(file, "rt", encoding="utf-8") as text:
        yield from csv.DictReader(text)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    wish = parser.parse_args(argv)
    known = {row["instance"]: row for row in rows(wish.folder / "optima.csv")}
    capacity, pairs = defaultdict(dict), defaultdict(list)
    for row in rows(wish.folder / "capacities.csv"):
        capacity[row["instance"]][int(row["agent"])] = float(row["capacity"])
    for row in rows(wish.folder / "pairs.csv.gz"):
        pairs[row["instance"]].append((int(row["agent"]), int(row["job"]), float(row["cost"]), float(row["load"])))
    gaps = defaultdict(list)
    for name, one in known.items():
        shape = (int(one["agents"]), int(one["jobs"]))
        cost, load = np.full(shape, np.inf), np.zeros(shape)
        for i, j, c, a in pairs[name]:
            cost[i, j], load[i, j] = c, a
        room = np.array([capacity[name][i] for i in range(shape[0])])
        began = time.process_time()
        plan = assign_whole(cost, load, room, time_limit=wish.seconds)
        took = time.process_time() - began
        feasible = (plan.agent >= 0).all() and (
            np.bincount(plan.agent, load[plan.agent, np.arange(shape[1])], minlength=shape[0]) <= room
        ).all()
        gap = plan.cost / float(one["optimum"]) - 1 if feasible else np.inf
        kind = "gap1-12" if "gap" in name else f"type {Path(name).name[0]}"
        gaps[kind].append((gap, plan.finished, took))
        print(f"{name:24} {shape[0]:3} x {shape[1]:3}   cost {plan.cost:6.0f}   gap {gap:.3%}   "
              f"{'proven' if plan.finished else 'time limit'}   {took:.2f} CPU s", flush=True)  # fmt: skip
    for kind, found in [*gaps.items(), ("all", [one for some in gaps.values() for one in some])]:
        gap, proven, took = np.array(found, dtype=float).T
        feasible, best = bool(np.isfinite(gap).all()), int((gap < 1e-9).sum())
        print(f"{kind:8} {len(gap):3} instances   all feasible: {feasible}   mean gap {gap.mean():.4%}   "
              f"worst {gap.max():.3%}   at the optimum {best}   proven {int(proven.sum())}   "
              f"mean {took.mean():.2f} CPU s")  # fmt: skip


if __name__ == "__main__":
    main()
