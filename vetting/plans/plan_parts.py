"""A plan for a pool in several files, each read and answered where it lies: by Dask workers, or by this process.

EXPERTS is a folder of Parquet files as `plan_files` reads them, one partition each, in the order of their names. Only
prices, sums and the few arcs near somebody's best travel (see `assignment.partition`). The same files cut otherwise
give the same prices. An earlier plan is one file, of which every part reads the rows of its own people; the price of
leaving it follows from everybody's pay. The account's reasons need the whole pool and are not offered here.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from io import StringIO
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from assignment.arrays import total_by
from assignment.explain import choices
from assignment.partition import Crowd, Here, Part, Spread, solve_parts
from assignment.problem import Problem
from assignment.projection import ROLES
from vetting.plans.plan_files import COLUMNS, read_experts, read_previous
from vetting.plans.scene import SWITCHING, Wishes, compose, table, wanted
from vetting.records import Json
from vetting.scope import ProgramForm
from vetting.tables import TableFaultError, cell

PATIENCE = 15  # seconds until a scheduler that does not answer is named


def partitions(folder: Path) -> list[Path]:
    """The Parquet files of a folder, by name."""
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise TableFaultError(f"{folder}: holds no *.parquet file. Maybe the partitions lie one folder deeper.")
    return files


@dataclass(frozen=True, eq=False)
class Loaded:
    """One partition as its worker holds it."""

    problem: Problem
    ids: list[str]  # of its experts
    pay: float  # an hour, summed over them


def load(file: str, program: ProgramForm, now: datetime, previous: str | None) -> Loaded:
    pool = read_experts(Path(file))
    weights, _ = table(program.queues, pool.skills)
    before = read_previous(Path(previous), pool, program) if previous else []
    scene = compose(pool, program.queues, pool.sds**2 @ (weights**2).T, Wishes(before=before), now)
    return Loaded(scene.problem, list(pool.axis.ids), float(pool.pay.sum()))


def told(loaded: Loaded) -> tuple[list[str], float]:
    return loaded.ids, loaded.pay


def placed(loaded: Loaded, first: int, switching: float) -> Part:
    return Part(replace(loaded.problem, switching=switching), first)


def places(ids: list[list[str]], pay: list[float]) -> list[tuple[int, float]]:
    """(place of its first expert, price of switching) for each partition."""
    everybody = sum(len(some) for some in ids)
    firsts = accumulate((len(some) for some in ids[:-1]), initial=0)
    return [(first, SWITCHING * sum(pay) / everybody) for first in firsts]


class Workers:
    """Parts that stay on the workers of a Dask cluster."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401 -- distributed carries no types
        files: Sequence[Path],
        program: ProgramForm,
        now: datetime,
        previous: str | None,
    ) -> None:
        self.client = client
        loaded = [client.submit(load, str(file), program, now, previous, pure=False) for file in files]
        ids, pay = zip(*client.gather(client.map(told, loaded, pure=False)), strict=True)
        self.ids: list[list[str]] = list(ids)
        where = places(self.ids, list(pay))
        self.parts = [client.submit(placed, one, *at, pure=False) for one, at in zip(loaded, where, strict=True)]

    def each(self, do: Callable[..., Any], *arguments: object) -> list[Any]:
        """do(part, *arguments) where each part lies."""
        asked = [self.client.submit(do, part, *arguments, pure=False) for part in self.parts]
        return list(self.client.gather(asked))


def plan_parts(
    folder: Path, program: ProgramForm, now: datetime, address: str | None = None, previous: Path | None = None
) -> tuple[Spread, list[str]]:
    """The plan of all partitions, and everybody's id; on the cluster at the address, else here.

    previous: an earlier PLAN, which workers must see under the same name.
    """
    refuse_wishes(program)
    files = partitions(folder) if folder.is_dir() else [folder]
    earlier = None if previous is None else str(previous.resolve())
    if address is None:
        loaded = [load(str(file), program, now, earlier) for file in files]
        ids = [one.ids for one in loaded]
        where = places(ids, [one.pay for one in loaded])
        crowd: Crowd = Here([placed(one, *at) for one, at in zip(loaded, where, strict=True)])
        return _planned(crowd, ids, files, program, now)
    with connected(address) as client:
        workers = Workers(client, [file.resolve() for file in files], program, now, earlier)
        return _planned(workers, workers.ids, files, program, now)


def refuse_wishes(program: ProgramForm) -> None:
    """Wishes about the whole of a plan take several solves over the whole pool."""
    asked = {"mix": program.mix, "explore": program.explore, "least": any(queue.least for queue in program.queues)}
    asked |= {"block": program.block, "most_queues": program.most_queues}
    asked["most_share"] = any(queue.most_share for queue in program.queues)
    if wishes := [name for name, wished in asked.items() if wished]:
        raise ValueError(f"{', '.join(wishes)}: not for a pool in parts. Maybe join the files, or leave it out.")


def connected(address: str) -> Any:  # noqa: ANN401 -- distributed carries no types
    """A client of the cluster."""
    try:
        from distributed import Client  # noqa: PLC0415 -- an extra
    except ImportError as wrong:
        raise ValueError("--dask needs Dask. Maybe install the extra `distributed`.") from wrong
    try:
        return Client(address, timeout=PATIENCE)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TimeoutError) as wrong:
        raise ValueError(f"--dask: no scheduler answers at {address}. Maybe start one: dask scheduler.") from wrong


def _planned(
    crowd: Crowd, ids: list[list[str]], files: Sequence[Path], program: ProgramForm, now: datetime
) -> tuple[Spread, list[str]]:
    everybody = [one for some in ids for one in some]
    if len(set(everybody)) < len(everybody):
        seen: set[str] = set()
        twice = next(one for one in everybody if one in seen or seen.add(one))  # type: ignore[func-returns-value]
        raise TableFaultError(f"{files[0].parent}: expert {twice!r} stands in two partitions.")
    return solve_parts(wanted(program.queues, now, None), crowd), everybody


def as_table(found: Spread, ids: list[str], program: ProgramForm) -> str:
    """PLAN as CSV, by expert."""
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    problem, plan = found.problem, found.plan
    names = [queue.name for queue in program.queues]
    at = {(int(e), int(q), int(r)): a for a, (e, q, r) in enumerate(
        zip(problem.expert, problem.queue, problem.role, strict=True)
    )}  # fmt: skip
    for e in np.unique(problem.expert[plan.hours > 0]):
        for seat in choices(problem, plan, int(e)):
            arc = at[seat.expert, seat.queue, seat.role]
            second = f"{ROLES[seat.second[1]]} {names[seat.second[0]]}" if seat.second else ""
            rows.writerow(
                [cell(ids[seat.expert]), cell(names[seat.queue]), ROLES[seat.role], f"{seat.hours:.12g}", "", "",
                 f"{problem.accepted[arc] / problem.rate[arc]:.4f}" if seat.role == 0 else "",
                 f"{60 / problem.rate[arc]:.1f}", second, f"{seat.moving_costs:.2f}"]
            )  # fmt: skip
    return text.getvalue()


def account(found: Spread, program: ProgramForm) -> Json:
    """The plan in numbers: worth, proof, rounds, and what each queue gets."""
    problem, plan = found.problem, found.plan
    made = total_by(problem.queue, problem.accepted * plan.hours, len(program.queues))
    return {
        "value": plan.value,
        "gap": plan.gap,
        "status": plan.status,
        "rounds": found.rounds,
        "experts": problem.experts,
        "queues": [
            {"name": queue.name, "units": queue.units, "accepted": float(units)}
            for queue, units in zip(program.queues, made, strict=True)
        ],
    }
