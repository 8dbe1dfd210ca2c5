"""What we believe is a function of the facts: rebuilt to the bit, in any order, with every kind of evidence."""

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import select

from irt.belief import solve
from tests.conftest import NOON
from tests.vetting.story import answered, begin, go, role_form, say
from vetting import evidence, store
from vetting import scale as scales
from vetting.records import Applicant, Certificate, Grade, Sitting
from vetting.sittings import choice, sitting

YEAR = timedelta(days=365)


def looks(seat, bank):
    return choice.look(seat, scales.of(seat.calibration), bank)


def test_a_sitting_is_rebuilt_from_its_records_to_the_bit(engine, bank):
    with store.writing(engine) as db:
        scales.keep_up(db, bank, NOON)
        seat = begin(db)
        go(db, seat, bank, most=7)
        before = looks(seat, bank)
        number = seat.id
    with store.writing(engine) as db:
        seat = db.get_one(Sitting, number)
        after = looks(seat, bank)
        asked = sitting.next_step(db, seat, bank, NOON).item_id
        db.rollback()
    assert np.array_equal(before.posterior.mean, after.posterior.mean)
    assert np.array_equal(before.posterior.belief.cov, after.posterior.belief.cov)
    assert (before.minutes, before.pace) == (after.minutes, after.pace)
    with store.reading(engine) as db:
        assert sitting.next_step(db, db.get_one(Sitting, number), bank, NOON).item_id == asked


def test_the_same_answers_are_followed_by_the_same_questions(db, bank):
    seats = [begin(db, name=name) for name in ("Ada", "Bea")]  # both begin on a fresh bank
    one, two = (go(db, seat, bank) for seat in seats)
    assert one == two


def test_belief_does_not_depend_on_the_order_of_answers(db, bank, rng):
    scale = scales.of(scales.latest(db))
    keys = list(rng.permutation(list(bank.items))[:25])
    levels = {key: int(rng.integers(bank.items[key].levels)) for key in keys}
    forward = answered(db, bank, levels)
    backward = answered(db, bank, dict(reversed(levels.items())))
    one, two = (evidence.belief(person, scale, NOON) for person in (forward, backward))
    assert one.mean == pytest.approx(two.mean, abs=1e-5)
    assert one.belief.cov == pytest.approx(two.belief.cov, abs=1e-5)


def test_nobody_known_is_believed_to_be_like_the_population(db):
    scale = scales.of(scales.latest(db))
    person = Applicant(at=NOON, name="Ada")
    db.add(person)
    db.flush()
    known = evidence.belief(person, scale, NOON)
    assert known.mean == pytest.approx(scale.population.mean)
    assert known.belief.cov == pytest.approx(scale.population.cov)


def certificate(db, person, skill="language.german", level="c1", *, expires=NOON + YEAR):
    db.add(Certificate(at=NOON, applicant=person, issuer="A school", skill=skill, level=level, expires=expires))
    db.flush()


def test_a_certificate_counts_until_it_expires(db):
    scale = scales.of(scales.latest(db))
    person = Applicant(at=NOON, name="Ada")
    db.add(person)
    certificate(db, person)
    german = scale.skills.position["language.german"]
    valid, expired = (evidence.belief(person, scale, at) for at in (NOON, NOON + YEAR))
    assert valid.mean[german] > 0.3
    assert valid.sd[german] < 0.7
    assert expired.mean[german] == pytest.approx(0)


def test_a_certificate_is_a_gaussian_observation_of_its_skill(db):
    """In closed form: precision 1 of the prior and 1/sd² of the paper add up."""
    scale = scales.of(scales.latest(db))
    person = Applicant(at=NOON, name="Ada")
    db.add(person)
    certificate(db, person, level="b2", expires=None)
    german = scale.skills.position["language.german"]
    known, weight = evidence.belief(person, scale, NOON + 10 * YEAR), evidence.CERTIFICATE_SD**-2
    assert known.mean[german] == pytest.approx(weight * evidence.CEFR["b2"] / (1 + weight), abs=1e-6)
    assert known.sd[german] ** 2 == pytest.approx(1 / (1 + weight), abs=1e-6)


def test_a_certificate_of_an_unknown_skill_says_nothing(db):
    scale = scales.of(scales.latest(db))
    person = Applicant(at=NOON, name="Ada")
    db.add(person)
    certificate(db, person, skill="language.klingon")
    assert evidence.belief(person, scale, NOON).mean == pytest.approx(0)


def test_regrading_changes_the_belief_and_keeps_the_first_grade(db, bank):
    seat = begin(db, role_form("math.algebra"))
    question = sitting.next_step(db, seat, bank, NOON)
    said = say(db, seat, question, bank, NOON, is_right=False)
    before = looks(seat, bank).posterior.mean
    said.grades.append(Grade(at=NOON, rater="human:ada", level=bank.items[question.item_id].levels - 1))
    db.flush()
    after = looks(seat, bank).posterior.mean
    algebra = list(bank.tree.skills).index("math.algebra")
    assert after[algebra] > before[algebra]
    assert len(db.scalars(select(Grade)).all()) == 2


def test_leaving_out_a_piece_of_evidence_is_never_having_had_it(db, bank):
    scale = scales.of(scales.latest(db))
    keys = list(bank.items)[:6]
    all_of_it, without = (answered(db, bank, dict.fromkeys(some, 1)) for some in (keys, keys[:2] + keys[3:]))
    full = evidence.gather(all_of_it.sittings, [], [], scale, NOON)
    one = solve(scale.population, evidence.leaving_out(full, 2))
    assert one.mean == pytest.approx(evidence.belief(without, scale, NOON).mean, abs=1e-6)


def test_what_came_after_a_sitting_began_leaves_it_as_it_was(db, bank):
    """A later sitting and a later certificate of the same person change what we know, not what the first one was."""
    seat = begin(db)
    go(db, seat, bank, most=4)
    before = looks(seat, bank).posterior.mean
    go(db, begin(db, applicant=seat.applicant, now=NOON + YEAR / 2), bank, most=3)
    paper = Certificate(at=NOON + YEAR / 2, applicant=seat.applicant, issuer="A school", skill="math.proof", level="c2")
    db.add(paper)
    db.flush()
    db.expire_all()
    assert np.array_equal(looks(seat, bank).posterior.mean, before)
    now = evidence.belief(seat.applicant, scales.of(seat.calibration), NOON + YEAR / 2)
    assert not np.array_equal(now.mean, before)
