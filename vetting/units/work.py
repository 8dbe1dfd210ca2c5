"""Work being done: a unit is offered, made, checked, reviewed, disputed, settled. Where it stands is derived.

    waiting → offered → in work → submitted/checked → reviewed → accepted
                 ↑                       │    │  ↘ disputed → accepted, sent back or rejected
                 └── sent back, rejected ┘    ↘ held (a person looks at a suspicion)

Reviews are blind and independent; where verdicts differ a third person decides, and nothing is averaged. A unit that
was sent back goes to its maker again, a rejected one to somebody fresh. Declining an offer leaves no trace but that
the same unit is not offered again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from vetting.programs import worded, wordings
from vetting.records import Applicant, AuditEntry, Program
from vetting.scope import QueueForm
from vetting.units import checks
from vetting.work_records import (
    Dispute,
    MechanicalCheck,
    Offer,
    Outcome,
    Release,
    Reply,
    Resolution,
    Review,
    Submission,
    Suspicion,
    Unit,
    deliverable,
)

VERDICTS = ("pass", "send_back", "reject")
AMBIGUOUS = "ambiguous"
FATE = {"pass": "accepted", "send_back": "sent back", "reject": "rejected"}
LEVEL = {"accepted": 2, "sent back": 1, "rejected": 0}
ERRORS = tuple(f"{weight} {kind}" for kind in ("content", "style") for weight in ("minor", "major"))
SENT_BACK_MOST = 2  # times; after that the unit goes to somebody fresh
ANSWER_WITHIN, WORK_WITHIN = timedelta(hours=24), timedelta(hours=72)  # an offer lapses after that
ATTEST_OR_LEAVE = "Say that you made it yourself, or decline the unit: nothing follows from that."
ATTESTED = "people-only-1: I made this myself, without a model writing any of it."


class TakenError(ValueError):
    """Work that is no longer this person's to do."""


class FormError(ValueError):
    """What was sent cannot be taken; `field` names what is wrong."""

    def __init__(self, field: str, said: str) -> None:
        super().__init__(said)
        self.field = field


MADE = selectinload(Unit.submissions)
HISTORY = (  # loads units with all that happened to them
    selectinload(Unit.offers).selectinload(Offer.reply),
    selectinload(Unit.offers).selectinload(Offer.submission),
    selectinload(Unit.offers).selectinload(Offer.review),
    selectinload(Unit.offers).selectinload(Offer.resolution),
    selectinload(Unit.offers).selectinload(Offer.look),
    selectinload(Unit.offers).selectinload(Offer.release),
    MADE.selectinload(Submission.reviews),
    MADE.selectinload(Submission.checks),
    MADE.selectinload(Submission.suspicions).selectinload(Suspicion.findings),
    MADE.selectinload(Submission.outcomes),
    selectinload(Unit.disputes).selectinload(Dispute.resolution),
    selectinload(Unit.source),
)


def whole(program: Program, queue: str, db: Session) -> Sequence[Unit]:
    """The units of a queue with all that happened to them."""
    asked = select(Unit).where(Unit.program_id == program.id, Unit.queue == queue, deliverable()).order_by(Unit.number)
    return db.scalars(asked.options(*HISTORY)).all()


def next_number(db: Session, program: Program, queue: str) -> int:
    """The number of the next unit of a queue."""
    last = select(func.max(Unit.number)).where(Unit.program_id == program.id, Unit.queue == queue)
    return int(db.scalar(last) or 0) + 1


# -- where a unit stands -----------------------------------------------------------------------------


def alive(offer: Offer, now: datetime) -> bool:
    """Whether an offer waits for its answer or its work."""
    if offer.reply is None:
        return now - offer.at < ANSWER_WITHIN
    over = offer.product or offer.release
    return offer.reply.taken and over is None and now - offer.reply.at < WORK_WITHIN


def suspended(submission: Submission) -> str:
    """Whether a person has to look at a suspicion (held), found one true (upheld), or neither (empty)."""
    open_one = [s for s in submission.suspicions if not s.findings or len(s.appeals) >= len(s.findings)]
    if open_one:
        return "held"
    return "upheld" if any(s.findings[-1].upheld for s in submission.suspicions) else ""


def state(unit: Unit, now: datetime) -> str:
    """Where the unit stands, from its facts alone."""
    last = unit.submissions[-1] if unit.submissions else None
    making = [offer for offer in unit.offers if offer.task == "produce" and alive(offer, now)]
    if making and (last is None or making[-1].at >= last.at):
        return "in work" if making[-1].reply else "offered"
    return "waiting" if last is None else standing(unit, last)


