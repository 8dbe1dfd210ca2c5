"""What is expected of items comes from a file, and moves the estimates as a prior must."""

from __future__ import annotations

import json

import numpy as np
import pytest

from irt.calibration import calibrate
from irt.design import answers_from_table, design_from_table
from vetting.calibration import item_priors

ITEMS = [f"i{n}" for n in range(12)]


def written(folder, text):
    file = folder / "prior.yaml"
    file.write_text(text)
    return file


def test_families_single_items_and_the_rest_have_their_numbers(tmp_path):
    file = written(
        tmp_path,
        "default: {slope: 1.2}\n"
        "families: {odd: {items: [i1, 'i1?'], slope: 2.0, easiness: -1}}\n"
        "items: {i0: {slope: 1.5, slope_sd: 0.05}}\n",
    )
    found = item_priors.read(file, ITEMS)
    assert np.exp(found.column("log_slope")[[0, 1, 2, 11], 0]) == pytest.approx([1.5, 2.0, 1.2, 2.0])
    assert found.column("threshold")[[0, 1], 0] == pytest.approx([0.0, -1.0])
    assert found.column("estimated")[[0, 1, 2], 0].tolist() == [False, True, True]  # nothing is learnt of one item


def test_json_says_the_same_as_yaml(tmp_path):
    said = {"families": {"all": {"items": ["*"], "slope": 1.7, "learn": False}}}
    yaml = item_priors.read(written(tmp_path, "families: {all: {items: ['*'], slope: 1.7, learn: false}}"), ITEMS)
    assert item_priors.read(written(tmp_path, json.dumps(said)), ITEMS).families == yaml.families


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("default: {slope: 0}", "default.slope"),
        ("default: {slop: 1}", "default.slop"),
        ("families: {a: {items: [i99]}}", "no item is called 'i99'"),
        ("families: {a: {items: []}}", "families.a.items"),
        ("families: {a: {items: [i1]}, b: {items: ['i*']}}", "in families 'a' and 'b'"),
        ("items: {x: {slope: 1}}", "items.x: no such item"),
        ("default: [1", "neither YAML nor JSON"),
        ("", "prior.yaml"),
        ("default: {easiness: .inf}", "default.easiness"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_name_and_place(tmp_path, text, says):
    with pytest.raises(ValueError, match=r"prior\.yaml") as refused:
        item_priors.read(written(tmp_path, text), ITEMS)
    assert says in str(refused.value)


@pytest.fixture(scope="module")
def answered():
    """Few answers: the first six items of the skill are steep, the last six flat."""
    rng = np.random.default_rng(9)
    slope = np.repeat([2.2, 0.7], 6) * np.exp(rng.normal(0, 0.1, 12))
    logit = slope * rng.standard_normal((150, 1)) + rng.normal(0, 0.7, 12)
    level = (rng.random(logit.shape) < 1 / (1 + np.exp(-logit))).astype(int)
    return slope, answers_from_table(level), design_from_table(np.ones((12, 1)))


def test_a_sure_item_stays_where_it_is_expected(tmp_path, answered):
    _, answers, design = answered
    file = written(tmp_path, "items: {i3: {slope: 1.0, slope_sd: 0.001, easiness: 0.5, easiness_sd: 0.001}}")
    fit = calibrate(answers, design, prior=item_priors.read(file, ITEMS))
    assert fit.items.slope[3, 0] == pytest.approx(1.0, abs=0.01)
    assert fit.items.threshold[3, 0] == pytest.approx(0.5, abs=0.01)


def test_families_shrink_towards_their_own_and_are_learnt(tmp_path, answered):
    slope, answers, design = answered
    two = written(
        tmp_path, "families: {steep: {items: [i0, i1, i2, i3, i4, i5]}, flat: {items: [i6, i7, i8, i9, 'i1?']}}"
    )
    by_family = calibrate(answers, design, prior=item_priors.read(two, ITEMS))
    as_one = calibrate(answers, design, prior=item_priors.read(written(tmp_path, "default: {}"), ITEMS))
    steep, flat = by_family.prior.families[1:]
    assert np.exp(steep.log_slope) > 1.5 * np.exp(flat.log_slope)
    off = [np.log(fit.items.slope[:, 0] / slope) for fit in (by_family, as_one)]
    assert np.square(off[0]).mean() < np.square(off[1]).mean()
