"""Judges of work: measured from verdicts with makers as anchors, published; outcomes are read by who stands behind."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from assignment.pooling import SLIP
from assignment.reviewing import SEVERITY, USUAL, Reviewing
from tests.conftest import NOON
from tests.vetting.bustle import program, queue, team
from tests.vetting.test_learning import made
from vetting import evidence, judges, learning, programs
from vetting import scale as scales
from vetting.quality import customers, reviewing
from vetting.tables import TableFaultError
from vetting.work_records import CustomerVerdict, Offer, Outcome, Review, Submission, Unit

numbers = count(1)
LEVELS = {"reject": 0, "send_back": 1, "pass": 2}
FATES = ("rejected", "sent back", "accepted")


@pytest.fixture
def people(db, bank):
    return team(db, bank, ["Strict", "Fair", "Kind", *(f"Maker {n}" for n in range(6))], right_share=0.7)


@pytest.fixture
def where(db):
    return program(db, queue(reviews=1, units=900))


def judged(db, where, maker, said, settled):
    """One unit, judged by each of {judge: verdict}, settled at a level; put on record directly."""
    number = next(numbers)
    unit = Unit(at=NOON, program=where, queue="Proofs", number=number, pilot=False, content="")
    offer = Offer(at=NOON, unit=unit, applicant=maker, task="produce", why={})
    work = Submission(at=NOON, unit=unit, offer=offer, wording=programs.wordings(where)["Proofs"], text="x",
                      request_id=f"made-{number}", seconds=60.0)  # fmt: skip
    for judge, verdict in said.items():
        looked = Offer(at=NOON, unit=unit, applicant=judge, task="review", why={})
        db.add(Review(at=NOON, submission=work, offer=looked, request_id=f"judged-{number}-{judge.id}", verdict=verdict,
                      errors=[], wrong_steps=[], because="seen", seconds=60.0))  # fmt: skip
    db.add(Outcome(at=NOON, submission=work, applicant=maker, level=LEVELS[settled], style=2, settled="agreed",
                   verdict=FATES[LEVELS[settled]]))  # fmt: skip
    return work


@pytest.fixture
def busy(db, where, people):
    """Strict rejects and sends back most of what Fair and Kind, on like work of the same people, nearly always pass."""
    strict, fair, kind, *makers = people
    for maker in makers:
        for n in range(10):
            found = ("reject", "send_back", "send_back", "pass", "pass")[n % 5]
            judged(db, where, maker, {strict: found}, found)
            for judge in (fair, kind):
                judged(db, where, maker, {judge: "reject" if n == 0 else "pass"}, "reject" if n == 0 else "pass")
    db.flush()
    db.expire_all()
    return where


def told(db):
    found = reviewing.measure(db, scales.of(scales.latest(db)), NOON)
    return {one.name: one for one in found}


def test_a_strict_judge_is_found_out_and_a_usual_one_stays_usual(db, busy):
    found = told(db)
    strict, fair = found["Strict"].found, found["Fair"].found
    assert strict.verdicts == fair.verdicts == 60
    assert strict.severity > 1.5 * strict.severity_sd
    assert strict.severity > fair.severity + 0.3
    assert strict.severity_sd < SEVERITY
    assert all(one.live is None for one in found.values())
    assert busy


def test_published_readings_move_what_is_believed_of_people_by_who_judged_them(db, busy, people):
    """A maker whom only Strict judged rises; one whom Kind judged does not rise as much."""
    strict, _, kind, *makers = people
    mine, other = makers[:2]
    for n in range(12):
        for maker, judge in ((mine, strict), (other, kind)):
            said = "send_back" if n % 3 == 0 else "pass"
            for _ in range(3):
                judged(db, busy, maker, {judge: said}, said)
    db.flush()

    def skill(person):
        db.expire_all()
        scale = scales.of(scales.latest(db))
        return evidence.belief(person, scale, NOON).mean[scale.skills.position["math.proof"]]

    before = skill(mine), skill(other)
    made_ = reviewing.publish(db, told(db).values(), "test", NOON)
    db.flush()
    assert scales.latest(db) is made_
    assert isinstance(scales.of(made_).reviewers[str(strict.id)], Reviewing)
    after = skill(mine), skill(other)
    assert after[0] - before[0] > after[1] - before[1] + 0.02
    assert told(db)["Strict"].live is not None


def test_a_customers_verdict_goes_first_and_measures_who_judged(db, where, people, tmp_path):
    _, fair, kind, maker, *_ = people
    works = [judged(db, where, maker, {fair if n % 2 else kind: "pass"}, "pass") for n in range(60)]
    db.flush()
    rows = [
        f"Proofs,{work.unit.number},{'rejected' if n % 2 and n % 4 == 1 else 'accepted'},seen"
        for n, work in enumerate(works)
    ]
    file = tmp_path / "said.csv"
    file.write_text("\n".join(["queue,unit,verdict,because", *rows]))
    assert customers.keep(db, where, file, "Cora", NOON) == 60
    db.expire_all()
    (work,) = learning.works(maker.work_seen)
    assert work.tally == (15, 0, 45)
    assert set(work.counts) == {(f"{judges.CUSTOMER}{where.id}",)}
    found = told(db)
    assert found["Fair"].found.slip > found["Kind"].found.slip + 0.02  # passed what the customer rejects
    assert found["Fair"].found.severity < found["Kind"].found.severity
    assert found[f"Customer of {where.name}"].found.verdicts == 60


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("queue,unit\nProofs,1", "'verdict' is missing"),
        ("queue,unit,verdict\nProofs,77777,accepted", r":2: there is no unit '77777'.*Maybe"),
        ("queue,unit,verdict\nProofs,{0},fine\nPoems,{0},accepted", r"(?s):2: verdict 'fine'.*:3: there is no unit"),
    ],
)
def test_faults_in_a_customers_file_are_told_by_line_and_nothing_is_kept(db, where, people, tmp_path, rows, said):
    work = judged(db, where, people[3], {people[0]: "pass"}, "pass")
    db.flush()
    file = tmp_path / "said.csv"
    file.write_text(rows.format(work.unit.number))
    with pytest.raises(TableFaultError, match=said):
        customers.keep(db, where, file, "Cora", NOON)
    assert db.query(CustomerVerdict).count() == 0


def test_who_stands_behind_an_outcome_is_all_who_agreed_or_the_third_person(db, where, people):
    maker, *three = people[3], *people[:3]
    made(db, where, maker, three, ["pass"] * 3)
    db.expire_all()
    (work,) = learning.works(maker.work_seen)
    assert work.counts == {tuple(sorted(str(one.id) for one in three)): (0, 0, 1)}


def test_unknown_judges_leave_the_usual_doubt_and_several_share_it():
    one, two = {("7",): (0, 0, 4)}, {("7",): (0, 0, 2), ("8",): (0, 0, 2)}
    assert judges.doubt(one, {}) == pytest.approx(SEVERITY**2)
    assert judges.doubt({(): (1, 0, 0)}, {}) == pytest.approx(SEVERITY**2)
    assert judges.doubt(two, {}) == pytest.approx(SEVERITY**2 / 2)
    known = {"7": Reviewing(0.3, 0.05, 0.1, 0.02, 80)}
    assert judges.doubt(one, known) == pytest.approx(0.05**2)
    severity, labels = judges.panel([("7",), ("8",), ("7", "8")], known)
    assert severity == pytest.approx([0.3, 0.0, 0.15])
    assert labels[0][2, 1] == pytest.approx(0.1)
    assert labels[1][2, 1] == pytest.approx(SLIP)
    assert labels[2][2, 1] < labels[0][2, 1] / 2
    assert labels.sum(axis=-1) == pytest.approx(np.ones((3, 3)))
    assert USUAL.slip == SLIP
