"""What looks at gold units say of whoever took them: their right verdict is known, up to the gold's own doubt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vetting.records import Queue
from vetting.scope import QueueForm
from vetting.work_records import Gold, Look, Unit

STEPS = ("reject", "send_back", "pass")  # verdicts on made units, in their order
RIGHT = 2  # level of a right verdict, as of an accepted unit


@dataclass(frozen=True)
class Known:
    """One look at a gold unit."""

    program: int
    queue: QueueForm
    level: int  # 2 right; 1 a step off; 0 wrong
    doubt: float  # chance that the gold itself is wrong


def gold_of(unit: Unit) -> Gold | None:
    """The mark that holds; none where it was withdrawn or never made."""
    return unit.golds[-1] if unit.golds and unit.golds[-1].verdict else None


def level(said: str, right: str) -> int:
    """How near a verdict came: of made units a neighbouring verdict is a step off, of judgements there are no steps."""
    if said in STEPS and right in STEPS:
        return RIGHT - abs(STEPS.index(said) - STEPS.index(right))
    return RIGHT if said == right else 0


def looks_at_gold(looks: Iterable[Look]) -> Iterator[tuple[Look, Gold]]:
    """Looks that were offered blind, whose gold still holds."""
    for look in looks:
        if look.offer.task == "gold" and (gold := gold_of(look.offer.unit)) is not None:
            yield look, gold


def known(looks: Iterable[Look]) -> list[Known]:
    """What each look at gold is worth as evidence."""
    return [
        Known(gold.unit.program_id, worded(look), level(look.verdict, gold.verdict), gold.doubt)
        for look, gold in looks_at_gold(looks)
    ]


def worded(look: Look) -> QueueForm:
    """The queue as it was worded when the look was taken."""
    unit = look.offer.unit
    mine: list[Queue] = [one for one in unit.program.queues if one.name == unit.queue and one.at <= look.offer.at]
    return QueueForm.model_validate(mine[-1].body)
