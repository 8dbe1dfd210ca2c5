"""Where a calibration's passes run: in this process, in several, or on a Dask cluster; the estimates are the same.

Each worker keeps the answers of its persons, so that only parameters and sums travel between passes.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

from irt.design import Answers
from irt.shards import Crew, Desk, Hands, Step

PATIENCE = "10s"  # for a scheduler to answer


@contextmanager
def crew(workers: int = 1, dask: str | None = None) -> Iterator[Crew]:
    """Whoever runs the passes; processes and connections end with the block."""
    if workers > 1 and dask:
        raise ValueError("--workers and --dask: one or the other. Maybe leave --workers out: the cluster has its own.")
    with ExitStack() as open_:
        if dask:
            yield open_.enter_context(_cluster(dask))
        elif workers > 1:
            context = multiprocessing.get_context("spawn")
            pools = [
                open_.enter_context(ProcessPoolExecutor(max_workers=1, mp_context=context)) for _ in range(workers)
            ]
            yield lambda some: Processes(pools, some)
        else:
            yield Desk


def runs(some: Sequence[Answers], workers: int) -> list[Sequence[Answers]]:
    """The shards in as many runs as there are workers, none empty, of about equally many answers."""
    given = np.cumsum([len(one.item) for one in some])
    share = np.searchsorted(given, given[-1] * np.arange(1, workers) / workers)
    ends = [0, *(share + 1).tolist(), len(some)]
    return [some[a:b] for a, b in pairwise(ends) if b > a]


# -- processes -------------------------------------------------------------------------------------

_desk: list[Desk] = []  # of a worker process


def _seat(some: Sequence[Answers]) -> None:
    _desk[:] = [Desk(some)]


def _each(step: Step, args: tuple[object, ...]) -> list[Any]:
    return list(_desk[0].each(step, *args))


class Processes(Hands):
    """Shards held by processes of this machine, one pool of one process each."""

    def __init__(self, pools: Sequence[ProcessPoolExecutor], some: Sequence[Answers]) -> None:
        mine = runs(some, len(pools))
        self.pools = pools[: len(mine)]
        _finished([pool.submit(_seat, one) for pool, one in zip(self.pools, mine, strict=True)])

    def each(self, step: Step, *args: object) -> Iterator[Any]:
        """All workers at once; results in the order of the persons."""
        for part in _finished([pool.submit(_each, step, args) for pool in self.pools]):
            yield from part


def _finished(futures: Sequence[Future[Any]]) -> list[Any]:
    try:
        return [future.result() for future in futures]
    except BrokenProcessPool as wrong:
        raise OSError("a worker process ended early. Maybe memory ran out: use fewer --workers.") from wrong


# -- Dask ------------------------------------------------------------------------------------------


class Seat:
    """What an actor on a Dask worker is: a desk that hands back lists."""

    def __init__(self, some: Sequence[Answers]) -> None:
        self.desk = Desk(some)

    def each(self, step: Step, args: tuple[object, ...]) -> list[Any]:
        """The step's results on every shard here."""
        return list(self.desk.each(step, *args))


class Actors(Hands):
    """Shards held by actors, one on each worker of a cluster."""

    def __init__(self, client: Any, some: Sequence[Answers]) -> None:  # noqa: ANN401  distributed carries no types
        workers = sorted(client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise OSError("the Dask cluster has no workers. Maybe start some: dask worker tcp://HOST:PORT.")
        seated = [
            client.submit(Seat, one, actor=True, workers=[worker])
            for worker, one in zip(workers, runs(some, len(workers)), strict=False)
        ]
        self.actors = [future.result() for future in seated]

    def each(self, step: Step, *args: object) -> Iterator[Any]:
        """All workers at once; results in the order of the persons."""
        for future in [actor.each(step, args) for actor in self.actors]:
            yield from future.result()


@contextmanager
def _cluster(address: str) -> Iterator[Crew]:
    try:
        from distributed import Client  # noqa: PLC0415  an extra
    except ImportError as wrong:
        raise ValueError(
            "--dask needs the package distributed. Maybe: pip install 'assay-engine[distributed]'."
        ) from wrong
    try:
        connect: Any = Client
        client = connect(address, timeout=PATIENCE)
    except (OSError, ValueError) as wrong:
        raise OSError(
            f"--dask {address}: no scheduler answers ({wrong}). Maybe it is not running, or the address is not of "
            "the form tcp://HOST:PORT."
        ) from wrong
    with client:
        try:
            yield lambda some: Actors(client, some)
        except (ModuleNotFoundError, AttributeError) as wrong:
            raise OSError(
                f"--dask {address}: its workers cannot run a pass ({wrong}). Maybe they lack assay-engine."
            ) from wrong
