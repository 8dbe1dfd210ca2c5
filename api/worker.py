"""An expert's door: what waits for them and why, taking or leaving it, and doing it; one personal link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from api.auth import sign, unsign
from api.deps import DB, House, Now, Ours, WritingDB, page
from api.forms import Form, number_of, said_of, text_of
from api.links import not_ours
from vetting import programs
from vetting.offers import offering
from vetting.quality import looks, progress, recalls, rounds
from vetting.records import Applicant, Erasure
from vetting.round_records import Round
from vetting.scope import QueueForm
from vetting.units import suspicion, work
from vetting.work_records import Look, Offer, Resolution, Review, Submission, Suspicion, Unit

router = APIRouter()
DOING = {"produce": "make a unit", "review": "review a unit", "second": "give a second-level review",
         "resolve": "decide where two people differ"}  # fmt: skip
RULES = {
    "rework": "It is yours: it was sent back to be mended.",
    "dispute": "You are cleared for it and had no part in it.",
    "plan": "It is what your planned hours are furthest behind on.",
    "price": "Nothing that was planned for you waits; of the rest this is worth most.",
    "spare": "Nothing that was planned for you waits; this does.",
    "round": "A calibration round: everybody named judges the same units blind, and then all is talked over.",
    "again": "A second opinion is wanted from somebody who never saw this unit.",
}
SHOWN = 10  # submissions of one's own
LONGEST_AWAY = 4 * 3600.0  # seconds counted for one piece of work


def link(ours: House, person: Applicant) -> str:
    """The path of an expert's page."""
    return f"/w/{sign(ours.key, 'work', person.id)}"


def me(token: str, db: Session, ours: House) -> Applicant:
    number = unsign(ours.key, "work", token)
    person = db.get(Applicant, number) if number is not None else None
    gone = person and db.scalar(select(Erasure.id).where(Erasure.applicant_id == person.id)) is not None
    if person is None or gone:
        raise not_ours()
    return person


def writing_me(token: str, db: WritingDB, ours: Ours) -> Applicant:
    return me(token, db, ours)


def plain_me(token: str, db: DB, ours: Ours) -> Applicant:
    return me(token, db, ours)


Asking = Annotated[Applicant, Depends(writing_me)]
Mine = Annotated[Applicant, Depends(plain_me)]


@router.get("/w/{token}")
def desk(request: Request, db: WritingDB, ours: Ours, now: Now, token: str, mine: Asking) -> Response:
    return desk_page(request, db, ours, now, token, mine)


@router.get("/w/{token}/next.json")
def next_unit(db: WritingDB, now: Now, token: str, mine: Asking) -> Response:  # noqa: ARG001 -- the link is the key
    """The next unit for machines: what, why, what is expected of it."""
    offer = offering.next_offer(db, mine, now)
    if offer is None:
        return JSONResponse({"offer": None})
    told = {"id": offer.id, "unit": offer.unit.number, "queue": offer.unit.queue, "task": looks.face(offer),
            "why": looks.told(offer), "taken": bool(offer.reply and offer.reply.taken)}  # fmt: skip
    return JSONResponse({"offer": told})


def desk_page(
    request: Request, db: Session, ours: House, now: datetime, token: str, mine: Applicant,
    said: Mapping[str, Any] | None = None, errors: Sequence[tuple[str, str]] = (),
) -> Response:  # fmt: skip
    offer = offering.next_offer(db, mine, now)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    context = {
        "subject": "Your work", "who": mine.name, "action": f"/w/{token}", "said": said, "errors": list(errors),
        "offer": offer_view(offer, now) if offer else None, "mine": own(db, mine, now),
        "rounds": own_rounds(db, mine, token),
        "request_id": uuid4().hex, "organisation": ours.settings.organisation,
    }  # fmt: skip
    return page(request, "worker/desk.html", context, status)


def own(db: Session, person: Applicant, now: datetime) -> list[dict[str, Any]]:
    """What this person made last; a judgement that is not delivered stands among the others."""
    made = select(Submission).join(Offer).where(Offer.applicant_id == person.id)
    views = [own_view(one, now) for one in db.scalars(made.order_by(Submission.id.desc()).limit(SHOWN))]
    views += [look_view(look) for look in looks.of_person(person.looks)[:SHOWN]]
    return sorted(views, key=lambda view: view["at"], reverse=True)[:SHOWN]


def own_rounds(db: Session, person: Applicant, token: str) -> list[dict[str, Any]]:
    """Calibration rounds this person is or was in, newest first; one that is shown leads to what was said."""
    mine = [one for one in db.scalars(select(Round).order_by(Round.id.desc())) if person.id in one.people][:SHOWN]
    done = select(func.count(Look.id)).join(Offer).where(Offer.task == "round", Look.applicant_id == person.id)
    return [
        {"queue": one.queue, "at": one.at, "units": len(one.units),
         "judged": db.scalar(done.where(Offer.unit_id.in_(one.units))),
         "url": f"/w/{token}/rounds/{one.id}" if rounds.shown(db, one) else ""}
        for one in mine
    ]  # fmt: skip


# -- what is shown -----------------------------------------------------------------------------------


