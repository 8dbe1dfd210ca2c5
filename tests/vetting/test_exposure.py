"""Probes are shown under the rules of items: to few enough people, kin and enemies apart, and no favourite for all."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from tests.conftest import NOON
from tests.vetting.story import begin, role_form, say
from tests.vetting.test_interview import talk
from vetting import scale as scales
from vetting import store
from vetting.interviews import interview
from vetting.records import Ending
from vetting.sittings import choice, exposure, sitting

SKILLS = ("computing.python", "computing.algorithms")
FORM = role_form(*SKILLS, minutes=10, interview_minutes=9)
PEOPLE = 40


@pytest.fixture
def db(sqlite_engine, bank):
    with store.writing(sqlite_engine) as session:
        scales.keep_up(session, bank, NOON)
        yield session


def met(db, seat, bank, most=1):
    """The first probes of a sitting, each skipped; items before them are answered."""
    found, now = [], seat.at
    for _ in range(20):
        step = sitting.next_step(db, seat, bank, now)
        if isinstance(step, Ending) or len(found) == most:
            break
        now += timedelta(seconds=50)
        if interview.is_interview(step, bank):
            found.append(step.item_id)
            talk(db, step, bank, now, most=1)
            interview.close(db, step, bank, now)
        else:
            say(db, seat, step, bank, now, is_right=step.number % 3 != 0)
    return found


def of_some(bank):
    """Probes that look at the role's skills."""
    return [key for key, probe in bank.probes.items() if set(probe.skills) & set(SKILLS)]


def test_no_probe_is_shown_to_more_people_than_the_limit_and_without_it_all_would_see_the_same(db, bank):
    seen = [met(db, begin(db, FORM, seed=person), bank) for person in range(PEOPLE)]
    assert all(seen)
    share = {key: count / PEOPLE for key, count in Counter(key for one in seen for key in one).items()}
    assert max(share.values()) <= exposure.EXPOSURE + 1 / PEOPLE
    assert len(share) >= 1 / exposure.EXPOSURE
    assert set(share) <= set(of_some(bank))
    seat = begin(db, FORM)
    seat.closed_items, seat.aim = [], seat.aim | {"tolls": {}, "probe_tolls": {}}
    everybody = met(db, seat, bank)
    assert everybody == seen[0]  # nobody had seen anything then


def test_a_favourite_probe_comes_to_cost_more_than_its_minutes_and_the_forgotten_less(db, bank, monkeypatch):
    monkeypatch.setattr(exposure, "FLOOR", 0.15)
    for person in range(8):
        met(db, begin(db, FORM, seed=person), bank)
    seat = begin(db, FORM)
    scale, tolls = scales.of(seat.calibration), seat.aim["probe_tolls"]
    log = exposure.lately(db, scale, exposure.probes(scale))
    shown = dict(zip(scale.probes.ids.ids, log.shown.sum(0), strict=True))
    dearest, cheapest = max(tolls, key=tolls.get), min(tolls, key=tolls.get)
    assert tolls[dearest] > 0 > tolls[cheapest]
    assert shown[dearest] > 0 == shown[cheapest]
    assert set(tolls) <= set(of_some(bank))
    state = choice.look(seat, scale, bank)
    offers = choice.options(seat, state, scale, bank).offers
    assert {one.probe.id: round(one.cost - one.minutes, 4) for one in offers if one.probe.id in tolls} == {
        one.probe.id: pytest.approx(max(tolls[one.probe.id], -0.95 * one.minutes), abs=1e-4)
        for one in offers
        if one.probe.id in tolls
    }
    assert [one.rate for one in offers] == sorted((one.rate for one in offers), reverse=True)


def test_only_people_with_minutes_for_interviews_count_among_those_a_probe_could_be_shown_to(db, bank):
    for person, minutes in enumerate((9, 0, 9, 0)):
        seat = begin(db, FORM.model_copy(update={"interview_minutes": float(minutes)}), seed=person)
        met(db, seat, bank)
    scale = scales.of(seat.calibration)
    probes, items = (exposure.lately(db, scale, one(scale)) for one in (exposure.probes, exposure.items))
    mine = np.isin(scale.probes.ids.ids, of_some(bank))
    assert (probes.could[:, mine].sum(0) == 2).all()
    assert not probes.could[:, ~mine].any()
    assert items.could.sum(0).max() == 4
    assert probes.shown.any(1).sum() == 2


def test_a_bank_too_small_for_its_secrets_still_gives_an_interview(db, bank):
    """Three probes on a skill and minutes for two of them: whatever everybody saw, these stay open."""
    form = role_form("language.vietnamese", minutes=30, interview_minutes=20)
    for person in range(5):
        seat = begin(db, form, seed=person)
        assert len(met(db, seat, bank, most=2)) == 2


def test_kin_and_enemies_of_what_was_asked_are_not_asked(db, bank):
    """Half of the probes are variants of one another; each of the rest gives away some item of the role."""
    keys = of_some(bank)
    items = [key for key, item in bank.items.items() if set(item.skills) & set(SKILLS)]
    kin = {key: bank.probes[key].model_copy(update={"family": "one"}) for key in keys[::2]}
    foes = {
        key: bank.probes[key].model_copy(update={"enemies": tuple(items[n :: len(keys)])})
        for n, key in enumerate(keys[1::2])
    }
    told = replace(bank, probes={**bank.probes, **kin, **foes})
    form, several = role_form(*SKILLS, minutes=90, interview_minutes=60), 0
    for person in range(6):
        seat = begin(db, form, seed=person)
        met(db, seat, told, most=6)
        asked = {question.item_id for question in seat.questions}
        assert len(asked & set(kin)) <= 1
        assert not any(asked & set(foes[key].enemies) for key in asked & set(foes))
        several += len(asked & (set(kin) | set(foes))) > 1
    assert several
