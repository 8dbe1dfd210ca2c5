"""Raters that are no longer who they were: what their verdicts are kept under since, and who says so.

A model that changed is another rater. From that moment on its verdicts are kept as `model:<model>@<prompt>~<change>`, a
name that no calibration knows: they stand in the shadow until one does, and all that was read before is read as before.
A person may overrule a change (a false alarm). Then its verdicts since count as the rater's own, by a calibration that
gives the new name the old numbers, and later ones are kept under the old name again. The latest ruling holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from vetting import scale as scales
from vetting.panel import original
from vetting.rater_records import RaterChange, RaterRuling
from vetting.records import AuditEntry, Json

WATCH = "watch"  # who found a change that nobody told
LONGEST_REASON = 2_000


class RulingError(ValueError):
    """What a person says of a change cannot be taken: which field, and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Changes:
    """All changes, oldest first."""

    rows: tuple[RaterChange, ...]

    @property
    def standing(self) -> list[RaterChange]:
        return [one for one in self.rows if stands(one)]

    def called(self, rater: str) -> str:
        """What a rater's next verdict is kept under."""
        mine = [one for one in self.standing if original(one.rater) == original(rater)]
        return name_since(mine[-1]) if mine else rater

    @property
    def read_as(self) -> dict[str, str]:
        """{name since a change that was overruled: whose verdicts these are}."""
        found: dict[str, str] = {}
        for one in self.rows:
            if not stands(one):
                found[name_since(one)] = found.get(one.rater, one.rater)
        return found

    def names(self, rater: str) -> list[str]:
        """All names that one rater's verdicts stand under."""
        return [rater, *(name for name, own in self.read_as.items() if own == rater)]

    def ended(self, rater: str) -> RaterChange | None:
        """The change that ended this name's time."""
        names = self.names(rater)
        return next((one for one in self.standing if one.rater in names), None)


def of(db: Session) -> Changes:
    return Changes(
        tuple(db.scalars(select(RaterChange).order_by(RaterChange.id).options(selectinload(RaterChange.rulings))))
    )


def stands(change: RaterChange) -> bool:
    return not change.rulings or change.rulings[-1].stands


def name_since(change: RaterChange) -> str:
    return f"{original(change.rater)}~{change.id}"


# -- saying so -------------------------------------------------------------------------------------


def note(
    db: Session, rater: str, reason: str, now: datetime, *, by: str = WATCH, found: Json | None = None
) -> RaterChange:  # fmt: skip
    """The rater changed; its verdicts from now on are another's."""
    change = RaterChange(at=now, rater=rater, by=by, reason=reason, body=found or {})
    db.add(change)
    db.flush()
    db.add(AuditEntry(at=now, who=by, what="rater changed", about={"change": change.id, "rater": rater}))
    return change


def tell(db: Session, rater: str, reason: str, now: datetime, *, by: str) -> RaterChange:
    """A person knows that a rater whose verdicts count has changed. Raises RulingError."""
    if rater not in counting(db, of(db)):
        raise RulingError("rater", "Choose a model whose verdicts count.")
    return note(db, rater, checked(reason), now, by=by)


def rule(db: Session, change: RaterChange, reason: str, now: datetime, *, holds: bool, by: str) -> RaterRuling:
    """A person says whether a change was one. Raises RulingError."""
    if holds == stands(change):
        raise RulingError("reason", "This was said already. Maybe somebody was faster: look at the page again.")
    numbers = dict(scales.latest(db).body.get("raters", {}))
    since, own = name_since(change), numbers.get(change.rater)
    if not holds and since in numbers:
        raise RulingError(
            "reason", "Its verdicts since were measured and count by their own numbers: nothing is held back."
        )
    ruling = RaterRuling(at=now, change=change, stands=holds, by=by, reason=checked(reason))
    db.add(ruling)
    about = {"change": change.id, "stands": holds, "reason": ruling.reason}
    db.add(AuditEntry(at=now, who=by, what="ruled on a rater's change", about=about))
    if holds and numbers.get(since) == own:
        numbers.pop(since, None)
    elif not holds and own is not None:
        numbers[since] = own
    db.flush()
    if numbers != scales.latest(db).body.get("raters", {}):
        words = "a change of a rater stands" if holds else "a change of a rater was none"
        scales.publish(db, {**scales.latest(db).body, "raters": numbers}, words, by, now)
    return ruling


def checked(reason: str) -> str:
    if not reason.strip():
        raise RulingError("reason", "Say why: others rely on it.")
    if len(reason) > LONGEST_REASON:
        raise RulingError("reason", f"The reason is longer than {LONGEST_REASON} letters. Maybe shorten it.")
    return reason.strip()


def counting(db: Session, changes: Changes) -> list[str]:
    """Models whose next verdict counts, as the newest calibration reads them."""
    known: Iterable[str] = scales.latest(db).body.get("raters", {})
    return sorted(name for name in known if name.startswith("model:") and changes.called(name) == name)