def offer_view(offer: Offer, now: datetime) -> dict[str, Any]:  # noqa: ARG001 -- as its sibling
    """What a person sees of an offer. A review shows the work, never who made it or what others said."""
    unit, why = offer.unit, offer.why
    last = unit.submissions[-1] if unit.submissions else None
    queue = queue_of(unit, last)
    task, judged = looks.face(offer), looks.judged(offer)
    again = last if last and offer.task == "produce" and last.offer.applicant_id == offer.applicant_id else None
    view = {
        "id": offer.id, "task": task, "doing": DOING[task], "queue": unit.queue,
        "program": unit.program.name, "guideline": queue.guideline, "content": unit.content,
        "taken": bool(offer.reply and offer.reply.taken),
        "minutes": why.get("minutes", queue.minutes), "pay": why.get("pay", 0.0),
        "why": [RULES.get(why.get("rule", ""), "It waits.")], "labels": queue.labels, "judging": queue.judging,
        "human_only": queue.human_only and task == "produce", "attest": work.ATTESTED.partition(": ")[2],
        "verdicts": judgement_choices(queue, task), "errors": work.ERRORS, "suspicions": suspicion.KINDS,
        "before": again.text if again else "", "mend": mend(again),
    }  # fmt: skip
    if "acceptance" in why and task == "produce":
        view["why"].append(
            f"About {100 * why['acceptance']:.0f} in 100 of your units here are expected to pass at once "
            f"({100 * why['acceptance_low']:.0f} to {100 * why['acceptance_high']:.0f})."
        )
    if task == "produce" and queue.judging:
        view["steps"] = looks.chain_of(queue, offer)
    if judged is not None:
        view |= {"text": "" if queue.judging and task != "resolve" else judged.text,
                 "steps": looks.chain_of(queue, offer),
                 "noticed": [] if queue.judging and task != "resolve" else judged.noticed}  # fmt: skip
    if task == "resolve" and last is not None:
        view["sides"] = sides(last)
    return view


def queue_of(unit: Unit, last: Submission | None) -> QueueForm:
    """The queue as the work was made under it, or as it is worded now."""
    latest = [queue for queue in unit.program.queues if queue.name == unit.queue][-1]
    return QueueForm.model_validate((last.wording if last else latest).body)


def judgement_choices(queue: QueueForm, task: str) -> list[tuple[str, str]]:
    words = {"pass": "Pass: it can be used as it is", "send_back": "Send back: its maker can mend it",
             "reject": "Reject: it has to be made anew"}  # fmt: skip
    choices = [(label, label) for label in queue.labels] if queue.judging else list(words.items())
    ambiguous = (work.AMBIGUOUS, "Ambiguous: good experts would differ; keep all labels")
    return [*choices, ambiguous] if task == "resolve" else choices


def sides(submission: Submission) -> list[dict[str, Any]]:
    """What was said, without names; the third person sees every side."""
    own = {"who": "Maker", "said": submission.label, "because": "", "errors": which(submission)}
    told = [own] if submission.label else []
    told += [
        {"who": f"Reviewer {number}", "said": one.verdict, "because": one.because, "errors": which(one)}
        for number, one in enumerate(submission.reviews, start=1)
    ]
    return told + [
        {"who": "Maker", "said": "objects", "because": one.reason}
        for one in submission.unit.disputes if one.by == "maker" and one.submission_id == submission.id
    ]  # fmt: skip


def which(one: Submission | Review) -> str:
    """The errors that were named, and the steps found wrong."""
    steps = [f"wrong: step {', '.join(map(str, one.wrong_steps))}"] if one.wrong_steps else []
    return ", ".join([*(one.errors if isinstance(one, Review) else ()), *steps])


def mend(submission: Submission | None) -> list[str]:
    """Why a unit came back."""
    if submission is None or submission.outcome is None:
        return []
    told: list[Review | Resolution] = list(submission.reviews)
    told += [d.resolution for d in submission.unit.disputes if d.resolution]
    return [
        f"{', '.join(one.errors) or one.verdict.replace('_', ' ')}: {one.because}"
        + (f" (steps {', '.join(map(str, one.wrong_steps))})" if one.wrong_steps else "")
        for one in told if one.because
    ]  # fmt: skip


def own_view(submission: Submission, now: datetime) -> dict[str, Any]:
    """One's own work and where it stands, with what one can do about it."""
    unit, outcome = submission.unit, submission.outcome
    flags = [one for one in submission.suspicions if one.findings and one.findings[-1].upheld]
    is_last = submission is unit.submissions[-1]
    disputed = any(one.submission_id == submission.id for one in unit.disputes)
    told = work.state(unit, now) if is_last else (outcome.verdict if outcome else "made anew")
    return {
        "id": submission.id, "queue": unit.queue, "at": submission.at, "state": told,
        "because": mend(submission), "noticed": [fault for check in submission.checks for fault in check.faults],
        "may_object": is_last and not disputed and told in {"sent back", "rejected"} and outcome is not None,
        "flags": [{"id": one.id, "kind": one.kind, "because": one.findings[-1].because,
                   "may_appeal": len(one.appeals) < len(one.findings)} for one in flags],
    }  # fmt: skip


