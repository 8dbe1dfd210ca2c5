"""Names go when the promised time is over, and not a day before."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import select

from tests.conftest import NOON
from tests.vetting.story import spoken
from vetting.decisions import decision
from vetting.decisions.decision import MONTH
from vetting.messages import RoleForm
from vetting.names import without
from vetting.records import Appeal, AuditEntry, Grade, ModelCall, Role
from vetting.sittings import sitting


def test_a_name_is_removed_after_the_promised_months_and_not_before(db):
    form = RoleForm(name="Reader", skills={"language.english": {}}, keep_months=6)
    role = Role(at=NOON, name=form.name, body=form.model_dump(mode="json"))
    db.add(role)
    seat = sitting.begin(
        db, sitting.invite(db, role, now=NOON, name="Ada"), name="Ada", extra_time=1.0, demand={}, now=NOON,
        rng=np.random.default_rng(1),
    )  # fmt: skip

    assert decision.erase_expired(db, NOON + 6 * MONTH - timedelta(days=1)) == 0
    assert seat.applicant.name == "Ada"
    assert decision.erase_expired(db, NOON + 6 * MONTH) == 1
    assert seat.applicant.name == seat.invitation.name == ""
    assert decision.erase_expired(db, NOON + 7 * MONTH) == 0  # once is enough
    assert db.query(AuditEntry).filter(AuditEntry.what == "erased", AuditEntry.who == "retention").count() == 1


@pytest.mark.parametrize(
    ("name", "said", "left"),
    [
        ("Ada Lovelace", "I, ada  lovelace (Ada to friends), and Adam.", "I, [name] ([name] to friends), and Adam."),
        ("Will", "Will will.", "[name] will."),
        ("X", "Let x = X.", "Let x = X."),
        ("", "Nobody", "Nobody"),
        ("J. O'Neil-(Smith)", "J. O'Neil-(Smith)!", "[name]!"),
        ("a+ (", "a+ (", "[name]"),
    ],
)
def test_a_name_is_found_as_people_write_it_and_words_are_left_alone(name, said, left):
    assert without(said, name) == left


def test_a_forgotten_name_stands_in_nothing_that_was_written(db, bank):
    probe = next(iter(bank.probes.values()))
    answer = spoken(db, probe, "I am Ada Lovelace and count the lamps.", name="Ada Lovelace")
    seat = answer.question.sitting
    person = seat.applicant
    call = ModelCall(
        at=NOON, sitting_id=seat.id, purpose="grade", prompt="grade", prompt_version="1", model="m", input_hash="h",
        sent={"messages": [{"role": "user", "content": "Applicant: I am Ada Lovelace"}], "about": {"n": [1, None]}},
        reply='{"quote": "Ada Lovelace"}', seconds=1.0, tokens_in=1, tokens_out=1, cost=None,
    )  # fmt: skip
    db.add(call)
    answer.grades.append(
        Grade(at=NOON, rater="human:bea", criterion=probe.criteria[0].id, level=1, quote="I am Ada Lovelace")
    )
    decision.appeal(db, seat, "Ada asks again", NOON)
    db.flush()
    decision.erase(db, person, NOON)
    written = [turn.text for turn in answer.question.turns] + [call.reply, str(call.sent), answer.grades[-1].quote]
    written += db.scalars(select(Appeal.words)).all()
    assert not any("Ada" in text or "Lovelace" in text for text in written)
    assert any(answer.grades[-1].quote in turn.text for turn in answer.question.turns)
    assert call.sent["about"] == {"n": [1, None]}
