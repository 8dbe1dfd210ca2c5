"""Profiles, decisions and the right to be forgotten."""

from datetime import timedelta

import numpy as np
import pytest
from pydantic import ValidationError
from sqlalchemy import select

from tests.conftest import NOON
from tests.vetting.story import answered, begin, go, role_form
from vetting import scale as scales
from vetting.decisions import decision, dossier
from vetting.messages import AvailabilityForm, ClaimForm, DecisionForm, ResumeForm, RoleForm
from vetting.records import Answer, Appeal, Applicant, AuditEntry, Certificate, Decision, Erasure, Invitation
from vetting.sittings import resume, sitting

MATHS = ("math.algebra", "math.proof")


def known(db, bank, person, form=None):
    calibration = scales.latest(db)
    return dossier.dossier(person, form or role_form(*MATHS), scales.of(calibration), bank, calibration.id, NOON)


def at_bar(form, bar):
    return form.model_copy(update={"skills": {k: v.model_copy(update={"bar": bar}) for k, v in form.skills.items()}})


def items_on(bank, skill):
    return [item for item in bank.items.values() if set(item.skills) == {skill}]


def test_more_right_answers_lift_the_skill_and_the_chance_of_clearing_its_bar(db, bank):
    items = items_on(bank, "math.algebra")
    good = answered(db, bank, {item.id: item.levels - 1 for item in items})
    poor = answered(db, bank, {item.id: 0 for item in items})
    above, below = (known(db, bank, person) for person in (good, poor))
    assert above.skills[0].mean > 0.5 > -0.5 > below.skills[0].mean
    assert above.clears > 0.5 > below.clears
    assert above.skills[0].low < above.skills[0].mean < above.skills[0].high


def test_the_chance_of_all_bars_is_no_more_than_that_of_any(db, bank):
    person = answered(db, bank, {item.id: 1 for item in items_on(bank, "math.proof")})
    view = known(db, bank, person)
    assert view.clears <= min(skill.clears for skill in view.skills if skill.clears is not None) + 1e-3


@pytest.mark.parametrize(("bar", "state"), [(-3.0, "clears"), (3.0, "below"), (0.0, "open")])
def test_a_bar_is_cleared_missed_or_open(db, bank, bar, state):
    items = [item for skill in MATHS for item in items_on(bank, skill)]
    person = answered(db, bank, {item.id: item.levels - 1 if n % 2 else 0 for n, item in enumerate(items)})
    assert known(db, bank, person, at_bar(role_form(*MATHS), bar)).state == state


def test_the_profile_shows_the_roles_skills_first_and_then_what_else_was_asked(db, bank):
    law = items_on(bank, "society.law")[0]
    view = known(db, bank, answered(db, bank, {law.id: 1}))
    assert [skill.skill for skill in view.skills] == [*MATHS, "society.law"]
    assert [(skill.asked, skill.wanted) for skill in view.skills] == [(0, True), (0, True), (1, False)]
    assert view.skills[-1].bar is None


def test_evidence_is_told_by_how_far_it_moved_the_score(db, bank):
    items = items_on(bank, "math.algebra")
    person = answered(db, bank, {item.id: item.levels - 1 for item in items})
    scale = scales.of(scales.latest(db))
    pieces = dossier.evidence_of(person, role_form(*MATHS), scale, bank, NOON)
    moved = [abs(piece.moved) for piece in pieces]
    assert len(pieces) == len(items)
    assert moved == sorted(moved, reverse=True)
    assert all(piece.moved > 0 for piece in pieces)