def standing(unit: Unit, last: Submission) -> str:
    """Where a unit stands whose latest submission nobody is mending."""
    if hold := suspended(last):
        return "held" if hold == "held" else "rejected"
    if open_dispute(unit) is not None:
        return "disputed"
    if last.outcome is not None:
        return last.outcome.verdict
    if first_level(last) and len(first_level(last)) >= needed(unit, wording_of(last)):
        return "reviewed"
    return "checked" if last.checks else "submitted"


def open_dispute(unit: Unit) -> Dispute | None:
    return next((one for one in unit.disputes if one.resolution is None), None)


def first_level(submission: Submission) -> list[Review]:
    return [review for review in submission.reviews if review.offer.task == "review"]


def second_level(submission: Submission) -> list[Review]:
    return [review for review in submission.reviews if review.offer.task == "second"]


def wording_of(submission: Submission) -> QueueForm:
    """The queue as it was worded when the work was done."""
    return worded(submission.wording)


def lot(unit: Unit, what: str) -> float:
    """A number in [0, 1) that nobody chooses: the same for a unit at all times."""
    said = f"{what}:{unit.program_id}:{unit.queue}:{unit.number}"
    return int.from_bytes(sha256(said.encode()).digest()[:6], "big") / 2**48


def needed(unit: Unit, queue: QueueForm) -> int:
    """How many independent reviews the unit gets; in a pilot, enough for the agreed number of people."""
    share = int(queue.reviews) + (lot(unit, "review") < queue.reviews % 1)
    return max(share, queue.raters - queue.judging) if unit.pilot else share


def needs_second(unit: Unit, queue: QueueForm) -> bool:
    return lot(unit, "second") < queue.second


def makers(unit: Unit) -> set[int]:
    """Everybody who ever made the unit."""
    return {submission.offer.applicant_id for submission in unit.submissions}


def parties(unit: Unit) -> set[int]:
    """Everybody who ever made, judged or took the unit."""
    return {offer.applicant_id for offer in unit.offers if offer.reply is not None and offer.reply.taken}


# -- an offer is answered ----------------------------------------------------------------------------


def reply(db: Session, offer: Offer, now: datetime, *, taken: bool) -> Reply:
    """Take an offer, or leave it without any consequence; once."""
    if offer.reply is not None:
        return offer.reply
    if not alive(offer, now):
        raise TakenError("This offer has lapsed. Maybe look for the next one.")
    said = Reply(at=now, offer=offer, taken=taken)
    db.add(said)
    db.flush()
    return said


def give_back(db: Session, offer: Offer, now: datetime) -> Release:
    """Undo the taking of an offer whose work was not sent yet: it goes on to others, without any consequence."""
    if offer.release is not None:
        return offer.release
    if offer.reply is None or not alive(offer, now):
        raise TakenError("There is nothing to give back here. Maybe it was sent already, or it lapsed.")
    back = Release(at=now, offer=offer)
    db.add(back)
    db.flush()
    return back


def working(offer: Offer, tasks: tuple[str, ...], now: datetime) -> None:
    if offer.task not in tasks or offer.reply is None or not offer.reply.taken or not alive(offer, now):
        raise TakenError("This work is not open to you any more. Maybe it lapsed; look for the next one.")


def submit(
    db: Session, offer: Offer, *, text: str, label: str = "", wrong_steps: Sequence[int] = (), attested: bool = False,
    request_id: str, seconds: float, now: datetime,
) -> Submission:  # fmt: skip
    """Keep what was made before anything else is done with it; once per request."""
    if (again := db.scalars(select(Submission).where(Submission.request_id == request_id)).first()) is not None:
        return again
    working(offer, ("produce",), now)
    unit = offer.unit
    wording = wordings(unit.program)[unit.queue]
    queue = worded(wording)
    if queue.judging and label not in queue.labels:
        raise FormError("label", f"Pick one of: {', '.join(queue.labels)}.")
    if not queue.judging and not text.strip():
        raise FormError("text", "Write the unit before you send it.")
    if queue.human_only and not attested:
        raise FormError("attested", ATTEST_OR_LEAVE)
    if queue.judging:
        chain_sound(queue, label, (), wrong_steps, len(checks.chain_of(queue, unit.content)))
    made = Submission(
        at=now, unit=unit, offer=offer, wording=wording, request_id=request_id, text=text, seconds=seconds,
        label=label if queue.judging else "", attested=ATTESTED if queue.human_only else "",
        wrong_steps=list(wrong_steps) if queue.judging else [],
    )  # fmt: skip
    db.add(made)
    db.flush()
    for name, faults in checks.noticed(text).items() if text else ():
        made.checks.append(MechanicalCheck(at=now, name=name, faults=faults))
    db.flush()
    settle(db, unit, now)
    return made


