"""What work teaches, what is seen at checkpoints, and what is delivered."""

import csv
import json
from datetime import timedelta

import numpy as np
import pytest
from scipy.special import ndtr

from assignment.pooling import FIT, SLIP, slips
from assignment.reviewing import agreeing
from irt.belief import Belief, solve
from tests.conftest import NOON
from tests.vetting.bustle import do, planned, program, queue, team
from vetting import evidence, learning, programs
from vetting import scale as scales
from vetting.offers import offering
from vetting.plans import scene
from vetting.quality import chains, delivery, gate, progress
from vetting.scope import QueueForm
from vetting.tables import cell
from vetting.units import work
from vetting.work_records import Offer

WHY = {"acceptance": 0.7, "minutes": 30.0}


@pytest.fixture
def people(db, bank):
    return team(db, bank, ["Ada", "Bea", "Cleo", "Dora"], right_share=0.7)


def made(db, where, maker, judges, said, *, errors=(), minutes=30.0, now=NOON, text="1. a\n2. b", name="Proofs"):
    """One unit, made and judged as said, through the functions that keep it."""
    (form,) = [one for one in programs.queues_of(where) if one.name == name]
    (unit,) = offering.add_units(db, where, form, [""], now)
    tasks = [("produce", maker, None), *(("review", one, word) for one, word in zip(judges, said, strict=True))]
    for task, person, verdict in tasks:
        offer = Offer(at=now, unit=unit, applicant=person, task=task, why=WHY)
        db.add(offer)
        db.flush()
        work.reply(db, offer, now, taken=True)
        seen = {"errors": list(errors)} if task == "review" and verdict != "pass" else {}
        done = do(db, offer, now, verdict=verdict, text=text, **seen)
        done.seconds = 60 * minutes
    db.flush()
    return unit


def belief(db, person):
    db.expire_all()
    return evidence.belief(person, scales.of(scales.latest(db)), NOON)


def skill(db, person, name="math.proof"):
    row = scales.of(scales.latest(db)).skills.position[name]
    known = belief(db, person)
    return known.mean[row], known.sd[row]


# -- evidence ----------------------------------------------------------------------------------------


def test_accepted_work_raises_the_skill_rejected_work_lowers_it_and_either_narrows_it(db, people):
    where = program(db, queue(reviews=3))
    good, bad, *judges = people
    before = [skill(db, person) for person in (good, bad)]
    for _ in range(8):
        made(db, where, good, [bad, *judges], ["pass"] * 3)
        made(db, where, bad, [good, *judges], ["reject"] * 3, errors=["major content"])
    after = [skill(db, person) for person in (good, bad)]
    assert after[0][0] > before[0][0]
    assert after[1][0] < before[1][0] - 0.1
    assert all(new[1] < old[1] for new, old in zip(after, before, strict=True))


def test_errors_of_style_alone_leave_the_subject_where_it_was_or_higher_and_lower_the_style(db, people):
    where = program(db, queue(skills={"math.proof": 1.0, "language.english": 0.5}, reviews=3))
    maker, *judges = people
    before = {name: skill(db, maker, name)[0] for name in ("math.proof", "language.english")}
    for _ in range(8):
        made(db, where, maker, judges, ["reject"] * 3, errors=["major style"])
    db.expire_all()
    tallies = {tuple(one.skills): one.tally for one in learning.works(maker.outcomes)}
    assert tallies == {("math.proof",): (0, 0, 8), ("language.english",): (8, 0, 0)}
    assert skill(db, maker, "language.english")[0] < before["language.english"] - 0.2
    assert skill(db, maker, "math.proof")[0] > before["math.proof"] - 0.1  # only what the two share moves it


def test_a_unit_nobody_reviewed_or_that_is_ambiguous_is_no_evidence(db, people):
    where = program(db, queue(reviews=0, units=1000, pilot=50))
    maker, *judges = people
    unit = made(db, where, maker, judges, ["pass"] * 3)
    outcome = unit.submissions[0].outcome
    assert learning.works([outcome])
    outcome.settled = "unreviewed"
    assert learning.works([outcome]) == []


