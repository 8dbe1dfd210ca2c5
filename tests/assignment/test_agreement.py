from dataclasses import replace

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assignment.agreement import (
    Labels,
    alpha,
    by_category,
    cohen,
    disagreement,
    fleiss,
    gwet,
    interval,
    linear_credit,
    nominal,
    ordinal,
    over_time,
    percent,
    quadratic_credit,
    ratio,
    retest,
    scott,
)
from assignment.raters import dawid_skene

NOT = np.nan
FOUR_CODERS = np.array([  # Krippendorff (2019), four observers and twelve units with gaps
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NOT, NOT, NOT],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NOT, 3],
    [NOT, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NOT],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NOT],
])  # fmt: skip
FOURTEEN_RATERS = np.array([  # Fleiss, Levin & Paik: ten subjects, five categories, fourteen raters; counts
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
])  # fmt: skip
ANAESTHETISTS = (  # Dawid & Skene (1979), table 1: 45 patients, the first anaesthetist three times, then four others
    "1111111 3334334 1122122 2223121 2223222 2223322 1122111 3333433 2222223 2322223 4444444 2223343 1111111 2223212 "
    "1211111 1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111 2322222 1111111 "
    "1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343 2212232 2323233 3333432 1111111 1111111 1212111 "
    "2322222 1211111 2222222"
)


def from_table(table, categories):
    """Labels of a (raters, units) table with gaps; categories count from 1."""
    rater, unit = np.nonzero(~np.isnan(table))
    return Labels(unit, rater, (table[rater, unit] - 1).astype(np.intp), categories)


def from_counts(counts):
    unit, category = (np.repeat(part, counts[counts > 0]) for part in np.nonzero(counts))
    return Labels(unit, np.arange(len(unit)), category, counts.shape[1])


def test_published_examples_are_reproduced():
    labels = from_table(FOUR_CODERS, 5)
    assert alpha(labels, nominal(5)).analytic().value == pytest.approx(0.743421052631579, abs=1e-12)
    assert alpha(labels, ordinal).analytic().value == pytest.approx(0.815, abs=5e-4)
    assert alpha(labels, interval(np.arange(5.0))).analytic().value == pytest.approx(0.849, abs=5e-4)
    assert gwet(labels).analytic().value == pytest.approx(0.77544, abs=5e-6)  # Gwet (2014)
    assert fleiss(labels).analytic().value == pytest.approx(0.76117, abs=5e-6)
    assert fleiss(from_counts(FOURTEEN_RATERS)).analytic().value == pytest.approx(0.210, abs=5e-4)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["nominal", "ordinal", "interval", "ratio"]))
def test_alpha_equals_the_reference_implementation(seed, level):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 6))
    table = np.where(rng.random((4, 12)) < 0.3, NOT, rng.integers(1, k + 1, (4, 12)))
    truth = rng.integers(1, k + 1, 12)
    table = np.where((rng.random((4, 12)) < 0.5) & ~np.isnan(table), truth, table)
    paired = table[:, (~np.isnan(table)).sum(axis=0) >= 2]
    if len(np.unique(paired[~np.isnan(paired)])) < 2:
        return
    distance = {"nominal": nominal(k), "ordinal": ordinal, "interval": interval(np.arange(1.0, k + 1)),
                "ratio": ratio(np.arange(1.0, k + 1))}[level]  # fmt: skip
    expected = krippendorff.alpha(
        reliability_data=table, level_of_measurement=level, value_domain=np.arange(1.0, k + 1)
    )

    assert alpha(from_table(table, k), distance).analytic().value == pytest.approx(expected, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_for_two_raters_kappas_are_what_their_formulas_say_by_hand(seed):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 3, 30)
    b = np.where(rng.random(30) < 0.6, a, rng.integers(0, 3, 30))
    labels = Labels(np.tile(np.arange(30), 2), np.repeat([0, 1], 30), np.concatenate([a, b]), 3)
    joint = np.zeros((3, 3))
    np.add.at(joint, (a, b), 1 / 30)
    p, q = joint.sum(axis=1), joint.sum(axis=0)
    both = (p + q) / 2

    def kappa(credit):
        return ((credit * joint).sum() - p @ credit @ q) / (1 - p @ credit @ q)

    agree = np.trace(joint)
    assert cohen(labels, 0, 1).analytic().value == pytest.approx(kappa(np.eye(3)))
    for credit in (linear_credit(3), quadratic_credit(3)):
        assert cohen(labels, 0, 1, credit).analytic().value == pytest.approx(kappa(credit))
    assert fleiss(labels).analytic().value == pytest.approx((agree - both @ both) / (1 - both @ both))
    chance = (both * (1 - both)).sum() / 2
    assert gwet(labels).analytic().value == pytest.approx((agree - chance) / (1 - chance))