def review(
    db: Session, offer: Offer, *, verdict: str, errors: Sequence[str] = (), wrong_steps: Sequence[int] = (),
    because: str, request_id: str, seconds: float, now: datetime,
) -> Review:  # fmt: skip
    """Keep an independent verdict; the unit is settled, or disputed, when it was the last one needed."""
    if (again := db.scalars(select(Review).where(Review.request_id == request_id)).first()) is not None:
        return again
    working(offer, ("review", "second", "again"), now)
    submission = offer.unit.submissions[-1]
    sound(
        wording_of(submission),
        verdict,
        errors,
        because,
        wrong_steps=wrong_steps,
        steps=checks.chain_of(wording_of(submission), offer.unit.content, submission.text),
    )
    said = Review(
        at=now, submission=submission, offer=offer, request_id=request_id, verdict=verdict, errors=list(errors),
        wrong_steps=list(wrong_steps), because=because, seconds=seconds,
    )  # fmt: skip
    db.add(said)
    db.flush()
    settle(db, offer.unit, now)
    return said


def sound(
    queue: QueueForm, verdict: str, errors: Sequence[str], because: str, extra: tuple[str, ...] = (), *,
    wrong_steps: Sequence[int] = (), steps: Sequence[str] = (),
) -> None:  # fmt: skip
    """Refuse a verdict that is none, that does not say why, or that its own word on the steps denies."""
    allowed = (*(queue.labels if queue.judging else VERDICTS), *extra)
    if verdict not in allowed:
        raise FormError("verdict", f"Pick one of: {', '.join(allowed)}.")
    if strangers := [error for error in errors if error not in ERRORS]:
        raise FormError("errors", f"{strangers[0]!r} is no kind of error. Maybe: {', '.join(ERRORS)}.")
    if (verdict in {"send_back", "reject"} or extra) and len(because.strip()) < 3:
        raise FormError("because", "Say what is wrong and where, so that it can be mended.")
    if verdict == "pass" and (major := [error for error in errors if error.startswith("major")]):
        raise FormError("verdict", f"With a {major[0]} error it cannot pass. Maybe send it back, or call it minor.")
    chain_sound(queue, verdict, errors, wrong_steps, len(steps))


def chain_sound(queue: QueueForm, verdict: str, errors: Sequence[str], wrong_steps: Sequence[int], count: int) -> None:
    """A chain is valid if every one of its steps is: refuse a verdict that says otherwise."""
    if wrong_steps and max(wrong_steps) > count:
        raise FormError("wrong_steps", f"There is no step {max(wrong_steps)}; {count} are numbered.")
    if wrong_steps and verdict in {"pass", "valid"}:
        which = ", ".join(map(str, wrong_steps))
        raise FormError("verdict", f'Step {which} is wrong, so the whole cannot be judged "{verdict}".')
    style_alone = bool(errors) and all("style" in error for error in errors)
    strict = queue.kind in {"process_supervision", "verification"} and verdict in {"send_back", "reject", "invalid"}
    if strict and count and not wrong_steps and not style_alone:
        raise FormError(
            "wrong_steps", "A chain is valid if every step is. Mark the step that is wrong, or name an error of style."
        )


def resolve(
    db: Session, offer: Offer, *, verdict: str, errors: Sequence[str] = (), wrong_steps: Sequence[int] = (),
    because: str, edge_case: str = "", request_id: str, seconds: float, now: datetime,
) -> Resolution:  # fmt: skip
    """A third person decides a dispute, or keeps the unit as ambiguous with all its labels."""
    if (again := db.scalars(select(Resolution).where(Resolution.request_id == request_id)).first()) is not None:
        return again
    working(offer, ("resolve",), now)
    dispute = open_dispute(offer.unit)
    if dispute is None:
        raise TakenError("This dispute is settled. Maybe look for the next piece of work.")
    about = dispute.submission
    steps = checks.chain_of(wording_of(about), offer.unit.content, about.text)
    sound(wording_of(about), verdict, errors, because, (AMBIGUOUS,), wrong_steps=wrong_steps, steps=steps)
    said = Resolution(
        at=now, dispute=dispute, offer=offer, request_id=request_id, verdict=verdict, errors=list(errors),
        wrong_steps=list(wrong_steps), because=because, edge_case=edge_case, seconds=seconds,
    )  # fmt: skip
    db.add(said)
    who = f"expert {offer.applicant_id}"
    db.add(AuditEntry(at=now, who=who, what="resolved a dispute", about={"unit": offer.unit_id}))
    db.flush()
    settle(db, offer.unit, now)
    return said