def test_belief_settles_on_how_good_somebody_is_from_their_work(db, people):
    """Forty units of somebody whose work passes nine times in ten: the forecast comes to that."""
    where = planned(db, queue(reviews=3, units=500, pilot=60))
    maker, *judges = people
    for number in range(40):
        made(db, where, maker, judges, ["reject" if number % 10 == 5 else "pass"] * 3, errors=["major content"])
    db.expire_all()
    setting = scene.scene(db, where, NOON)
    row = setting.pool.axis.position[str(maker.id)]
    assert setting.projection.acceptance[row, 0] == pytest.approx(0.9, abs=0.09)
    assert setting.projection.acceptance_sd[row, 0] < setting.projection.acceptance_sd[1 - row, 0]


def test_what_is_made_and_not_settled_is_under_way_until_it_is(db, people):
    where = planned(db, queue(reviews=3), queue("Other", reviews=3))
    maker, *judges = people
    for said in ([], ["pass"], ["pass"] * 3):
        made(db, where, maker, judges[: len(said)], said)
    db.expire_all()
    setting = scene.scene(db, where, NOON)
    row = setting.pool.axis.position[str(maker.id)]
    assert setting.learnt.under_way[row].tolist() == [2, 0]
    assert setting.learnt.under_way.sum() == 2


def test_outcomes_are_read_around_what_is_believed_of_a_person(db, people):
    """A few units of somebody known well: the belief with them is the one that all of the counts give, by a fine sum.

    Read around 0, the counts of somebody far from it are held against a Gaussian that lies elsewhere.
    """
    where = program(db, queue(difficulty=1.5, reviews=3))
    maker, *judges = people
    for _ in range(6):
        made(db, where, maker, judges, ["pass"] * 3)
    db.expire_all()
    scale = scales.of(scales.latest(db))
    at = scale.skills.position["math.proof"]
    (work_done,) = learning.works(maker.outcomes)

    def row(mean):
        known = np.zeros(len(scale.skills.ids))
        known[at] = mean
        return told(Belief(known, (1.0 - FIT**2) * np.eye(len(known))))

    def told(before):
        seen = learning.evidence_of(maker.outcomes, scale, before)
        return seen.value[0], seen.variance[0] - FIT**2 - learning.REVIEWERS**2 / 3

    x, mean, variance = np.linspace(-8, 12, 20_001), 2.0, 1.0
    passed, kept = ndtr(x - 1.5), ndtr(x - 0.5)
    labels = agreeing(slips(np.full(3, SLIP)))
    likely = labels[2, 2] * passed + labels[1, 2] * (kept - passed)
    weight = likely ** work_done.tally[2] * np.exp(-((x - mean) ** 2) / (2 * variance))
    exact = float(weight @ x / weight.sum())
    errors = {}
    for centre in (mean, 0.0):
        value, noise = row(centre)
        errors[centre] = abs((mean / variance + value / noise) / (1 / variance + 1 / noise) - exact)
    assert errors[mean] < 0.01  # only the grid's step of 0.04 is between them
    assert errors[0.0] > 10 * errors[mean]
    vetted = solve(scale.population, evidence.gather(maker.sittings, maker.certificates, [], scale, NOON))
    used = evidence.gather(maker.sittings, maker.certificates, [], scale, NOON, outcomes=maker.outcomes)
    assert used.value[-1] == pytest.approx(told(vetted.belief)[0])


def test_queues_learn_their_minutes_people_their_pace_and_a_new_queue_takes_after_its_kind(db, people):
    where = program(db, queue(kind="sft"), queue("New", kind="sft"), queue("Else", kind="other"))
    assert learning.lessons(db, where, programs.queues_of(where)).minutes == pytest.approx([1, 1, 1])
    for number in range(40):
        maker, *judges = people[number % 4 :] + people[: number % 4]
        made(db, where, maker, judges, ["pass"] * 3, minutes=90.0 if maker is people[0] else 60.0)
    seen = learning.lessons(db, where, programs.queues_of(where))
    assert seen.minutes[0] == pytest.approx(2.0, rel=0.15)
    assert 1.2 < seen.minutes[1] < seen.minutes[0]
    assert seen.minutes[2] == pytest.approx(1.0)
    assert seen.minutes_sd[0] < seen.minutes_sd[1] < seen.minutes_sd[2]
    factor, variance = seen.paces(people)
    assert factor[0] > 1.2
    assert max(factor[1:]) < 1.0
    assert (variance < learning.PACE**2).all()
    db.expire_all()
    setting = scene.scene(db, where, NOON)
    row = setting.pool.axis.position[str(people[0].id)]
    assert setting.pool.pace[row] == pytest.approx(setting.tested[row] * factor[0])


