"""Pieces of the story that tests begin with: roles, sittings, people who have answered, experts with hours."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from tests.conftest import NOON
from tests.item_bank.responses import right, wrong
from vetting import scale as scales
from vetting.messages import RoleForm
from vetting.records import Answer, Applicant, Availability, Decision, Grade, Question, Role, Sitting, Turn
from vetting.sittings import aim as aims
from vetting.sittings import sitting

WHY = {"gain": 0.1, "minutes": 1.0, "information": 0.1, "skills": {}, "runners_up": []}  # put on record by hand
MATHS = ("math.algebra", "math.proof", "math.combinatorics")


def role_form(*skills, **fields):
    asked = {skill: {"weight": 1.0, "target": 0.3} for skill in skills or MATHS}
    plain = {"name": "A role", "minutes": 30, "price": 0.0, "stop_when_decided": False, "skills": asked}
    return RoleForm.model_validate(plain | fields)


def role(db, form=None, now=NOON):
    form = form or role_form()
    made = Role(at=now, name=form.name, body=form.model_dump(mode="json"))
    db.add(made)
    db.flush()
    return made


def begin(db, form=None, *, name="Ada", now=NOON, demand=None, extra_time=1.0, seed=1, applicant=None, focus=()):
    """A sitting that has just begun."""
    invited = sitting.invite(db, role(db, form, now), now=now, applicant=applicant, focus=focus)
    rng = np.random.default_rng(seed)
    return sitting.begin(db, invited, name=name, extra_time=extra_time, demand=demand or {}, now=now, rng=rng)


def sometimes(number):
    """Right on two questions of three."""
    return number % 3 != 0


def go(db, seat, bank, *, most=100, minutes=1.0, knows=sometimes):
    """Answer until the end or `most` questions; the items in the order asked."""
    now = max([seat.at, *(question.at for question in seat.questions)])
    for _ in range(most):
        step = sitting.next_step(db, seat, bank, now)
        if not isinstance(step, Question):
            break
        now += timedelta(minutes=minutes)
        say(db, seat, step, bank, now, is_right=knows(step.number))
    return [question.item_id for question in seat.questions]


def say(db, seat, question, bank, now, *, is_right=True, **others):
    item = bank.items[question.item_id]
    said = right(item) if is_right else wrong(item)
    others.setdefault("request_id", f"request-{question.id}")
    return sitting.answer(db, seat, question, said, bank=bank, now=now, **others)


def answered(db, bank, levels, *, name="Eve", now=NOON, seconds=90.0):
    """A person with a finished sitting of these items and levels, put on record directly."""
    invited = sitting.invite(db, role(db, now=now), now=now)
    calibration = scales.latest(db)
    seat = Sitting(
        at=now, invitation=invited, applicant=Applicant(at=now, name=name), calibration=calibration, seat=1, consent="",
        extra_time=1.0, aim=aims.aim_of(role_form(), {}, scales.of(calibration)), closed_items=[],
    )  # fmt: skip
    db.add(seat)
    db.flush()
    for number, (key, level) in enumerate(levels.items(), start=1):
        asked = Question(at=now, sitting=seat, number=number, item_id=key, revision=bank.items[key].revision, why=WHY)
        said = Answer(at=now, question=asked, request_id=f"{seat.id}-{number}", response={}, seconds=seconds)
        said.grades.append(Grade(at=now, rater="key", level=level))
        db.add(said)
    sitting.end(db, seat, "test", now)
    db.flush()
    return seat.applicant


def expert(db, bank, skills, *, right_share=1.0, name="Eve", hours=20.0, pay=40.0, languages=("en",), now=NOON):
    """Somebody advanced, with hours, who answered every item of the skills, most of them rightly."""
    items = [item for item in bank.items.values() if set(item.skills) & set(skills)]
    most = round(right_share * len(items))
    levels = {item.id: (item.levels - 1 if n < most else 0) for n, item in enumerate(items)}
    person = answered(db, bank, levels, name=name, now=now)
    verdict = Decision(
        at=now, applicant=person, role=person.sittings[0].invitation.role, verdict="advance", reason="test", by="test",
        evidence={},
    )  # fmt: skip
    week = Availability(at=now, applicant=person, hours=hours, pay=pay, languages=list(languages))
    db.add_all([verdict, week])
    db.flush()
    return person


def spoken(db, probe, *said, name="Speaker", now=NOON):
    """An interview of one probe that is over: its opening and what was said to it, without any grade."""
    invited = sitting.invite(db, role(db, now=now), now=now)
    calibration = scales.latest(db)
    seat = Sitting(
        at=now, invitation=invited, applicant=Applicant(at=now, name=name), calibration=calibration, seat=1, consent="",
        extra_time=1.0, aim=aims.aim_of(role_form(), {}, scales.of(calibration)), closed_items=[],
    )  # fmt: skip
    asked = Question(at=now, sitting=seat, number=1, item_id=probe.id, revision=probe.revision, why=WHY)
    db.add_all([seat, asked])
    turns = [("asks", probe.opening, {"kind": "opening", "id": "opening", "criterion": ""})]
    turns += [("says", words, {"act": "answer"}) for words in said]
    for number, (who, text, move) in enumerate(turns, start=1):
        db.add(Turn(at=now, question=asked, number=number, who=who, text=text, move=move))
    answer = Answer(at=now, question=asked, request_id=f"spoken-{name}", response={}, seconds=60.0)
    db.add(answer)
    db.flush()
    return answer