def object_to(db: Session, person: Applicant, submission: Submission, words: str, now: datetime) -> Dispute:
    """The maker objects to how their work was settled: a third person looks, once for each submission."""
    if submission.offer.applicant_id != person.id or submission.outcome is None:
        raise TakenError("There is nothing to object to here. Maybe it is not settled yet.")
    if any(one.submission_id == submission.id for one in submission.unit.disputes):
        raise TakenError("A third person has looked at this already. Their decision stands.")
    if submission is not submission.unit.submissions[-1] or state(submission.unit, now) in {"offered", "in work"}:
        raise TakenError("The unit was made anew since. Maybe write to the program's lead.")
    said = Dispute(at=now, unit=submission.unit, submission=submission, reason=words, by="maker")
    db.add(said)
    db.flush()
    return said


# -- a unit is settled -------------------------------------------------------------------------------


def settle(db: Session, unit: Unit, now: datetime) -> Outcome | None:
    """Write the outcome once every verdict that is needed is there and agrees; open a dispute where they differ."""
    db.expire(unit)
    last = unit.submissions[-1]
    dispute = next((one for one in unit.disputes if one.submission_id == last.id), None)
    if suspended(last) or open_dispute(unit) is not None:
        return None
    if dispute is not None and dispute.resolution is not None:
        known = last.outcome is not None and last.outcome.at >= dispute.resolution.at
        return None if known else adjudicated(db, last, dispute.resolution, now)
    return None if last.outcome is not None else agreed(db, unit, last, now)


def agreed(db: Session, unit: Unit, last: Submission, now: datetime) -> Outcome | None:
    """The outcome of verdicts that are all there and the same; a dispute where they differ."""
    queue = wording_of(last)
    if len(first_level(last)) < needed(unit, queue):
        return None
    said = [review.verdict for review in last.reviews] + ([last.label] if queue.judging else [])
    if len(set(said)) > 1:
        db.add(Dispute(at=now, unit=unit, submission=last, reason=f"verdicts differ: {', '.join(said)}", by="verdicts"))
        db.flush()
        return None
    if needs_second(unit, queue) and not second_level(last):
        return None
    errors = [error for review in last.reviews for error in review.errors]
    fate = "accepted" if queue.judging or not said else FATE[said[0]]
    return keep_outcome(db, last, fate, errors, "agreed" if last.reviews else "unreviewed", now)


def adjudicated(db: Session, submission: Submission, said: Resolution, now: datetime) -> Outcome:
    queue = wording_of(submission)
    if said.verdict == AMBIGUOUS:
        return keep_outcome(db, submission, "accepted", [], AMBIGUOUS, now)
    if queue.judging:
        level = 2 if said.verdict == submission.label else 0
        return keep_outcome(db, submission, "accepted", [], "adjudicated", now, level=level)
    return keep_outcome(db, submission, FATE[said.verdict], said.errors, "adjudicated", now)


def keep_outcome(
    db: Session, submission: Submission, fate: str, errors: Sequence[str], settled: str, now: datetime,
    level: int | None = None,
) -> Outcome:  # fmt: skip
    """What is found about one person's work. Errors of style alone say nothing against the content, and conversely."""
    sent = sum(one.outcome is not None and one.outcome.verdict == "sent back" for one in submission.unit.submissions)
    fate = "rejected" if fate == "sent back" and sent >= SENT_BACK_MOST else fate
    content, style = (any(kind in error for error in errors) for kind in ("content", "style"))
    found = LEVEL[fate] if level is None else level
    kept = Outcome(
        at=now, submission=submission, applicant_id=submission.offer.applicant_id, verdict=fate, settled=settled,
        level=found if content or not style else 2, style=found if style else 2,
    )  # fmt: skip
    db.add(kept)
    db.flush()
    return kept
