"""From tables to a scale and back: simulated truth is recovered, files have the promised form, real data behave."""

import csv
import gzip
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tests.conftest import ROOT
from vetting.calibration import calibrate
from vetting.tables import Item, Responses, TableFaultError, read_items, read_responses

DATA = Path(os.environ.get("ASSAY_DATA", ROOT.parent / "shared" / "data"))
HELD = calibrate.Way(prior=calibrate.HELD)
LSAT7 = {"slopes": [0.988, 1.081, 1.706, 0.765, 0.736], "intercepts": [1.856, 0.808, 1.804, 0.486, 1.855]}


def responses_of(table, items, file="r.csv"):
    """Responses from a (P, I) table, nan where nothing was asked."""
    person, item = np.nonzero(~np.isnan(table))
    score = table[person, item].astype(int)
    people = tuple(f"p{n}" for n in range(len(table)))
    return Responses(people, tuple(items), person, item, score, np.arange(len(score)), Path(file))


@pytest.fixture
def truth(rng):
    """2,000 simulated people, two skills that correlate .6, twelve items on one skill each."""
    theta = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 2000)
    slope, easiness = rng.uniform(0.8, 2.0, 12), rng.normal(0, 0.8, 12)
    skill = np.repeat([0, 1], 6)
    logit = slope * theta[:, skill] + easiness
    table = (rng.random(logit.shape) < 1 / (1 + np.exp(-logit))).astype(float)
    items = {f"i{n}": Item(f"i{n}", ("st"[skill[n]],), 2, 0.0) for n in range(12)}
    return theta, slope, easiness, table, items


def test_what_was_simulated_is_recovered_within_its_standard_errors(truth):
    theta, slope, easiness, table, items = truth
    scale = calibrate.fit(items, responses_of(table, items))
    found = [next(iter(scale.items[key].discrimination.values())) for key in items]
    errors = [next(iter(scale.items[key].se.discrimination.values())) for key in items]
    cuts = [scale.items[key].thresholds[0] for key in items]
    assert np.abs((np.array(found) - slope) / errors).max() < 3.5  # of 12 standard normals
    assert np.abs(np.array(cuts) - easiness).max() < 0.3
    assert scale.prior.covariance[0][1] == pytest.approx(0.6, abs=0.08)
    mean, sd = calibrate.scores(scale, responses_of(table, items))
    z = (theta - mean) / sd
    assert np.mean(np.abs(z) < 1.6449) == pytest.approx(0.90, abs=0.02)


def test_the_file_of_a_scale_has_exactly_the_promised_form(truth):
    *_, table, items = truth
    said = json.loads(
        calibrate.fit(items, responses_of(table[:400], items)).model_dump_json(), parse_constant=pytest.fail
    )
    assert {"skills", "prior", "items", "log_likelihood", "refused"} <= set(said)
    assert said["skills"] == ["s", "t"]
    assert set(said["prior"]) == {"mean", "covariance"}
    assert np.diag(said["prior"]["covariance"]) == pytest.approx(1.0)
    assert set(said["items"]) == set(items)
    for item in said["items"].values():
        assert set(item) >= {"discrimination", "thresholds", "guess", "se"}
        assert set(item["se"]) == {"discrimination", "thresholds", "covariance"}
    assert isinstance(said["log_likelihood"], float)
    assert said["refused"] == []


def test_an_item_that_everybody_solves_is_left_out_with_its_reason(truth):
    *_, table, items = truth
    table = table[:400].copy()
    table[:, 3] = 1
    scale = calibrate.fit(items, responses_of(table, items))
    assert "i3" not in scale.items
    assert [one.what for one in scale.refused] == ["item i3"]
    assert scale.refused[0].why


def test_scores_come_back_the_same_from_a_file(truth):
    *_, table, items = truth
    said = responses_of(table[:300], items)
    scale = calibrate.fit(items, said)
    again = calibrate.ScaleFile.model_validate_json(scale.model_dump_json())
    assert all(
        np.array_equal(*pair) for pair in zip(calibrate.scores(scale, said), calibrate.scores(again, said), strict=True)
    )


def test_somebody_without_answers_is_scored_as_the_population(truth):
    *_, table, items = truth
    table = table[:300].copy()
    scale = calibrate.fit(items, responses_of(table, items))
    table[7] = np.nan
    mean, sd = calibrate.scores(scale, responses_of(table, items))
    assert mean[7] == pytest.approx(scale.prior.mean)
    assert sd[7] == pytest.approx(1.0)


def test_a_score_that_the_scale_does_not_have_is_refused(truth):
    *_, table, items = truth
    table = table[:300].copy()
    scale = calibrate.fit(items, responses_of(table, items))
    table[0, 0] = 2
    with pytest.raises(TableFaultError, match=r"score 2 on item 'i0', but its levels are 0 to 1\. Maybe"):
        calibrate.scores(scale, responses_of(table, items))


@pytest.mark.parametrize(
    "wrong",
    [
        {"prior": {"mean": [0.0], "covariance": [[1.0]]}},
        {"items": {}},
        {"items": {"i": {"discrimination": {"x": 1.0}, "thresholds": [0.0]}}},
        {"items": {"i": {"discrimination": {"s": float("nan")}, "thresholds": [0.0]}}},
        {"items": {"i": {"discrimination": {"s": 1e308}, "thresholds": [0.0]}}},
        {"items": {"i": {"discrimination": {"s": 1.0}, "thresholds": []}}},
        {"items": {"i": {"discrimination": {"s": 1.0}, "thresholds": [0.0], "guess": 1.0}}},
    ],
)
def test_a_scale_that_makes_no_sense_is_refused(wrong):
    good = {
        "skills": ["s", "t"],
        "prior": {"mean": [0.0, 0.0], "covariance": [[1.0, 0.0], [0.0, 1.0]]},
        "items": {"i": {"discrimination": {"s": 1.0}, "thresholds": [0.0]}},
    }
    calibrate.ScaleFile.model_validate(good)
    with pytest.raises(ValidationError):
        calibrate.ScaleFile.model_validate(good | wrong)