def test_what_outcomes_taught_is_not_forgotten_because_forecasts_hold_it_by_then():
    """A queue takes twice the minutes and is .5 harder; forecasts learn it. The estimate stays there, and narrows."""
    rng = np.random.default_rng(5)
    told, lesson = [], learning.taught([[]], ["other"])
    for _ in range(12):
        factor, shift = float(lesson.minutes[0]), float(lesson.shift[0])
        for person in range(10):
            x = rng.normal(0.8, 0.3)
            told.append(
                learning.Settled(
                    NOON, float(ndtr(x - shift)), bool(rng.random() < ndtr(x - 0.5)), 30.0 * factor,
                    60.0 * float(np.exp(rng.normal(0.0, 0.3))), person, factor, shift,
                )
            )  # fmt: skip
        lesson = learning.taught([told], ["other"])
    assert lesson.minutes[0] == pytest.approx(2.0, rel=0.1)
    assert lesson.shift[0] == pytest.approx(0.5, abs=2.5 * lesson.shift_sd[0])
    assert lesson.shift[0] > 0.25


# -- forecasts, drift, checkpoints ---------------------------------------------------------------------


def told(predicted, accepted):
    return [learning.Settled(NOON, p, bool(a), 30.0, 30.0) for p, a in zip(predicted, accepted, strict=True)]


def test_a_drift_is_flagged_when_work_falls_below_its_forecast_and_hardly_ever_otherwise(rng):
    p = rng.uniform(0.5, 0.95, size=(2000, 50))
    as_forecast = rng.random(p.shape) < p
    false_alarms = np.mean([progress.drift(told(*pair)) < -progress.DRIFT for pair in zip(p, as_forecast, strict=True)])
    assert false_alarms < 0.015  # 1 in 200, with room for the discreteness of counts
    worse = rng.random(p[:200].shape) < p[:200] - 0.3
    assert np.mean([progress.drift(told(*pair)) < -progress.DRIFT for pair in zip(p, worse, strict=False)]) > 0.9
    assert progress.forecast(told(p[0], np.zeros(50)))["drifts"]
    assert progress.drift(told(p[0, :5], as_forecast[0, :5])) is None


def test_a_measure_that_stops_rising_advises_to_stop_within_one_checkpoint():
    form = QueueForm.model_validate(queue())
    agreed = progress.Estimate(0.9, 0.02, 0.85, 0.95, 60)
    steady = {"drifts": False, "drift": 0.0}
    rising, flat = [10.0, 14.0, 17.0, 19.0], [10.0, 14.0, 16.0, 16.1]
    assert progress.advise(form, agreed, steady, rising)[0] == "scale"
    assert progress.advise(form, agreed, steady, flat[:3])[0] == "scale"
    assert progress.advise(form, agreed, steady, flat)[0] == "stop"
    low = progress.Estimate(0.7, 0.1, 0.5, 0.9, 60)
    assert progress.advise(form, low, steady, [])[0] == "change"
    assert progress.advise(form, agreed, {"drifts": True, "drift": -3.0}, [])[0] == "change"


def test_nothing_seen_advises_to_wait_and_says_nothing_of_agreement():
    form, nobody = QueueForm.model_validate(queue()), progress.Estimate(np.nan, np.nan, np.nan, np.nan, 0)
    assert progress.advise(form, nobody, progress.forecast([]), [])[0] == "wait"
    agreed = progress.Estimate(0.9, 0.02, 0.85, 0.95, 60)
    assert progress.advise(form, agreed, progress.forecast([]), []) == ("scale", ["People agree."])


def test_a_checkpoint_is_kept_once_when_its_count_is_reached(db, people):
    where = program(db, queue(units=200, checkpoint=10))
    (form,) = programs.queues_of(where)
    maker, *judges = people
    for number in range(1, 22):
        made(db, where, maker, judges, ["pass"] * 3)
        progress.mark(db, where, form, NOON + timedelta(minutes=number))
    points = progress.checkpoints(db, where, form.name)
    assert [point.units for point in points] == [10, 20]
    assert points[0].body["forecast"]["units"] == 10
    assert points[1].body["advice"] == "scale"
    assert progress.mark(db, where, form, NOON) is None