def test_cohens_standard_error_is_that_of_the_large_sample_formula():
    rng = np.random.default_rng(3)
    a = rng.integers(0, 3, 4000)
    b = np.where(rng.random(4000) < 0.5, a, rng.integers(0, 3, 4000))
    labels = Labels(np.tile(np.arange(4000), 2), np.repeat([0, 1], 4000), np.concatenate([a, b]), 3)
    joint = np.zeros((3, 3))
    np.add.at(joint, (a, b), 1 / 4000)
    p, q, agree = joint.sum(axis=1), joint.sum(axis=0), np.trace(joint)
    chance = p @ q
    kappa = (agree - chance) / (1 - chance)
    # Fleiss, Cohen & Everitt (1969)
    right = (np.diag(joint) * (1 - (p + q) * (1 - kappa)) ** 2).sum()
    wrong = (1 - kappa) ** 2 * ((joint * (q[:, None] + p[None, :]) ** 2).sum() - (np.diag(joint) * (p + q) ** 2).sum())
    variance = (right + wrong - (kappa - chance * (1 - kappa)) ** 2) / (4000 * (1 - chance) ** 2)

    assert cohen(labels, 0, 1).analytic().se == pytest.approx(np.sqrt(variance), rel=1e-3)


@pytest.mark.parametrize("coefficient", [fleiss, gwet, lambda labels: alpha(labels, nominal(3))])
def test_intervals_hold_the_truth_nineteen_times_in_twenty(coefficient):
    rng = np.random.default_rng(5)

    def draw(units):
        truth = rng.choice(3, units, p=[0.5, 0.3, 0.2])
        seen = np.where(rng.random((4, units)) < 0.7, truth, rng.choice(3, (4, units), p=[0.5, 0.3, 0.2]))
        return from_table(np.where(rng.random((4, units)) < 0.1, NOT, seen + 1.0), 3)

    truth = coefficient(draw(200_000)).analytic().value
    found = [coefficient(draw(60)) for _ in range(400)]
    inside = np.mean([s.analytic().low <= truth <= s.analytic().high for s in found])
    assert inside == pytest.approx(0.95, abs=0.035)  # three standard errors of 400 draws
    drawn = [s.bootstrap(rng, draws=300) for s in found[:100]]
    assert np.mean([b.low <= truth <= b.high for b in drawn]) >= 0.87
    assert np.mean([b.se for b in drawn]) == pytest.approx(np.mean([s.analytic().se for s in found]), rel=0.1)


def test_one_category_everywhere_says_nothing_for_kappa_and_nothing_breaks():
    labels = from_table(np.ones((3, 5)), 2)
    assert np.isnan(fleiss(labels).analytic().value)
    assert gwet(labels).analytic().value == pytest.approx(1.0)
    assert not fleiss(labels).analytic().clears(0.6)


def test_each_category_and_each_window_has_its_own_estimate():
    labels = from_table(FOUR_CODERS, 5)
    each = by_category(labels, fleiss)
    assert len(each) == 5
    assert each[4].value == pytest.approx(1.0)  # all who saw the fifth agreed
    windows = over_time(labels, labels.unit.astype(float), np.array([0.0, 6.0, 12.0]), fleiss)
    assert [window.units for window in windows] == [6, 6]
    assert windows[1].value > windows[0].value


