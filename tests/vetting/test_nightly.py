"""The nightly calibration moves numbers towards the truth, says how surely, and refuses with every reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import NOON
from vetting import scale as scales
from vetting import store
from vetting.calibration import nightly
from vetting.messages import RoleForm
from vetting.records import Calibration, Role
from vetting.rehearsals import rehearsal
from vetting.sittings import sitting

SKILLS = ("math.algebra", "math.proof", "math.combinatorics")


@pytest.fixture(scope="module")
def answered(tmp_path_factory, bank):
    """A database in which 170 simulated people have answered, and what is true of the items."""
    engine = store.connect(f"sqlite:///{tmp_path_factory.mktemp('night') / 'assay.db'}")
    store.migrate(engine)
    rng = np.random.default_rng(5)
    with store.writing(engine) as db:
        scale = scales.of(scales.keep_up(db, bank, NOON))
        form = RoleForm(name="Night", minutes=25, stop_when_decided=False, skills={skill: {} for skill in SKILLS})
        role = Role(at=NOON, name=form.name, body=form.model_dump(mode="json"))
        db.add(role)
        truth = rehearsal.world(scale, 170, rng)
        invitation = sitting.invite(db, role, now=NOON, uses=170)
        for person in range(170):
            rehearsal.sit(db, invitation, truth, person, bank, demand={}, now=NOON, rng=rng)
    yield engine, truth
    engine.dispose()


@pytest.mark.slow
def test_numbers_with_answers_behind_them_come_nearer_to_the_truth(answered):
    engine, truth = answered
    with store.reading(engine) as db:
        old = scales.latest(db)
        before = scales.of(old)
        judged = nightly.judge(db, old, simulated=True)
        after = scales.read(judged.body)
    assert judged.faults == ()
    assert judged.gain > 0
    moved = np.flatnonzero(after.blur != before.blur)
    assert len(moved) == judged.fitted > 10

    def miss(scale):  # of the place of the thresholds, which start values leave open by about a logit
        return np.sqrt(np.mean((scale.parameters.threshold[moved, 0] - truth.items.threshold[moved, 0]) ** 2))

    claimed = np.sqrt(np.mean(after.blur[moved]))  # a threshold's error and more: the slope's is in it too
    assert miss(after) < miss(before)
    assert miss(after) < claimed * np.sqrt(1 + 3 * np.sqrt(2 / len(moved)))  # three standard errors of a mean square
    assert (after.blur[moved] < before.blur[moved]).all()
    still = np.setdiff1d(np.arange(len(before.blur)), moved)
    np.testing.assert_array_equal(after.parameters.slope[still], before.parameters.slope[still])
    np.testing.assert_array_equal(after.intensity[still], before.intensity[still])


@pytest.mark.slow
def test_publishing_is_one_row_and_a_sitting_that_began_keeps_its_scale(answered, bank):
    engine, _ = answered
    with store.reading(engine) as db:
        old = scales.latest(db)
        role = db.query(Role).one()
        seat = sitting.begin(
            db, sitting.invite(db, role, now=NOON), name="Ada", extra_time=1.0, demand={}, now=NOON,
            rng=np.random.default_rng(1),
        )  # fmt: skip
        first = sitting.next_step(db, seat, bank, NOON)
        new = nightly.publish(db, nightly.judge(db, old, simulated=True), NOON, who="night")
        assert scales.latest(db) is new
        assert db.query(Calibration).count() == 2
        assert seat.calibration is old
        assert sitting.next_step(db, seat, bank, NOON) is first
        assert {row["origin"] for row in new.body["items"].values()} > {scales.UNVALIDATED}


def test_too_few_people_are_a_reason_and_nothing_is_stored(db):
    old = scales.latest(db)
    judged = nightly.judge(db, old)
    assert "people have answered" in judged.faults[0]
    with pytest.raises(ValueError, match="Not published"):
        nightly.publish(db, judged, NOON, who="night")
    assert scales.latest(db) is old


def test_what_was_said_of_raters_while_a_calibration_was_computed_stays_said(db):
    old = scales.latest(db)
    judged = replace(nightly.judge(db, old), faults=())
    numbers = {"model:one@abc": {"discrimination": 0.7, "severity": 0.5}}
    scales.publish(db, {**old.body, "raters": numbers}, "a test", "a test", NOON)
    assert nightly.publish(db, judged, NOON, who="night").body["raters"] == numbers


@pytest.mark.slow
def test_simulated_people_never_move_real_numbers(answered):
    engine, _ = answered
    with store.reading(engine) as db:
        judged = nightly.judge(db, scales.latest(db))
    assert judged.answers == 0
    assert judged.faults
