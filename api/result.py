"""The end of a sitting: what was shown and how surely, appeal, download, deletion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import views
from api.deps import DB, House, Now, Ours, page
from api.forms import Form, said_of, text_of, too_long
from api.links import Mine
from item_bank.load import Bank
from vetting import scale as scales
from vetting.decisions import decision, dossier
from vetting.evidence import belief
from vetting.messages import RoleForm
from vetting.programs import standing
from vetting.records import Appeal, Json, ModelCall, Question, Sitting
from vetting.sittings import sitting
from vetting.work_records import Offer

router = APIRouter()
MATTERED = 5  # answers shown as those that mattered most
FEWEST_LETTERS = 3  # of an appeal


@router.get("/s/{token}/result")
def result(request: Request, db: DB, ours: Ours, now: Now, token: str, mine: Mine) -> Response:
    if mine.ending is None:
        return RedirectResponse(f"/s/{token}", HTTPStatus.SEE_OTHER)
    return result_page(request, db, ours, now, token, mine)


def result_page(
    request: Request, db: Session, ours: House, now: datetime, token: str, mine: Sitting,
    said: Mapping[str, Any] | None = None, errors: Sequence[tuple[str, str]] = (),
) -> Response:  # fmt: skip
    assert mine.ending is not None  # noqa: S101 -- callers looked
    form = RoleForm.model_validate(mine.invitation.role.body)
    scale = scales.of(mine.calibration)
    person = dossier.dossier(mine.applicant, form, scale, ours.bank, mine.calibration_id, now)
    mattered = dossier.evidence_of(mine.applicant, form, scale, ours.bank, now)[:MATTERED]
    decided = standing(mine.applicant).get(mine.invitation.role.name)  # what another role's people decided is not told
    appealed = db.scalar(select(Appeal.at).where(Appeal.sitting_id == mine.id).order_by(Appeal.id.desc()).limit(1))
    if appealed and decided and decided.at > appealed:
        appealed = None  # it was answered, and may be appealed again
    context = {
        "subject": form.name, "asked_by": ours.settings.organisation,
        "invitation": {"asked_by": ours.settings.organisation, "role": form.name},
        "finished": mine.ending.at, "questions": person.answered, "minutes": person.minutes,
        "skills": [
            views.skill_bar(skill, scale.population, scale.skills.position[skill.skill]) for skill in person.skills
        ],
        "evidence": [views.evidence_chip(piece, ours.bank) for piece in mattered],
        "decision": views.decision(decided) if decided else None, "next_steps": [
            *waiting_talks(mine, scale, ours), *next_steps(ours, decided is not None)
        ],
        "retake": "", "appeal_action": f"/s/{token}/appeal", "download_url": f"/s/{token}/data.json",
        "delete_action": f"/s/{token}/delete", "appealed": appealed, "said": said, "errors": list(errors),
        "versions": [f"scale {mine.calibration_id}"],
    }  # fmt: skip
    return page(request, "applicant/result.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


def waiting_talks(mine: Sitting, scale: scales.Scale, ours: House) -> list[tuple[str, str]]:
    """That conversations wait for their grades, if any do."""
    waits = [talk.title for talk in views.talks(mine.applicant, scale, ours.bank, "") if talk.waits]
    titles = ", ".join(f"“{title}”" for title in waits)
    told = f"People grade what you said about {titles}. These numbers do not hold it yet and may still move."
    return [("First", told)] if waits else []


def next_steps(ours: House, decided: bool) -> list[tuple[str, str]]:  # noqa: FBT001 -- one caller, by name
    who = ours.settings.organisation
    if decided:
        return [("Now", "You can appeal below if you think something was overlooked.")]
    return [
        ("Next", f"A person at {who} looks at this page's numbers and the answers behind them, and decides."),
        ("Then", "The decision and its reason appear here. Keep the link of this page."),
    ]


@router.post("/s/{token}/appeal")
def appeal(request: Request, db: DB, ours: Ours, now: Now, token: str, mine: Mine, form: Form) -> Response:
    words = text_of(form, "text")
    wrong = [("appeal", told) for _, told in too_long(form)]
    if len(words) < FEWEST_LETTERS:
        wrong = [("appeal", "Say what should be looked at again.")]
    if not wrong:
        decision.appeal(db, mine, words, now)
    elif mine.ending is not None:
        return result_page(request, db, ours, now, token, mine, said_of(form), wrong)
    return RedirectResponse(f"/s/{token}/result", HTTPStatus.SEE_OTHER)


@router.get("/s/{token}/data.json")
def download(db: DB, ours: Ours, now: Now, token: str, mine: Mine) -> Response:  # noqa: ARG001 -- the link is the key
    headers = {"Content-Disposition": 'attachment; filename="assay-data.json"'}
    return JSONResponse(everything(db, mine, ours, now), headers=headers)


def everything(db: Session, mine: Sitting, ours: House, now: datetime) -> Json:
    """All that is kept about the applicant; a question that waits for its answer is not named by its title."""
    person = mine.applicant
    scale = scales.of(mine.calibration)
    known = belief(person, scale, now)
    appeals = db.scalars(select(Appeal).join(Sitting).where(Sitting.applicant_id == person.id).order_by(Appeal.id))
    return {
        "name": person.name,
        "sittings": [
            {
                "role": one.invitation.role.name, "began": one.at.isoformat(), "consent": one.consent,
                "extra_time": one.extra_time, "ended": one.ending.reason if one.ending else None,
                "pauses": [{"away": pause.away, "at": pause.at.isoformat()} for pause in one.pauses],
                "sent_to_models": sent_to_models(db, one.id),
                "questions": [said_about(asked, ours.bank) for asked in one.questions],
            }
            for one in person.sittings
        ],
        "estimates": {
            skill: {"mean": round(float(known.mean[d]), 4), "sd": round(float(known.sd[d]), 4)}
            for d, skill in enumerate(scale.skills.ids)
        },
        "certificates": [
            {"issuer": paper.issuer, "skill": paper.skill, "level": paper.level, "at": paper.at.isoformat()}
            for paper in person.certificates
        ],
        "hours": [{"week": o.hours, "pay": o.pay, "languages": o.languages, "at": o.at.isoformat()}
                  for o in person.offers],
        "decisions": [{"verdict": d.verdict, "reason": d.reason, "at": d.at.isoformat()} for d in person.decisions],
        "experience": [
            {"by": one.by, "text": one.text, "claims": one.fields.get("claims", []), "at": one.at.isoformat()}
            for one in person.resumes
        ],
        "appeals": [{"words": one.words, "at": one.at.isoformat()} for one in appeals],
        "work": work_of(db, person.id),
    }  # fmt: skip


def work_of(db: Session, person: int) -> list[Json]:
    """Every piece of work that was offered to the person, and what became of it."""
    offers = db.scalars(select(Offer).where(Offer.applicant_id == person).order_by(Offer.id))
    return [
        {
            "at": one.at.isoformat(), "queue": one.unit.queue, "task": one.task, "why": one.why,
            "taken": one.reply.taken if one.reply else None,
            "text": one.submission.text if one.submission else None,
            "verdict": said.verdict if (said := one.review or one.resolution) else None,
            "because": said.because if said else None,
        }
        for one in offers
    ]  # fmt: skip


def rater_of(rater: str) -> str:
    """A rater as applicants read it: a model by its name, a person not by theirs."""
    kind, _, _ = rater.partition(":")
    return {"human": "a person", "adjudicator": "a person, to settle a dispute"}.get(kind, rater)


def sent_to_models(db: Session, seat: int) -> list[Json]:
    """Which models were sent something of a sitting, what for, and when."""
    calls = db.scalars(select(ModelCall).where(ModelCall.sitting_id == seat).order_by(ModelCall.id))
    return [{"model": one.model, "purpose": one.purpose, "at": one.at.isoformat()} for one in calls]


def said_about(question: Question, bank: Bank) -> Json:
    said, item = question.answer, bank.items.get(question.item_id) or bank.probes.get(question.item_id)
    return {
        "asked": question.at.isoformat(), "title": (item.title if item else question.item_id) if said else None,
        "why": question.why["skills"], "answer": said.response if said else None,
        "seconds": said.seconds if said else None,
        "conversation": [{"who": turn.who, "text": turn.text, "at": turn.at.isoformat()} for turn in question.turns],
        "grades": [
            {
                "rater": rater_of(grade.rater), "criterion": grade.criterion, "level": grade.level,
                "quote": grade.quote, "because": grade.because, "at": grade.at.isoformat(),
            }
            for grade in said.grades
        ] if said else [],
    }  # fmt: skip


@router.post("/s/{token}/delete")
def delete(request: Request, db: DB, ours: Ours, now: Now, token: str, mine: Mine, form: Form) -> Response:
    if form.get("confirm") != "yes":
        if mine.ending is None:
            return RedirectResponse(f"/s/{token}", HTTPStatus.SEE_OTHER)
        unsure = [("confirm", "Tick the box to confirm that your data is to be deleted.")]
        return result_page(request, db, ours, now, token, mine, None, unsure)
    sitting.end(db, mine, "erased", now)
    decision.erase(db, mine.applicant, now)
    return RedirectResponse(f"/s/{token}/result", HTTPStatus.SEE_OTHER)
