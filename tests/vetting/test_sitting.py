"""One way through one test: begun once, each question once, each answer once, and everything else has no effect."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import func, select

from item_bank.schema import UnreadableResponseError
from tests.conftest import NOON
from tests.item_bank.responses import right
from tests.vetting.story import MATHS, begin, go, role, role_form, say
from vetting import scale as scales
from vetting.records import Answer, Applicant, Ending, Grade, Pause, Question, Sitting
from vetting.sittings import aim as aims
from vetting.sittings import choice, exposure, sitting

MINUTE = timedelta(minutes=1)


def count(db, kind):
    return db.scalar(select(func.count(kind.id)))


def start(db, invited, name="Ada", now=NOON):
    return sitting.begin(db, invited, name=name, extra_time=1.0, demand={}, now=now, rng=np.random.default_rng(1))


# -- invitations -----------------------------------------------------------------------------------


def test_an_expired_invitation_lets_nobody_in(db):
    invited = sitting.invite(db, role(db), now=NOON, days=1)
    start(db, sitting.invite(db, role(db), now=NOON, days=1), now=NOON + timedelta(hours=23))
    with pytest.raises(sitting.ClosedError, match=r"ended on 03 March 2026\. Maybe"):
        start(db, invited, now=NOON + timedelta(days=1))
    assert count(db, Sitting) == 1


def test_an_invitation_is_used_as_often_as_it_says_and_no_more(db):
    invited = sitting.invite(db, role(db), now=NOON, uses=2)
    seats = [start(db, invited, name) for name in ("Ada", "Bea")]
    assert [seat.seat for seat in seats] == [1, 2]
    with pytest.raises(sitting.ClosedError, match=r"has been used\. Maybe"):
        start(db, invited, "Cleo")
    assert count(db, Applicant) == 2


@pytest.mark.parametrize(("uses", "days"), [(0, 14), (10_001, 14), (1, 0), (1, -1), (1, 400)])
def test_an_invitation_for_nobody_or_for_ever_is_refused(db, uses, days):
    with pytest.raises(ValueError, match=f"{uses} uses for {days} days"):
        sitting.invite(db, role(db), now=NOON, uses=uses, days=days)


# -- asking and answering --------------------------------------------------------------------------


def test_the_same_question_waits_until_it_is_answered(db, bank):
    seat = begin(db)
    first = sitting.next_step(db, seat, bank, NOON)
    assert sitting.next_step(db, seat, bank, NOON + MINUTE) is first
    say(db, seat, first, bank, NOON + MINUTE)
    assert sitting.next_step(db, seat, bank, NOON + MINUTE).number == 2
    assert count(db, Question) == 2


def test_an_answer_is_kept_word_for_word_and_graded_by_the_key(db, bank):
    seat = begin(db)
    question = sitting.next_step(db, seat, bank, NOON)
    kept = say(db, seat, question, bank, NOON + MINUTE)
    item = bank.items[question.item_id]
    assert kept.response == right(item)
    assert kept.seconds == 60
    assert [(grade.rater, grade.level) for grade in kept.grades] == [("key", item.levels - 1)]


def test_the_same_request_twice_has_one_effect(db, bank):
    seat = begin(db)
    question = sitting.next_step(db, seat, bank, NOON)
    kept = [say(db, seat, question, bank, NOON + n * MINUTE, request_id="same") for n in (1, 2)]
    assert kept[0] is kept[1]
    assert (count(db, Answer), count(db, Grade)) == (1, 1)


def test_another_answer_to_an_answered_question_changes_nothing(db, bank):
    seat = begin(db)
    question = sitting.next_step(db, seat, bank, NOON)
    first = say(db, seat, question, bank, NOON + MINUTE, is_right=False, request_id="one")
    second = say(db, seat, question, bank, NOON + MINUTE, is_right=True, request_id="two")
    assert second is first
    assert [grade.level for grade in first.grades] == [bank.items[question.item_id].score(first.response)]
    assert count(db, Answer) == 1


def test_a_response_that_cannot_be_read_keeps_nothing_and_can_be_mended(db, bank):
    seat = begin(db)
    question = sitting.next_step(db, seat, bank, NOON)
    with pytest.raises(UnreadableResponseError):
        sitting.answer(db, seat, question, {}, request_id="one", bank=bank, now=NOON)
    assert (count(db, Answer), count(db, Grade)) == (0, 0)
    assert say(db, seat, question, bank, NOON + MINUTE, request_id="one").grades[0].level > 0


def test_a_skipped_question_counts_as_not_solved(db, bank):
    skipped, failed = (begin(db, name=name) for name in ("Ada", "Bea"))
    question = sitting.next_step(db, skipped, bank, NOON)
    kept = sitting.answer(db, skipped, question, None, request_id="one", bank=bank, now=NOON + MINUTE)
    other = sitting.next_step(db, failed, bank, NOON)
    say(db, failed, other, bank, NOON + MINUTE, is_right=False)
    assert (kept.response, kept.grades[0].level, kept.grades[0].because) == ({}, 0, "skipped")
    looks = [choice.look(seat, scales.of(seat.calibration), bank).posterior.mean for seat in (skipped, failed)]
    assert np.array_equal(*looks)


def test_an_ended_sitting_takes_no_answer_and_asks_no_question(db, bank):
    seat = begin(db)
    question = sitting.next_step(db, seat, bank, NOON)
    ending = sitting.end(db, seat, "the applicant's wish", NOON)
    assert sitting.end(db, seat, "another reason", NOON + MINUTE) is ending
    with pytest.raises(sitting.ClosedError, match="has ended"):
        say(db, seat, question, bank, NOON)
    assert sitting.next_step(db, seat, bank, NOON) is ending
    assert (count(db, Ending), count(db, Answer)) == (1, 0)


def test_every_sitting_ends_with_a_reason(db, bank):
    seat = begin(db, role_form("math.algebra", minutes=8))
    go(db, seat, bank)
    assert seat.ending.reason
    assert all(question.answer for question in seat.questions)


def test_a_sitting_for_whom_the_bars_are_decided_ends_early_but_on_no_handful(db, bank):
    form = role_form("math.algebra", "math.proof", minutes=60, stop_when_decided=True)
    sure = form.model_copy(update={"skills": {k: v.model_copy(update={"bar": -3.0}) for k, v in form.skills.items()}})
    seat = begin(db, sure)
    asked = go(db, seat, bank, minutes=3.0)
    assert seat.ending.reason == "decided"
    assert len(asked) >= choice.DECIDED_FROM
    assert 3.0 * len(asked) >= sure.minutes / 3


# -- pauses ----------------------------------------------------------------------------------------


def test_the_clock_stops_while_the_applicant_is_away(db, bank):
    seat = begin(db)
    question = sitting.next_step(db, seat, bank, NOON)
    sitting.pause(db, seat, away=True, now=NOON + 1 * MINUTE)
    assert sitting.paused(seat)
    sitting.pause(db, seat, away=False, now=NOON + 61 * MINUTE)
    sitting.pause(db, seat, away=True, now=NOON + 62 * MINUTE)
    kept = say(db, seat, question, bank, NOON + 90 * MINUTE)
    assert kept.seconds == 120


def test_pausing_or_coming_back_twice_is_doing_it_once(db, bank):
    seat = begin(db)
    question = sitting.next_step(db, seat, bank, NOON)
    for away, at in ((False, 0), (True, 1), (True, 2), (False, 3), (False, 4)):
        sitting.pause(db, seat, away=away, now=NOON + at * MINUTE)
    assert count(db, Pause) == 2
    assert say(db, seat, question, bank, NOON + 5 * MINUTE).seconds == 180


def test_a_pause_before_a_question_does_not_shorten_it(db, bank):
    seat = begin(db)
    sitting.pause(db, seat, away=True, now=NOON)
    sitting.pause(db, seat, away=False, now=NOON + 10 * MINUTE)
    question = sitting.next_step(db, seat, bank, NOON + 10 * MINUTE)
    assert say(db, seat, question, bank, NOON + 12 * MINUTE).seconds == 120


def test_a_night_away_does_not_use_up_the_minutes(db, bank):
    seat = begin(db)
    question = sitting.next_step(db, seat, bank, NOON)
    say(db, seat, question, bank, NOON + timedelta(hours=12))
    scale = scales.of(seat.calibration)
    spent = choice.look(seat, scale, bank).minutes
    expected = np.exp(scale.intensity[scale.items.position[question.item_id]])
    assert spent == pytest.approx(choice.LONGEST_ABSENCE * expected)


# -- which questions -------------------------------------------------------------------------------


def test_no_item_is_asked_twice_not_even_in_a_further_sitting(db, bank):
    first = begin(db, role_form("math.algebra", minutes=10))
    before = go(db, first, bank)
    further = begin(db, applicant=first.applicant, focus=("math.algebra",), now=NOON + timedelta(days=1))
    after = go(db, further, bank)
    assert before
    assert after
    assert len({*before, *after}) == len(before) + len(after)


def test_a_further_sitting_is_short_and_about_its_skills_alone(db, bank):
    first = begin(db)
    go(db, first, bank, most=6)
    further = begin(db, applicant=first.applicant, focus=("math.proof",), now=NOON + timedelta(days=1))
    asked = go(db, further, bank)
    assert further.applicant is first.applicant
    assert all("math.proof" in bank.items[key].skills for key in asked)
    assert further.aim["minutes"] == aims.FEW_MINUTES


@pytest.mark.parametrize("kinship", ["family", "enemies"])
def test_kin_and_enemies_are_never_both_asked(db, bank, kinship):
    """Of the items on algebra, every one is related to the first that would be asked."""
    skill = "math.algebra"
    those = [key for key, item in bank.items.items() if set(item.skills) == {skill}]
    seats = [begin(db, role_form(skill)) for _ in range(2)]  # both begin on a fresh bank
    first = sitting.next_step(db, seats[0], bank, NOON).item_id
    change = {"family": "sums"} if kinship == "family" else {"enemies": (first,)}
    related = {key: bank.items[key].model_copy(update=change) for key in those if key != first or kinship == "family"}
    asked = go(db, seats[1], replace(bank, items={**bank.items, **related}))
    assert asked[0] == first
    assert len(set(asked) & set(those)) == 1


def test_an_enemy_named_on_one_side_only_is_an_enemy(db, bank):
    skill = "math.algebra"
    seats = [begin(db, role_form(skill)) for _ in range(2)]  # both begin on a fresh bank
    first, second = go(db, seats[0], bank, most=2)
    one_sided = bank.items[first].model_copy(update={"enemies": (second,)})
    asked = go(db, seats[1], replace(bank, items={**bank.items, first: one_sided}))
    assert asked[0] == first
    assert second not in asked


def test_only_items_that_look_at_a_wanted_skill_are_asked(db, bank):
    skills = ("society.law", "language.german")
    asked = go(db, begin(db, role_form(*skills)), bank)
    assert len(asked) > 4
    assert all(set(bank.items[key].skills) & set(skills) for key in asked)


def test_a_skill_without_weight_is_not_asked_about(db, bank):
    form = role_form("society.law")
    form = form.model_copy(
        update={
            "skills": {
                **form.skills,
                "society.economics": form.skills["society.law"].model_copy(update={"weight": 0.0}),
            }
        }
    )
    asked = go(db, begin(db, form), bank)
    assert all("society.law" in bank.items[key].skills for key in asked)


def share(asked, skill, bank):
    return sum(skill in bank.items[key].skills for key in asked) / len(asked)


def test_demand_moves_questions_towards_what_is_short(db, bank):
    form = role_form(*MATHS, "craft.claim_checking", follow_demand=0.6)
    seats = [begin(db, form, demand=demand) for demand in ({}, {"craft.claim_checking": 1.0})]
    plain, moved = (go(db, seat, bank, most=10) for seat in seats)
    assert share(moved, "craft.claim_checking", bank) > share(plain, "craft.claim_checking", bank)


def test_demand_moves_no_more_than_the_share_the_role_allows(db):
    scale = scales.of(scales.latest(db))
    form = role_form(*MATHS, follow_demand=0.25)
    aim = aims.aim_of(form, {"science.physics": 0.6, "math.proof": 0.4}, scale)
    assert sum(aim["weight"].values()) == pytest.approx(1)
    assert aim["weight"]["science.physics"] == pytest.approx(0.25 * 0.6)
    assert aim["weight"]["math.algebra"] == pytest.approx(0.75 / 3)
    unmoved = aims.aim_of(form.model_copy(update={"follow_demand": 0.0}), {"science.physics": 1.0}, scale)
    assert unmoved["weight"].get("science.physics", 0.0) == 0.0


def test_a_role_that_follows_no_demand_asks_what_it_would_have_asked(db, bank):
    form = role_form(*MATHS, follow_demand=0.0)
    seats = [begin(db, form, demand=demand) for demand in ({}, {"math.proof": 1.0})]  # both begin on a fresh bank
    one, two = (go(db, seat, bank, most=6) for seat in seats)
    assert one == two


def test_extra_time_gives_more_minutes_and_the_same_questions(db, bank):
    form = role_form("math.algebra", "math.proof", minutes=12)
    seats = [begin(db, form, extra_time=factor) for factor in (1.0, 2.0)]  # both begin on a fresh bank
    usual, longer = (go(db, seat, bank, minutes=1.5) for seat in seats)
    assert len(longer) > len(usual)
    assert longer[: len(usual)] == usual


def test_the_minutes_of_a_sitting_are_kept_to(db, bank):
    for minutes in (6.0, 15.0):
        seat = begin(db, role_form("science.physics", "science.chemistry", minutes=minutes))
        asked = go(db, seat, bank, minutes=1.0)
        scale = scales.of(seat.calibration)
        longest = float(np.exp(scale.intensity).max())
        assert minutes / 3 <= len(asked) <= minutes + longest


def test_why_a_question_was_asked_is_on_record(db, bank):
    seat = begin(db)
    go(db, seat, bank, most=3)
    for question in seat.questions:
        why = question.why
        assert why["gain"] > 0
        assert why["minutes"] > 0
        assert set(why["skills"]) <= set(bank.tree.skills)
        rates = [why["gain"] / why["cost"], *(one["gain"] / one["cost"] for one in why["runners_up"])]
        assert rates == sorted(rates, reverse=True)


# -- exposure --------------------------------------------------------------------------------------


def test_no_item_is_shown_to_more_people_than_the_limit(db, bank):
    """Everybody would be asked the same first questions; the limit holds in the long run, with one draw a sitting."""
    people, form = 80, role_form("math.algebra", minutes=3)
    seen = [go(db, begin(db, form, seed=person), bank, most=2) for person in range(people)]
    most = max(sum(key in asked for asked in seen) for key in {key for asked in seen for key in asked})
    assert most / people <= exposure.EXPOSURE + 1 / people


def test_a_bank_too_small_for_its_secrets_still_gives_a_whole_sitting(db, bank):
    """Eight items on a skill and a long test: the limit gives way before the test does."""
    form = role_form("language.german", minutes=30)
    for person in range(4):
        seat = begin(db, form, seed=person)
        german = [key for key, item in bank.items.items() if "language.german" in item.skills]
        assert set(german).isdisjoint(seat.closed_items)
        go(db, seat, bank, most=8)


def test_which_items_are_closed_is_settled_when_a_sitting_begins(db, bank):
    form = role_form("math.algebra", minutes=3)
    favourite = go(db, begin(db, form), bank, most=1)[0]
    seat = begin(db, form)
    assert favourite in seat.closed_items
    assert favourite not in go(db, seat, bank, most=5)


def test_a_favourite_comes_to_cost_more_than_its_minutes_and_the_forgotten_less(db, bank, monkeypatch):
    monkeypatch.setattr(exposure, "FLOOR", 0.1)
    form = role_form("math.algebra", "math.proof", minutes=3)
    for person in range(12):
        go(db, begin(db, form, seed=person), bank, most=3)
    seat = begin(db, form)
    scale, costs = scales.of(seat.calibration), seat.aim["tolls"]
    log = exposure.lately(db, scale, exposure.items(scale))
    shown = dict(zip(scale.items.ids, log.shown.sum(0), strict=True))
    was_open = dict(zip(scale.items.ids, log.was_open.sum(0), strict=True))
    dearest, cheapest = max(costs, key=costs.get), min(costs, key=costs.get)
    assert costs[dearest] > 0 > costs[cheapest]
    assert was_open[dearest] < 12  # the limit has closed it to some: they say nothing about who wants it
    assert shown[dearest] > exposure.OFF * exposure.EXPOSURE * was_open[dearest]
    assert shown[cheapest] == 0
    elsewhere = [key for key in costs if not set(bank.items[key].skills) & {"math.algebra", "math.proof"}]
    assert elsewhere == []
    go(db, seat, bank, most=4)
    assert any(question.why["cost"] != pytest.approx(question.why["minutes"]) for question in seat.questions)
    again = list(choice.replay(seat, scale, bank))
    assert [chosen.why for _, chosen in again] == [question.why for question, _ in again]
