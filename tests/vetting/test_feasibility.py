"""Can it be done: what is asked is one object however it comes, and supply is told with what is not known of it."""

import re
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from tests.conftest import NOON
from tests.vetting.story import answered, expert, role, role_form
from vetting import programs
from vetting.messages import read_form
from vetting.plans import scene
from vetting.plans.feasibility import CHANCE, feasibility, kept
from vetting.scope import LADDER, MINUTES, ProgramForm, QueueForm
from vetting.sittings import sitting
from vetting.work_records import Credential

MATHS = ("math.algebra", "math.proof", "math.combinatorics", "math.analysis", "math.number_theory")


def queue(name="Proofs", **fields):
    return {"name": name, "skills": {"math.proof": 1.0}, "units": 40, "value": 100, "minutes": 60} | fields


def asked(*queues, **fields):
    return ProgramForm.model_validate({"name": "A program", "queues": queues or [queue()]} | fields)


def found(db, form, seed=1):
    return feasibility(db, form, NOON, np.random.default_rng(seed))


@pytest.fixture
def pool(db, bank):
    people = [expert(db, bank, MATHS, name=name) for name in ("Ada", "Bea", "Cleo")]
    db.expire_all()
    return people


# -- one object --------------------------------------------------------------------------------------


def test_a_file_in_yaml_or_json_and_a_message_are_the_same_object(tmp_path):
    form = asked(queue(kind="verification", priority="high", credentials=["Bar exam"], part="a"), mix={"a": 1.0})
    for name, text in (("a.yaml", yaml.safe_dump(form.model_dump(mode="json"))), ("a.json", form.model_dump_json())):
        (tmp_path / name).write_text(text)
        assert read_form(tmp_path / name, ProgramForm) == form


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: PP\nname: QQ\nqueues: []", "'name' stands twice"),
        (f"name: PP\nqueues: {'[' * 10**5}", "is nested too deeply"),
        (
            "name: PP\nqueues: [{name: Sums, skills: {a: 1}, units: '12,5'}]",
            "queues.'Sums'.units: '12,5' is not a number. Maybe 12.5",
        ),
        (
            "name: PP\nqueues: [{name: Sums, skills: {a: 1}, unit: 5}]",
            "queues.'Sums'.unit: is no field that is known. Maybe 'units'",
        ),
        (
            "name: PP\nqueues: [{name: Sums, skills: {a: 1}, units: 5, due: 4.12.2026}]",
            "is no date. Maybe write it as 2026-12-31",
        ),
        ("name: PP\nqueues: [{name: Sums, skills: {a: 1}, units: 5, language: english}]", "Maybe two small letters"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused_by_the_names_in_it(tmp_path, text, says):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(ValueError, match=re.escape(says)) as wrong:
        read_form(tmp_path / "p.yaml", ProgramForm)
    assert str(wrong.value).startswith(str(tmp_path / "p.yaml"))
    assert len(str(wrong.value)) < 500


def test_what_is_left_out_follows_from_the_kind_and_the_priority():
    for kind, (minutes, review) in MINUTES.items():
        said = QueueForm.model_validate(
            {"name": "A queue", "kind": kind, "units": 1, "skills": {"math.proof": 1}, "priority": "must"}
        )
        assert (said.minutes, said.review_minutes) == (minutes, review)
        assert said.value == pytest.approx(LADDER["must"] * 40 * (minutes + review) / 60, abs=0.01)
        assert said.judging == (kind in {"evaluation", "preference", "verification"})


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"mix": {"a": 0.5}}, "add up to 0.5"),
        ({"mix": {"a": 1.0}}, "Maybe each queue needs its `part`"),
        ({"queues": [queue(), queue()]}, "stands twice"),
        ({"queues": [queue(least={"second": 1})]}, "Maybe give second"),
        ({"queues": [queue(labels=["a", "a"])]}, "two different"),
        ({"queues": [queue(units=-1)]}, "greater than 0"),
        ({"queues": [queue(minutes=float("nan"))]}, "finite number"),
        ({"queues": [queue(minutes="x", priority="high")]}, "valid number"),
        ({"queues": [queue(pilot=10)]}, "greater than or equal to 50"),
        ({"budget": 0}, "greater than 0"),
    ],
)
def test_a_program_that_cannot_be_right_is_refused_by_name(wrong, says):
    with pytest.raises(ValidationError, match=says):
        asked(**wrong)


def test_what_is_kept_of_a_program_is_what_was_asked_and_a_dropped_queue_is_gone(db):
    form = asked(queue(), queue("Other"), budget=5000.0, about="For the test")
    kept = programs.keep_program(db, form, NOON, whole=True)
    assert programs.scope_of(db, kept) == form
    rows = len(kept.queues)
    programs.keep_program(db, form, NOON, whole=True)
    assert len(kept.queues) == rows  # nothing changed, so nothing is added
    less = asked(queue(units=10), about="For the test")
    programs.keep_program(db, less, NOON, whole=True)
    assert programs.scope_of(db, kept) == less
    assert len(kept.queues) == rows + 2  # a new wording, and that the other is gone


