"""Published scales: what cannot be read is never stored, what is reworded starts anew, what runs keeps its own."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import func, select

from tests.conftest import NOON
from tests.vetting.story import begin, go, role_form
from vetting import evidence, store
from vetting import scale as scales
from vetting.records import AuditEntry, Calibration
from vetting.sittings import choice, sitting


def reworded(bank, key):
    return replace(bank, items={**bank.items, key: bank.items[key].model_copy(update={"revision": 2})})


def count(db):
    return db.scalar(select(func.count(Calibration.id)))


def fitted(db, bank, later):
    """A calibration in which every slope came from data."""
    body = scales.starting_body(bank)
    for row in body["items"].values():
        row["discrimination"] = {skill: 2 * slope for skill, slope in row["discrimination"].items()}
        row["origin"] = "fit"
    return scales.publish(db, body, "fitted", "test", later)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.pop("prior"),
        lambda body: body["prior"]["mean"].pop(),
        lambda body: next(iter(body["items"].values())).pop("blur"),
        lambda body: next(iter(body["items"].values()))["discrimination"].update({"no.skill": 1.0}),
        lambda body: next(iter(body["items"].values())).update(thresholds=[0.0, 1.0]),
        lambda body: next(iter(body["items"].values())).update(guess=1.5),
    ],
)
def test_a_body_that_cannot_be_read_is_never_stored(db, bank, spoil, later):
    body = scales.starting_body(bank)
    spoil(body)
    with pytest.raises((KeyError, ValueError)):
        scales.publish(db, body, "broken", "test", later)
    assert count(db) == 1


def test_publishing_is_one_row_and_one_line_in_the_audit(db, bank, later):
    made = fitted(db, bank, later)
    assert scales.latest(db).id == made.id
    last = db.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).one()
    assert (last.who, last.about["id"]) == ("test", made.id)


def test_each_database_of_a_process_has_its_own_scales(db, bank, tmp_path):
    engine = store.connect(f"sqlite:///{tmp_path / 'other.db'}")
    store.migrate(engine)
    try:
        with store.writing(engine) as other:
            scales.keep_up(other, replace(bank, items=dict([*bank.items.items()][:3])), NOON)
            one, two = scales.latest(db), scales.latest(other)
            assert (one.id, one.at) == (two.id, two.at)
            assert len(scales.of(one).items.ids) > len(scales.of(two).items.ids) == 3
            assert scales.of(one) is scales.of(scales.latest(db))
    finally:
        engine.dispose()


def test_nothing_is_published_when_nothing_is_new(db, bank, later):
    before = scales.latest(db)
    assert scales.keep_up(db, bank, later).id == before.id
    assert count(db) == 1


def test_a_reworded_item_gets_start_values_and_the_others_keep_theirs(db, bank, later):
    old = fitted(db, bank, later)
    key, other = list(bank.items)[:2]
    new = scales.keep_up(db, reworded(bank, key), later)
    assert new.id != old.id
    assert new.body["items"][key]["origin"] == scales.UNVALIDATED
    assert new.body["items"][key]["revision"] == 2
    assert new.body["items"][other] == old.body["items"][other]


def test_a_new_item_joins_with_start_values_and_a_withdrawn_one_stays_readable(db, bank, later):
    old = fitted(db, bank, later)
    gone, *_ = bank.items
    extra = bank.items[gone].model_copy(update={"id": "a-new-item"})
    new = scales.keep_up(
        db, replace(bank, items={k: v for k, v in bank.items.items() if k != gone} | {"a-new-item": extra}), later
    )
    assert new.body["items"]["a-new-item"]["origin"] == scales.UNVALIDATED
    assert new.body["items"][gone] == old.body["items"][gone]


def test_a_withdrawn_item_is_asked_of_nobody_any_more(db, bank):
    first = go(db, begin(db), bank, most=1)[0]
    without = replace(bank, items={key: item for key, item in bank.items.items() if key != first})
    assert first not in go(db, begin(db), without, most=3)


def test_a_running_sitting_keeps_the_scale_it_began_with(db, bank, later):
    seat = begin(db)
    go(db, seat, bank, most=2)
    before = choice.look(seat, scales.of(seat.calibration), bank).posterior.mean
    fitted(db, bank, later)
    db.expire_all()
    assert scales.latest(db).id != seat.calibration_id
    after = choice.look(seat, scales.of(seat.calibration), bank).posterior.mean
    assert np.array_equal(before, after)
    assert begin(db, now=later).calibration_id == scales.latest(db).id


def test_a_running_sitting_is_not_asked_an_item_whose_wording_changed_since(db, bank):
    seat = begin(db, role_form("math.algebra"))
    key = sitting.next_step(db, begin(db, role_form("math.algebra")), bank, NOON).item_id
    assert sitting.next_step(db, seat, reworded(bank, key), NOON).item_id != key


def test_an_answer_to_an_older_wording_says_nothing_on_the_newer_scale(db, bank, later):
    seat = begin(db)
    key = go(db, seat, bank, most=1)[0]
    new = scales.of(scales.keep_up(db, reworded(bank, key), later))
    assert len(evidence.graded([seat], scales.of(seat.calibration))) == 1
    assert evidence.graded([seat], new) == []


def test_ids_that_an_axis_does_not_have_are_named():
    axis = scales.Axis.of("items", ["a", "b"])
    assert axis.rows(["b", "a", "b"]).tolist() == [1, 0, 1]
    with pytest.raises(KeyError, match=r"axis 'items' has no \['c'\].*Maybe"):
        axis.rows(["a", "c"])
    assert axis.values({"b": 2.0}, 0.5).tolist() == [0.5, 2.0]


def test_starting_correlations_are_what_the_skill_tree_states(bank):
    cov = scales.starting_population(bank.tree).cov
    assert np.diag(cov) == pytest.approx(1.0)
    at = list(bank.tree.skills).index
    algebra, proof, physics = at("math.algebra"), at("math.proof"), at("science.physics")
    maths, science = bank.tree.domains["math"], bank.tree.domains["science"]
    assert cov[algebra, proof] == pytest.approx(maths.general + maths.shared)
    assert cov[algebra, physics] == pytest.approx(np.sqrt(maths.general * science.general))