def test_certificates_claims_and_work_stand_beside_the_answers_with_what_they_moved(db, bank):
    """What a piece moved is the score with it less the score of the same person without it."""
    items = items_on(bank, "math.algebra")[:3]
    plain, told = (answered(db, bank, dict.fromkeys((item.id for item in items), 1)) for _ in range(2))
    resume.confirm(db, told, ResumeForm(claims=[ClaimForm(skill="math.proof", level="expert", source="")]), NOON)
    db.refresh(told)
    scale, role = scales.of(scales.latest(db)), role_form(*MATHS)
    pieces = dossier.evidence_of(told, role, scale, bank, NOON)
    (claim,) = [piece for piece in pieces if piece.kind == "claims"]
    gap = known(db, bank, told).score - known(db, bank, plain).score
    assert claim.moved == pytest.approx(gap, abs=1e-6)
    assert 0 < claim.moved < 0.1
    assert claim.words == "Proof: expert"
    assert (claim.skills, claim.answer_id, claim.most) == (("math.proof",), 0, 0)
    db.add(Certificate(at=NOON, applicant=told, issuer="A school", skill="language.german", level="c1", expires=None))
    db.flush()
    db.refresh(told)
    (paper,) = [one for one in dossier.evidence_of(told, role, scale, bank, NOON) if one.kind == "certificate"]
    assert paper.title == "C1, A school"
    silent = answered(db, bank, {})
    resume.confirm(db, silent, ResumeForm(claims=[ClaimForm(skill="math.proof", level="expert", source="")]), NOON)
    db.refresh(silent)
    assert dossier.evidence_of(silent, role, scale, bank, NOON) == []
    assert known(db, bank, silent).score == pytest.approx(0)


def test_more_minutes_can_only_be_spent_where_questions_are_left(db, bank):
    person = answered(db, bank, {item.id: 1 for item in items_on(bank, "math.algebra")[:3]})
    view, scale = known(db, bank, person), scales.of(scales.latest(db))
    more = dossier.more_minutes(view, scale, bank)
    assert more.skill in MATHS
    assert more.down <= more.now + 1e-2
    assert more.up >= more.now - 1e-2
    everything = answered(db, bank, dict.fromkeys(bank.items, 1))
    assert dossier.more_minutes(known(db, bank, everything), scale, bank) is None


def test_people_who_cannot_be_told_apart_stand_in_one_run(db, bank):
    items = items_on(bank, "math.algebra") + items_on(bank, "math.proof")
    people = [answered(db, bank, {item.id: item.levels - 1 for item in items}) for _ in range(2)]
    people += [answered(db, bank, {item.id: 0 for item in items})]
    runs = dossier.alike([known(db, bank, person) for person in people])
    assert [len(run) for run in runs] == [2, 1]


# -- decisions -------------------------------------------------------------------------------------


def decide(db, bank, person, verdict="advance", reason="Sound on proofs."):
    form = DecisionForm(verdict=verdict, reason=reason)
    seen = known(db, bank, person)
    return decision.decide(db, seen, person.sittings[0].invitation.role, form, by="Rita", now=NOON), seen


def test_a_decision_keeps_what_was_seen_when_it_was_made(db, bank):
    items = items_on(bank, "math.algebra")
    person = answered(db, bank, {item.id: 1 for item in items[:4]})
    made, seen = decide(db, bank, person)
    go(db, begin(db, applicant=person, now=NOON + timedelta(days=1)), bank, most=3)
    db.expire_all()
    assert made.evidence["clears"] == seen.clears
    assert made.evidence["calibration"] == scales.latest(db).id
    assert (made.by, made.reason) == ("Rita", "Sound on proofs.")


def test_a_later_decision_takes_the_place_of_an_earlier_and_both_stay_on_record(db, bank):
    person = answered(db, bank, {next(iter(bank.items)): 1})
    decide(db, bank, person, "hold")
    decide(db, bank, person, "decline")
    db.expire_all()
    assert [one.verdict for one in person.decisions] == ["hold", "decline"]
    audit = db.scalars(select(AuditEntry).where(AuditEntry.what == "decided")).all()
    assert [entry.about["verdict"] for entry in audit] == ["hold", "decline"]


@pytest.mark.parametrize("wrong", [{"verdict": "maybe"}, {"reason": ""}, {"reason": "  x "}, {"reason": "x" * 2001}])
def test_a_decision_without_a_verdict_or_a_reason_is_none(wrong):
    with pytest.raises(ValidationError):
        DecisionForm.model_validate({"verdict": "advance", "reason": "A good reason."} | wrong)