# -- supply ------------------------------------------------------------------------------------------


def test_experts_who_suffice_make_it_feasible_now(db, pool):
    seen = found(db, asked(queue(units=5)))
    assert seen["feasible"]
    now = seen["queues"][0]["supply"][0]
    assert now["units"] == pytest.approx(5, abs=1e-6)
    assert now["people"]["produce"] == len(pool)


def test_supply_lies_within_its_interval_and_the_interval_within_what_is_asked(db, pool):
    for said in found(db, asked(queue(units=500), queue("Algebra", skills={"math.algebra": 1.0})))["queues"]:
        for at in said["supply"]:
            assert 0 <= at["low"] <= at["units"] + 1e-9 <= at["high"] + 1e-6 <= said["units"] + 1e-6
    assert pool


def test_without_anybody_nothing_is_in_reach_and_the_way_out_is_said(db):
    (said,) = found(db, asked())["queues"]
    assert [at["units"] for at in said["supply"]] == [0, 0, 0]
    assert said["verdict"] == "short"
    assert "Maybe" in said["way_out"]


def test_people_who_wait_for_a_decision_or_hold_an_invitation_count_later_not_now(db, bank):
    levels = {item.id: item.levels - 1 for item in bank.items.values() if set(item.skills) & set(MATHS)}
    for n in range(6):
        answered(db, bank, levels, name=f"Candidate {n}")
    sitting.invite(db, role(db, role_form(*MATHS)), now=NOON)
    db.expire_all()
    seen = found(db, asked(queue(units=200)))
    assert seen["people"] == {"expert": 0, "waiting": 6, "running": 0, "invited": 1}
    now, day, two = (at["units"] for at in seen["queues"][0]["supply"])
    assert now == 0
    assert 0 < day < two


def test_records_move_the_chances_from_their_start_values(db, bank):
    """Twenty people decided on at once: waiting candidates are through sooner than the start value says."""
    for n in range(20):
        expert(db, bank, ["math.proof"], name=f"Quick {n}", now=NOON - timedelta(days=5))
    db.expire_all()
    start = CHANCE["waiting"][1]
    assert found(db, asked())["chances"]["waiting"]["24"] == pytest.approx((10 * start + 20) / 30)


def test_a_credential_opens_a_queue_only_once_it_is_verified(db, pool):
    form = asked(queue(units=3, credentials=["Licence"], reviews=0))
    (said,) = found(db, form)["queues"]
    assert said["supply"][0]["units"] == 0
    assert "Licence" in said["way_out"]
    claim = {"applicant_id": pool[0].id, "name": "Licence", "issuer": "A board", "expires": None}
    db.add(Credential(at=NOON, **claim))
    db.flush()
    assert found(db, form)["queues"][0]["supply"][0]["units"] == 0
    db.add(Credential(at=NOON, verified_by="a person", **claim))
    db.flush()
    assert found(db, form)["queues"][0]["supply"][0]["units"] == pytest.approx(3, abs=1e-6)


def test_some_of_a_pool_in_which_nobody_holds_a_credential_hold_none(db, pool):
    made = programs.keep_program(db, asked(queue(), queue("Licensed", credentials=["Licence"])), NOON)
    setting = scene.scene(db, made, NOON)
    bare = replace(setting.pool, papers=())
    some = kept(bare, np.array([2, 0]))
    assert some.axis.ids == (bare.axis.ids[2], bare.axis.ids[0])
    assert some.held == (frozenset(), frozenset())
    assert scene.may_enter(some, setting.queues).tolist() == [[True, False]] * 2
    assert pool


def test_a_budget_binds_and_is_named(db, pool):
    (said,) = found(db, asked(queue(units=30, reviews=0), budget=100.0))["queues"]
    assert said["held_back_by"] == "budget"
    assert said["supply"][0]["units"] < 4
    assert "budget" in said["way_out"]
    assert pool


def test_the_same_seed_draws_the_same_futures(db, pool):
    form = asked(queue(units=500, bars={"math.proof": 0.3}))
    assert found(db, form) == found(db, form)
    assert pool


def test_an_unknown_skill_and_a_date_that_is_past_are_refused_by_name(db, pool):
    with pytest.raises(ValueError, match=r"no skill 'math\.magic'\. Maybe"):
        found(db, asked(queue(skills={"math.magic": 1.0})))
    with pytest.raises(ValueError, match=r"'Proofs' was due on 2026-01-01\. Maybe"):
        found(db, asked(queue(due=date(2026, 1, 1))))
    assert pool