def look_view(look: Look) -> dict[str, Any]:
    """A judgement that is not delivered, as any other that waits; with the right answer where it may be told."""
    told = looks.revealed(look)
    return {
        "id": f"look-{look.id}", "queue": look.offer.unit.queue, "at": look.at, "because": [told] if told else [],
        "state": "its answer was known" if told else "checked" if look.because else "submitted", "noticed": [],
        "may_object": False, "flags": [],
    }  # fmt: skip


# -- what is done ------------------------------------------------------------------------------------


@router.post("/w/{token}")
def act(request: Request, db: DB, ours: Ours, now: Now, token: str, mine: Mine, form: Form) -> Response:
    try:
        done(db, mine, form, now)
    except work.FormError as wrong:
        return desk_page(request, db, ours, now, token, mine, said_of(form), [(wrong.field, str(wrong))])
    except work.TakenError as wrong:
        return desk_page(request, db, ours, now, token, mine, None, [("", str(wrong))])
    return RedirectResponse(f"/w/{token}", HTTPStatus.SEE_OTHER)


def done(db: Session, mine: Applicant, form: FormData, now: datetime) -> None:
    """One act of the expert's; what it is about must be theirs."""
    act = text_of(form, "act")
    if act == "object":
        work.object_to(db, mine, own_submission(db, mine, form), words_of(form), now)
    elif act == "appeal":
        suspicion.appeal(db, own_suspicion(db, mine, form), words_of(form), now)
    elif act == "back":
        work.give_back(db, own_offer(db, mine, form), now)
    elif act in {"take", "decline"}:
        work.reply(db, own_offer(db, mine, form), now, taken=act == "take")
    else:
        product(db, own_offer(db, mine, form), form, now)


def words_of(form: FormData) -> str:
    words = text_of(form, "words")
    if len(words) < 3:
        raise work.FormError("words", "Say in a sentence what was overlooked.")
    return words


def own_offer(db: Session, mine: Applicant, form: FormData) -> Offer:
    number = number_of(text_of(form, "offer"))
    offer = db.get(Offer, number) if number is not None else None
    if offer is None or offer.applicant_id != mine.id:
        raise work.TakenError("This work is not yours. Maybe the page was open for long; here is what waits now.")
    return offer


def own_submission(db: Session, mine: Applicant, form: FormData) -> Submission:
    number = number_of(text_of(form, "submission"))
    made = db.get(Submission, number) if number is not None else None
    if made is None or made.offer.applicant_id != mine.id:
        raise work.TakenError("This unit is not yours.")
    return made


def own_suspicion(db: Session, mine: Applicant, form: FormData) -> Suspicion:
    number = number_of(text_of(form, "suspicion"))
    found = db.get(Suspicion, number) if number is not None else None
    if found is None or found.submission.offer.applicant_id != mine.id:
        raise work.TakenError("There is nothing to appeal here.")
    return found


def product(db: Session, offer: Offer, form: FormData, now: datetime) -> None:
    """What was made or judged is kept; the queue's checkpoint, if it came to one by that."""
    made_or_judged(db, offer, form, now)
    for queue in programs.queues_of(offer.unit.program):
        if queue.name == offer.unit.queue:
            progress.mark(db, offer.unit.program, queue, now)


def made_or_judged(db: Session, offer: Offer, form: FormData, now: datetime) -> None:
    """A submission, a review or a resolution; a second sending of the same form changes nothing."""
    request_id = text_of(form, "request_id")[:64] or uuid4().hex
    began = offer.reply.at if offer.reply else now
    common: dict[str, Any] = {
        "request_id": request_id, "seconds": min((now - began).total_seconds(), LONGEST_AWAY), "now": now,
    }  # fmt: skip
    steps = [int(number) for number in form.getlist("wrong_step") if isinstance(number, str) and number.isdigit()][:100]
    if looks.face(offer) == "produce":
        label, text, attested = text_of(form, "label"), text_of(form, "text"), text_of(form, "attested") == "yes"
        if offer.task in looks.KINDS:
            looks.keep(db, offer, verdict=label, because=text, wrong_steps=steps, attested=attested, **common)
        else:
            work.submit(db, offer, text=text, label=label, wrong_steps=steps, attested=attested, **common)
        return
    said: dict[str, Any] = {
        "verdict": text_of(form, "verdict"), "errors": [str(error) for error in form.getlist("error")],
        "wrong_steps": steps, "because": text_of(form, "because"),
    }  # fmt: skip
    if offer.task == "resolve":
        work.resolve(db, offer, edge_case=text_of(form, "edge_case"), **said, **common)
        return
    given = (looks.keep if offer.task in looks.KINDS else work.review)(db, offer, **said, **common)
    if offer.task == "again":
        recalls.settle(db, offer, now)
    made = looks.submission_of(offer) if isinstance(given, Look) else given.submission
    if made is not None and (kind := text_of(form, "suspicion_kind")):
        suspicion.suspect(db, made, kind, text_of(form, "suspicion_because"), f"expert {offer.applicant_id}", now)