def test_a_gate_opens_by_the_lower_bound_only():
    pilot = fleiss(from_table(FOUR_CODERS, 5)).analytic()
    assert pilot.value > 0.7
    assert not pilot.clears(0.7)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"category": np.array([0, 5])}, "Maybe they count from 1"),
        ({"category": np.array([0, -1])}, "Maybe a missing value was coded as -1"),
        ({"rater": np.array([0])}, "Maybe a column was left out"),
    ],
)
def test_wrong_labels_are_named(change, words):
    labels = Labels(np.array([0, 0]), np.array([0, 1]), np.array([0, 1]), 2)
    with pytest.raises(ValueError, match=words):
        replace(labels, **change)


def test_a_rater_who_labels_a_unit_twice_is_no_pair():
    labels = Labels(np.array([0, 0, 0]), np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    with pytest.raises(ValueError, match="labelled a unit twice"):
        cohen(labels, 0, 1)


def test_dawid_and_skene_find_the_prevalences_they_printed():
    columns = [0, 0, 0, 1, 2, 3, 4]
    grades = [[int(grade) - 1 for grade in patient] for patient in ANAESTHETISTS.split()]
    unit, column = np.indices((45, 7)).reshape(2, -1)
    raters = dawid_skene(Labels(unit, np.array(columns)[column], np.array(grades).ravel(), 4))

    assert raters.prevalence.round(2).tolist() == [0.40, 0.42, 0.11, 0.07]
    assert raters.confusion.sum(axis=2) == pytest.approx(np.ones((5, 4)))


def test_noisy_raters_and_ambiguous_units_are_told_apart():
    rng = np.random.default_rng(11)
    truth = rng.integers(0, 3, 600)
    skill = np.array([0.95, 0.9, 0.85, 0.8, 0.4])
    seen = np.where(rng.random((5, 600)) < skill[:, None], truth, rng.integers(0, 3, (5, 600)))
    seen[:, :60] = rng.integers(0, 3, (5, 60))  # units that say nothing
    raters = dawid_skene(from_table(seen + 1.0, 3), steadiness=1.0)

    assert (np.argsort(-raters.accuracy) == np.arange(5)).all()
    assert raters.ambiguity[:60].mean() > 3 * raters.ambiguity[60:].mean()
    plain = from_table(seen + 1.0, 3).counts.argmax(axis=1)
    assert np.mean(raters.posterior.argmax(axis=1)[60:] == truth[60:]) > np.mean(plain[60:] == truth[60:])


SIX_PSYCHIATRISTS = np.array([  # Gwet (2014): fifteen patients, five diagnoses; counts
    [0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0],
    [2, 0, 4, 0, 0], [0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6],
    [1, 0, 0, 5, 0], [1, 1, 0, 4, 0], [0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1],
])  # fmt: skip
FLEISS_1971 = (  # thirty patients, six diagnoses each
    "444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 224445 "
    "333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 133333 555555"
)


def from_crossing(table):
    """Labels of two raters whose labels fall into a (K, K) table."""
    a, b = (np.repeat(part.ravel(), table.ravel()) for part in np.indices(table.shape))
    units = np.tile(np.arange(len(a)), 2)
    return Labels(units, np.repeat([0, 1], len(a)), np.concatenate([a, b]), len(table))


def test_two_abstractors_agree_as_gwet_printed_with_his_standard_errors():
    labels = from_crossing(np.array([[13, 0, 0], [0, 20, 7], [0, 4, 56]]))
    for statistic, value, se in [
        (cohen(labels, 0, 1), 0.7964094, 0.05891072),
        (scott(labels, 0, 1), 0.7962397, 0.05905473),
        (gwet(labels), 0.8493305, 0.04321747),
        (percent(labels), 0.89, 0.03128898),
    ]:
        found = statistic.analytic()
        assert found.value == pytest.approx(value, abs=6e-8)
        assert found.se == pytest.approx(se, rel=0.01)  # he divides by U where we divide by U - 1, or the reverse
    assert alpha(labels, nominal(3)).analytic().value == pytest.approx(0.7972585, abs=6e-8)


def test_six_psychiatrists_agree_as_gwet_printed_with_his_standard_errors():
    labels = from_counts(SIX_PSYCHIATRISTS)
    for statistic, value, se in [(gwet(labels), 0.4448007, 0.08418757), (fleiss(labels), 0.4139265, 0.08119291)]:
        found = statistic.analytic()
        assert found.value == pytest.approx(value, abs=6e-8)
        assert found.se == pytest.approx(se, rel=1e-6)
    assert alpha(labels, nominal(5)).analytic().value == pytest.approx(0.4204384, abs=6e-8)


def test_fleiss_and_weighted_kappa_are_as_printed():
    diagnoses = np.array([[int(c) for c in patient] for patient in FLEISS_1971.split()], float).T
    assert fleiss(from_table(diagnoses, 5)).analytic().value == pytest.approx(0.4302445, abs=6e-8)
    crossing = from_crossing(np.array([[0, 4, 1], [0, 8, 0], [0, 1, 5]]))
    assert cohen(crossing, 0, 1).analytic().value == pytest.approx(0.4842, abs=6e-5)
    assert cohen(crossing, 0, 1, linear_credit(3)).analytic().value == pytest.approx(0.4701, abs=6e-5)
    raw = from_table(FOUR_CODERS, 5)
    assert gwet(raw, linear_credit(5)).analytic().value == pytest.approx(0.859, abs=6e-4)
    assert gwet(raw, quadratic_credit(5)).analytic().value == pytest.approx(0.914, abs=6e-4)


def test_names_of_raters_and_order_of_rows_do_not_matter(rng):
    labels = from_table(FOUR_CODERS, 5)
    order, names = rng.permutation(len(labels.unit)), rng.permutation(4)
    new = rng.permutation(5)
    other = Labels(labels.unit[order], names[labels.rater[order]], new[labels.category[order]], 5)
    for coefficient in (fleiss, gwet, percent, lambda one: alpha(one, nominal(5))):
        assert coefficient(other).analytic().value == pytest.approx(coefficient(labels).analytic().value, abs=1e-12)


def test_perfect_agreement_is_one_and_independent_labels_are_near_zero(rng):
    truth = rng.integers(1, 4, 3000).astype(float)
    same = from_table(np.stack([truth] * 3), 3)
    chance = from_table(rng.integers(1, 4, (3, 3000)).astype(float), 3)
    for coefficient in (
        fleiss, gwet, lambda one: cohen(one, 0, 1), lambda one: scott(one, 0, 1), lambda one: alpha(one, ordinal),
        lambda one: alpha(one, interval(np.arange(3.0))),
    ):  # fmt: skip
        assert coefficient(same).analytic().value == pytest.approx(1.0)
        found = coefficient(chance).analytic()
        assert abs(found.value) < 4 * found.se


def test_accelerated_quantiles_hold_the_truth_at_least_as_often(rng):
    found = fleiss(from_counts(SIX_PSYCHIATRISTS)).bootstrap(rng, accelerated=True)
    assert found.low < found.value < found.high
    assert found.se == pytest.approx(0.0812, rel=0.15)


def test_a_units_disagreement_and_hidden_repeats_are_read_off():
    assert disagreement(from_counts(np.array([[3, 0], [1, 1], [2, 1], [1, 0]]))) == pytest.approx(
        [0, 1, 2 / 3, np.nan], nan_ok=True
    )
    labels = Labels(np.array([0, 1, 0, 0, 1]), np.array([0, 0, 1, 0, 0]), np.array([1, 0, 0, 0, 0]), 2)
    pairs, whose = retest(labels, np.array([1.0, 2.0, 3.0, 9.0, 0.0]))
    assert whose.tolist() == [0, 0]
    assert pairs.category.tolist() == [1, 0, 0, 0]
