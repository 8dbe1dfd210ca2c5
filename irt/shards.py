r"""Persons in shards: everything a fit asks of the answers is a sum over persons, so shards may be anywhere.

A shard keeps the answers of at most `SHARD` persons, and between passes their sites. Whoever holds shards runs a
step on each and hands the results back in the order of the persons; `total` adds them in that order. The shards
do not depend on who holds them, so a fit has the same estimates to the last bit in one process, in several,
and (on processors that round alike) on several machines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Protocol

from irt.design import Answers
from irt.estep import Parameters, Statistics, e_step, no_sites, quadrature, settle
from irt.person import Sites

SHARD = 2_000  # persons


@dataclass(eq=False)
class Shard:
    """Some persons' answers, and how far their beliefs have come."""

    answers: Answers
    sites: Sites


Step = Callable[..., Any]  # a function of a shard and further arguments; found by its name where shards are


class Hands(Protocol):
    """Whoever holds shards."""

    def each(self, step: Step, *args: object) -> Iterator[Any]:
        """The step's results on every shard, in the order of the persons."""
        ...


Crew = Callable[[Sequence[Answers]], Hands]  # takes shards on, and lets go of those it held before


class Desk:
    """Shards that this process holds."""

    def __init__(self, some: Sequence[Answers]) -> None:
        self.shards = [Shard(one, no_sites(one)) for one in some]

    def each(self, step: Step, *args: object) -> Iterator[Any]:
        """One after the other, as the results are taken."""
        return (step(shard, *args) for shard in self.shards)


def cut(answers: Answers) -> list[Answers]:
    """The shards of these persons; one that is empty if there is nobody."""
    return [answers.people(slice(begin, begin + SHARD)) for begin in range(0, max(len(answers), 1), SHARD)]


def total(hands: Hands, step: Step, *args: object) -> Statistics:
    """The sum of a step's statistics."""
    return reduce(add, hands.each(step, *args))


def settle_all(hands: Hands, at: Parameters, sweeps: int) -> None:
    """Every person's sites by expectation propagation, see `irt.estep.settle`."""
    for _ in hands.each(settled, at, sweeps):
        pass


# Steps


def swept(shard: Shard, at: Parameters) -> Statistics:
    """A pass of expectation propagation; the sites move."""
    found, shard.sites = e_step(shard.answers, at, shard.sites)
    return found


def integrated(shard: Shard, at: Parameters, nodes: int) -> Statistics:
    """The exact integral; sites only place the grids."""
    return quadrature(shard.answers, at, shard.sites, nodes)


def settled(shard: Shard, at: Parameters, sweeps: int) -> None:
    """Sites to convergence."""
    shard.sites = settle(shard.answers, at, shard.sites, sweeps)
