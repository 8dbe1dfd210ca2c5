"""A queue's weights: told beside the stated ones, used when a lead accepts them, taken back at will, kept as facts."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from tests.conftest import NOON
from tests.vetting.bustle import program, queue
from tests.vetting.story import answered
from vetting import evidence, programs
from vetting import scale as scales
from vetting.plans import scene
from vetting.quality import reweighting
from vetting.records import AuditEntry
from vetting.scope import QueueForm
from vetting.work_records import Offer, Outcome, Submission, Unit

SKILLS = {"math.algebra": 1.0, "math.proof": 1.0}
numbers = count(1)


@pytest.fixture
def where(db, bank):
    """Twelve people good at one of two skills, a dozen units each: what passes is the work of who knows algebra."""
    made = program(db, queue(skills=SKILLS, difficulty=0.0, units=500))
    for n in range(12):
        good = "math.algebra" if n % 2 else "math.proof"
        items = [item for item in bank.items.values() if set(item.skills) & set(SKILLS)]
        levels = {item.id: item.levels - 1 if good in item.skills else 0 for item in items}
        settle(db, made, answered(db, bank, levels, name=f"Maker {n}"), 11 if n % 2 else 2, 12)
    db.expire_all()
    return made


def settle(db, made, person, accepted, units):
    """Settled units put on record directly."""
    wording = programs.wordings(made)["Proofs"]
    for n in range(units):
        number = next(numbers)
        unit = Unit(at=NOON, program=made, queue="Proofs", number=number, pilot=False, content="")
        offer = Offer(at=NOON, unit=unit, applicant=person, task="produce", why={})
        work = Submission(
            at=NOON, unit=unit, offer=offer, wording=wording, request_id=f"settled-{number}", text="x", seconds=60.0
        )
        level = 2 if n < accepted else 0
        db.add(Outcome(at=NOON, submission=work, applicant=person, level=level, style=2, settled="agreed",
                       verdict="accepted" if level else "rejected"))  # fmt: skip
    db.flush()


def told(db, where):
    (form,) = programs.queues_of(where)
    return reweighting.learnt(db, where, form, scales.of(scales.latest(db)), NOON)


def test_weights_follow_what_work_leans_on_and_are_told_with_errors(db, where):
    found = told(db, where)
    algebra, proof = sorted(found.weights, key=lambda one: one.skill)
    assert (found.people, found.units, found.lacking, found.taken) == (12, 144, "", False)
    assert (algebra.stated, proof.stated) == (0.5, 0.5)
    assert algebra.learnt - 1.645 * algebra.sd > 0.5 > proof.learnt
    assert algebra.learnt + proof.learnt == pytest.approx(1.0)


def test_what_is_accepted_holds_is_on_record_and_can_be_taken_back(db, where):
    scale = scales.of(scales.latest(db))
    before, found = programs.queues_of(where)[0], told(db, where)
    person = reweighting.makers(db, where, "Proofs")[0]

    def slope():
        db.expire_all()
        return evidence.gather(person.sittings, [], [], scale, NOON, outcomes=person.work_seen).items.slope[-1]

    stated = np.sort(slope()[:2])
    assert stated == pytest.approx([0.5, 0.5])
    reweighting.accept(db, where, found, "Lea", NOON)
    (form,) = programs.queues_of(where)
    learnt = {one.skill: one.learnt for one in found.weights}
    weights, _ = scene.table([form], scale.skills)
    for skill, share in learnt.items():
        assert weights[0, scale.skills.position[skill]] == pytest.approx(share, abs=1e-4)
    assert form.stated == before.skills
    assert np.sort(slope()[:2]) == pytest.approx(sorted(learnt.values()), abs=1e-4)  # work done before is read so too
    again = told(db, where)
    assert again.taken
    assert [one.stated for one in again.weights] == [0.5, 0.5]
    assert [one.learnt for one in again.weights] == pytest.approx([one.learnt for one in found.weights], abs=0.01)
    reweighting.take_back(db, where, "Proofs", "Lea", NOON)
    assert programs.queues_of(where)[0] == before
    assert [(one.who, one.what) for one in db.query(AuditEntry).order_by(AuditEntry.id)][-2:] == [
        ("Lea", "took learnt weights"), ("Lea", "took back learnt weights"),
    ]  # fmt: skip
    assert len(where.queues) == 3  # facts are added, never changed


def test_too_few_outcomes_one_skill_or_a_strange_queue_are_refused(db, bank):
    made = program(db, queue(skills=SKILLS))
    settle(db, made, answered(db, bank, {}, name="Only one"), 5, 6)
    db.expire_all()
    found = told(db, made)
    assert (found.people, found.units) == (1, 6)
    with pytest.raises(ValueError, match=r"1 people with 6 settled units; 10 with 100.*Maybe"):
        reweighting.accept(db, made, found, "Lea", NOON)
    with pytest.raises(ValueError, match=r"has its stated weights\. Maybe"):
        reweighting.take_back(db, made, "Proofs", "Lea", NOON)
    with pytest.raises(ValueError, match=r"no queue .Poems.\. Maybe Proofs"):
        reweighting.take_back(db, made, "Poems", "Lea", NOON)
    single = QueueForm.model_validate(queue("Single"))
    assert "one skill" in reweighting.learnt(db, made, single, scales.of(scales.latest(db)), NOON).lacking
    assert len(made.queues) == 1
