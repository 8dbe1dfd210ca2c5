"""Why what is in reach changes: between now and the next two days, and since the last plan.

Within a forecast each future draws who comes through vetting and what it finds. So a figure may fall: people who surely
clear a bar as far as is known may be found below it. And it may move for no reason at all, since only some futures are
drawn; the error of that is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from vetting.plans.papers import held, key
from vetting.programs import crew, names, offer, previous, queues_of, wishes
from vetting.records import Applicant, Json, Program
from vetting.scope import QueueForm

Able = NDArray[np.bool_]  # (E, Q) who may work on which queue
SURELY = 2.0  # errors; a smaller difference may be chance
FEW = 0.05  # people who are not worth a word
NAMED = 5


# -- between horizons --------------------------------------------------------------------------------


def moved(now: Able, later: Sequence[Able], kind: NDArray[np.str_], q: int) -> Json:
    """How many people a later queue has lost and won against now, in the mean over the futures drawn."""
    own = (kind == "expert")[:, None]
    lost, cleared, came = (
        float(np.mean([rows[:, q].sum() for rows in some]))
        for some in (
            [now & ~then for then in later], [~now & then & own for then in later], [then & ~own for then in later],
        )
    )  # fmt: skip
    return {"lost": lost, "cleared": cleared, "came": came}


def because(start: float, at: Json, who: Json, futures: int) -> str:
    """Why a later figure differs from now's, in a sentence; empty where it does not."""
    change = at["units"] - start
    if abs(change) < max(0.005 * max(start, at["units"]), 0.5):
        return ""
    told = [
        f"{who[name]:.1f} {words}"
        for name, words in (
            ("lost", "people who may work now are found below a bar once they are vetted"),
            ("cleared", "experts clear a bar they do not clear now"),
            ("came", "newcomers come through"),
        )
        if who[name] >= FEW
    ]
    chance = ""
    if abs(change) <= SURELY * at["error"]:
        chance = f" By chance alone it may differ by {SURELY * at['error']:,.0f}: {futures} futures are drawn."
    way = "fewer" if change < 0 else "more"
    why = "; ".join(told) if told else "vetting finds the same people abler or less able than believed"
    return f"In {at['hours']} hours {abs(change):,.0f} {way}, in the mean: {why}.{chance}"


# -- since the last plan -----------------------------------------------------------------------------


def able_by_queue(axis: Sequence[str], queues: Sequence[QueueForm], able: Able) -> dict[str, list[str]]:
    """{queue: experts who may work on it}, by id."""
    return {queue.name: [axis[int(e)] for e in np.flatnonzero(able[:, q])] for q, queue in enumerate(queues)}


def since_plan(db: Session, program: Program, able: Mapping[str, Sequence[str]], now: datetime) -> list[str]:
    """Who left and who came since the last plan, queue by queue, and why they left; empty without a plan that says."""
    plan = previous(program)
    before: Mapping[str, Sequence[str]] = plan.body.get("able", {}) if plan else {}
    here = {str(person.id): person for person in crew(db)}
    known = names(here.values()) | {
        str(p): one.name for p in absent(before, here) if (one := db.get(Applicant, int(p)))
    }
    papers = held(db, now)
    said = []
    for queue in queues_of(program):
        if queue.name not in before:
            continue
        out = {str(wish.applicant_id) for wish in wishes(db, program) if (wish.kind, wish.queue) == ("bar", queue.name)}
        old, new = set(before[queue.name]), set(able.get(queue.name, ())) - out
        left = [
            f"{known.get(who, f'Applicant {who}')} "
            f"({'not wished here' if who in out else why_left(here.get(who), queue, papers)})"
            for who in sorted(old - new, key=int)
        ]
        came = [known.get(who, f"Applicant {who}") for who in sorted(new - old, key=int)]
        parts = [f"{what} {shortened(some)}" for what, some in (("without", left), ("with", came)) if some]
        count = f"{len(new)} {'person' if len(new) == 1 else 'people'}"
        said += [f"{queue.name}: {count} instead of {len(old)}, {' and '.join(parts)}."] if parts else []
    return said


def absent(before: Mapping[str, Sequence[str]], here: Mapping[str, Applicant]) -> set[str]:
    return {who for people in before.values() for who in people} - set(here)


def why_left(person: Applicant | None, queue: QueueForm, papers: Mapping[int, frozenset[str]]) -> str:
    if person is None:
        return "has no hours any more, or was not advanced"
    if missing := [name for name in queue.credentials if key(name) not in papers.get(person.id, frozenset())]:
        return f"no longer holds {missing[0]}, verified"
    if not queue.spoken <= set(offer(person).languages):
        return "does not speak what is asked now"
    return "no longer surely clears the bars"


def shortened(some: Sequence[str]) -> str:
    more = f" and {len(some) - NAMED} more" if len(some) > NAMED else ""
    return ", ".join(some[:NAMED]) + more