# -- real data -------------------------------------------------------------------------------------


def data(name):
    if not (DATA / name).is_dir():
        pytest.skip(f"{DATA / name} is not here; ASSAY_DATA may name the folder of the public data sets")
    return DATA / name


def test_a_printed_calibration_is_reproduced():
    with (data("mirt_classics") / "lsat7.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    keys = [f"Item.{n}" for n in range(1, 6)]
    table = np.array([[float(row[key]) for key in keys] for row in rows for _ in range(int(row["freq"]))])
    items = {key: Item(key, ("lsat",), 2, 0.0) for key in keys}
    scale = calibrate.fit(items, responses_of(table, items))
    assert [scale.items[key].discrimination["lsat"] for key in keys] == pytest.approx(LSAT7["slopes"], abs=0.02)
    assert [scale.items[key].thresholds[0] for key in keys] == pytest.approx(LSAT7["intercepts"], abs=0.02)


def skills_of(folder):
    """ITEMS of a data set from its Q-matrix or its list of items."""
    source = folder / "qmatrix.csv" if (folder / "qmatrix.csv").is_file() else folder / "items.csv"
    with source.open(encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    names = list(rows[0])
    if source.name == "qmatrix.csv":
        return {row[names[0]]: [name for name in names[1:] if row[name] in {"1", "1.0"}] for row in rows}
    return {row[names[0]]: [row[names[1]]] for row in rows}


def public(name, tmp_path, columns=None):
    """Items and answers of a public data set, of some of its skills."""
    folder = data(name)
    asked = {
        key: [one for one in all_of_it if columns is None or one in columns]
        for key, all_of_it in skills_of(folder).items()
    }
    table = tmp_path / "items.csv"
    table.write_text(
        "item,skills\n" + "".join(f"{key},{';'.join(skills)}\n" for key, skills in asked.items() if skills)
    )
    items = read_items(table)
    file = next(folder.glob("responses.csv*"))
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8-sig") as lines:
        names = next(csv.reader(lines))
    return items, read_responses(file, items, [name for name in names[1:] if name not in items])


def better_when_correlated(told):
    return told["correlated"] > told["independent"] and told["auc_correlated"] > told["auc_independent"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("ecpe", None),
        ("icar16", None),
        ("timss2011_g4_aut", {"data_display", "geometry", "number"}),
        ("timss2011_g4_aut", {"applying", "knowing", "reasoning"}),
    ],
)
def test_correlated_skills_foretell_kept_back_answers_better_than_independent_ones(tmp_path, name, columns):
    scale = calibrate.fit(*public(name, tmp_path, columns), held_out=0.2)
    assert scale.fit["converged"]
    assert better_when_correlated(scale.held_out)


@pytest.mark.slow
def test_four_skills_that_are_nearly_one_settle_under_a_prior(tmp_path):
    scale = calibrate.fit(*public("spatial_rotation_rt", tmp_path), HELD, held_out=0.2)
    assert scale.fit["converged"]
    assert better_when_correlated(scale.held_out)


@pytest.mark.slow
def test_a_design_in_which_every_item_has_a_content_and_a_process_is_said_to_be_weakly_identified(tmp_path):
    """Slopes can be traded for correlations: there is no top to rest on, and whoever fits it is told."""
    scale = calibrate.fit(*public("timss2011_g4_aut", tmp_path))
    assert not scale.fit["converged"]
    (why,) = [one.why for one in scale.refused if one.what == "fit"]
    assert why.startswith("weakly identified")
    assert "slopes are negative" in why


@pytest.mark.slow
def test_twenty_nine_takers_on_fourteen_subjects_are_refused_or_shrunk():
    """25 questions of each subject of MMLU-Pro."""
    folder = data("mmlu_pro_llms")
    with gzip.open(folder / "items.csv.gz", "rt", encoding="utf-8") as lines:
        subject = {row["item"]: row["category"] for row in csv.DictReader(lines)}
    with (folder / "correct.csv").open(encoding="utf-8") as lines:
        rows = list(csv.reader(lines))[1:]
    seen = dict.fromkeys(subject.values(), 0)
    items, table = {}, []
    for key, *cells in rows:
        seen[subject[key]] += 1
        if seen[subject[key]] <= 25:
            items[key] = Item(key, (subject[key],), 2, 0.0)
            table.append([float(cell) if cell else np.nan for cell in cells])
    said = responses_of(np.array(table).T, items)
    with pytest.raises(TableFaultError, match="29 people gave answers, but likelihood alone needs 50"):
        calibrate.fit(items, said)
    alone = calibrate.fit(items, said, replace(HELD, independent=True))
    slopes = [a for item in alone.items.values() for a in item.discrimination.values()]
    assert alone.fit["converged"]
    assert 0 < min(slopes) < max(slopes) < 4
    scale = calibrate.fit(items, said, HELD, held_out=0.2)
    assert scale.held_out["correlated"] > scale.held_out["independent"]
    assert scale.fit["converged"] or any("weakly identified" in one.why for one in scale.refused if one.what == "fit")