# -- what is delivered ---------------------------------------------------------------------------------


@pytest.fixture
def delivered(db, bank, people):
    """Ten units all agree on, one disputed and decided, one in dispute."""
    where = program(db, queue(reviews=3, pilot=50))
    maker, *judges = people
    for _ in range(10):
        made(db, where, maker, judges, ["pass"] * 3)
    decided = made(db, where, maker, judges[:2], ["pass", "pass"])
    offer = Offer(at=NOON, unit=decided, applicant=judges[2], task="review", why={})
    db.add(offer)
    db.flush()
    work.reply(db, offer, NOON, taken=True)
    do(db, offer, NOON, verdict="reject", errors=["major content"], wrong_steps=[2])
    third = Offer(at=NOON, unit=decided, applicant=team(db, bank, ["Third"])[0], task="resolve", why={})
    db.add(third)
    db.flush()
    work.reply(db, third, NOON, taken=True)
    do(db, third, NOON, verdict="pass", edge_case="Empty products count as one.")
    made(db, where, maker, judges, ["pass", "reject", "pass"], errors=["minor content"])
    db.expire_all()
    return where


def test_the_export_holds_every_label_beside_what_holds_and_its_filter_reproduces_counts(db, delivered):
    rows = list(delivery.export(db, delivered, NOON))
    assert len(rows) == 11
    (third,) = [row for row in rows if row["settled"] == "adjudicated"]
    assert third["label"] == "pass"
    assert third["distribution"] == {"pass": 3, "reject": 1}
    assert {row["settled"] for row in rows} == {"agreed", "adjudicated"}
    sure = sorted(row["confidence"] for row in rows)
    assert min(sure) > 0.9  # everybody here is right nearly always
    for least in (0.5, sure[3], sure[8], 1.0):
        assert len(list(delivery.export(db, delivered, NOON, least=least))) == sum(one >= least for one in sure)
    assert len(list(delivery.export(db, delivered, NOON, unfinished=True))) == 12
    assert [json.loads(line) for line in delivery.as_jsonl(rows)] == rows
    table = list(csv.DictReader(delivery.as_csv(rows)))
    assert [json.loads(row["distribution"]) for row in table] == [row["distribution"] for row in rows]


def test_no_cell_of_a_table_is_a_formula():
    assert cell("=1+1") == "'=1+1"
    assert cell("plain") == "plain"


def test_steps_say_how_they_were_judged(db, people):
    where = program(db, queue(reviews=3))
    maker, *judges = people
    unit = made(db, where, maker, judges[:2], ["pass", "pass"], text="1. one\n2. two")
    offer = Offer(at=NOON, unit=unit, applicant=judges[2], task="review", why={})
    db.add(offer)
    db.flush()
    work.reply(db, offer, NOON, taken=True)
    do(db, offer, NOON, verdict="send_back", wrong_steps=[2])
    status = [step["status"] for step in chains.step_status(unit.submissions[0])]
    assert status == ["right", "disputed"]


def test_the_report_reconciles_with_the_records_and_its_digest_tells_a_change(db, delivered):
    seen = delivery.report(db, delivered, NOON)
    (one,) = seen["queues"]
    assert one["states"] == {"accepted": 11, "disputed": 1}
    assert one["settled"] == {"agreed": 10, "adjudicated": 1}
    assert seen["disputes"] == {"opened": 2, "open": 1}
    assert seen["edge_cases"] == ["Empty products count as one."]
    assert any("1 disputes are open" in said for said in seen["open_checks"])
    agreed = gate.gate(db, delivered, programs.queues_of(delivered)[0]).agreement
    assert one["agreement"]["gwet"]["value"] == pytest.approx(agreed.value)
    assert delivery.digest(seen) == seen["digest"]
    assert delivery.digest(seen | {"program": "Another"}) != seen["digest"]
    json.dumps(seen, allow_nan=False)


def test_the_log_of_disputes_says_who_decided_and_why_and_that_they_were_no_party(db, delivered):
    decided, waiting = delivery.adjudications(db, delivered)
    assert decided["verdict"] == "pass"
    assert decided["because"] == "third look"
    assert decided["decided_by"] not in {side["by"] for side in decided["verdicts"]} | {decided["maker"]}
    assert waiting["decided"] is None