def test_the_latest_hours_are_those_that_hold(db, bank):
    person = answered(db, bank, {next(iter(bank.items)): 1})
    for hours in (10, 25):
        decision.give_hours(db, person, AvailabilityForm(hours=hours), NOON)
    db.expire_all()
    assert [offer.hours for offer in person.offers] == [10, 25]


def test_an_appeal_is_kept_and_audited(db):
    seat = begin(db)
    decision.appeal(db, seat, "  Please look again. ", NOON)
    assert db.scalars(select(Appeal.words)).one() == "Please look again."
    assert db.scalars(select(AuditEntry.who).where(AuditEntry.what == "appealed")).one() == "applicant"


# -- being forgotten -------------------------------------------------------------------------------


def everything_written(db):
    """All text in all tables, as one string."""
    tables = {mapper.local_table for mapper in Applicant.registry.mappers}
    return "\n".join(str(tuple(row)) for table in tables for row in db.execute(select(table)))


def test_erasure_removes_the_name_everywhere_and_keeps_the_answers(db, bank):
    made = begin(db, name="Grace Hopper")
    made.invitation.name = "Grace Hopper"  # the link was made for her
    go(db, made, bank, most=3)
    sitting.invite(db, made.invitation.role, now=NOON, name="Grace Hopper", applicant=made.applicant)
    before = everything_written(db)
    decision.erase(db, made.applicant, NOON)
    db.expire_all()
    assert "Grace Hopper" in before
    assert "Grace Hopper" not in everything_written(db)
    assert len(db.scalars(select(Answer)).all()) == 3
    assert db.scalars(select(Erasure.applicant_id)).one() == made.applicant_id


def test_erasure_of_one_person_leaves_the_others_as_they_are(db):
    invited = sitting.invite(db, begin(db).invitation.role, now=NOON, uses=3, name="Summer cohort")
    rng = np.random.default_rng(1)
    seats = [
        sitting.begin(db, invited, name=name, extra_time=1.0, demand={}, now=NOON, rng=rng) for name in ("Ada", "Bea")
    ]
    decision.erase(db, seats[0].applicant, NOON)
    db.expire_all()
    assert [seat.applicant.name for seat in seats] == ["", "Bea"]
    assert db.get_one(Invitation, invited.id).name == "Summer cohort"


def test_nobody_who_was_forgotten_can_be_tested_again(db):
    seat = begin(db, name="Grace Hopper")
    further = sitting.invite(db, seat.invitation.role, now=NOON, applicant=seat.applicant, focus=("math.proof",))
    decision.erase(db, seat.applicant, NOON)
    db.expire_all()
    with pytest.raises(sitting.ClosedError, match="Maybe"):
        sitting.begin(db, further, name="", extra_time=1.0, demand={}, now=NOON, rng=np.random.default_rng(1))


def test_erasing_twice_is_erasing_once(db):
    seat = begin(db)
    for _ in range(2):
        decision.erase(db, seat.applicant, NOON)
    assert len(db.scalars(select(Erasure)).all()) == 1


# -- forms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"skills": {}},
        {"skills": {"math.proof": {"bar": 9}}},
        {"skills": {"math.proof": {"weight": -1}}},
        {"minutes": 0},
        {"minutes": float("nan")},
        {"name": "x"},
        {"mintues": 20},
        {"follow_demand": 1.5},
    ],
)
def test_a_role_that_makes_no_sense_is_refused_by_field(wrong):
    with pytest.raises(ValidationError):
        RoleForm.model_validate({"name": "A role", "skills": {"math.proof": {}}} | wrong)


def test_decisions_of_both_databases_come_in_the_order_they_were_made(db, bank):
    person = answered(db, bank, {next(iter(bank.items)): 1})
    for verdict in ("hold", "advance", "decline", "hold"):
        decide(db, bank, person, verdict)
    db.expire_all()
    assert [one.id for one in person.decisions] == sorted(one.id for one in db.scalars(select(Decision)))
