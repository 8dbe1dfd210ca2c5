"""Labels of people: what is read, what is refused, when a pilot's gate opens, what gold can tell."""

import csv
import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from api.cli import app
from tests.conftest import ROOT
from vetting.agreement.label_table import read, read_gold
from vetting.agreement.labels import Bar, check_gold, first_labels, measure
from vetting.tables import TableFaultError

DATA = Path(os.environ.get("ASSAY_DATA", ROOT.parent / "shared" / "data"))


def table(tmp_path, rows, header="unit,rater,label"):
    file = tmp_path / "labels.csv"
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return file


def crowd(rng, units, raters, right, categories=3):
    """Rows of labels: each rater is right with the given chance, else any other category; and the truth."""
    truth = rng.integers(categories, size=units)
    slip = rng.integers(1, categories, size=(units, raters))
    wrong = rng.random((units, raters)) > right
    said = (truth[:, None] + wrong * slip) % categories
    return [f"u{u},r{r},{said[u, r]}" for u in range(units) for r in range(raters)], truth


@pytest.mark.parametrize(
    ("rows", "header", "words"),
    [
        (["a,x,1"], "unit,who,label", "rater is lacking"),
        (["a,x,1", "a,,2"], "unit,rater,label", ":3: the unit or the rater is empty"),
        (["a,x,1", "a,y"], "unit,rater,label", ":3: 2 cells, but the header has 3"),
        (["a,x,1,soon", "a,y,2,1"], "unit,rater,label,time", ":2: time 'soon' is neither"),
        (["a,x,1", "b,x,1"], "unit,rater,label", "1 different label"),
        ([], "unit,rater,label", "holds no label"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, rows, header, words):
    with pytest.raises(TableFaultError, match=words):
        read(table(tmp_path, rows, header))


def test_a_label_outside_the_order_is_named_with_its_nearest(tmp_path):
    with pytest.raises(TableFaultError, match=r":3: label 'god' is not in the order given. Maybe 'good'"):
        read(table(tmp_path, ["a,x,bad", "a,y,god"]), order=("bad", "good"))


def test_a_repeat_counts_for_consistency_and_not_for_agreement(tmp_path):
    rows = ["a,x,1", "a,y,2", "a,x,2", "b,x,1", "b,y,1", "b,x,1"]
    found = read(table(tmp_path, rows))
    assert first_labels(found).labels.category.tolist() == [0, 1, 0, 0]
    told = measure(found)
    x = next(rater for rater in told.rater_quality if rater.rater == "x")
    assert (x.repeats, x.same_again) == (2, 0.5)
    assert any("repeats" in note for note in told.notes)


def test_the_gate_opens_by_the_lower_bound_and_by_enough_people_only(tmp_path):
    rows, _ = crowd(np.random.default_rng(4), 60, 3, 0.95)
    found = read(table(tmp_path, rows))
    assert measure(found).gate.open
    few = measure(found, bar=Bar(units=61)).gate
    assert not few.open
    assert "60 of the 61 units" in few.reasons[0]
    alpha = measure(found).coefficients[0]
    assert alpha.low < alpha.value
    between = measure(found, bar=Bar(threshold=(alpha.low + alpha.value) / 2)).gate
    assert not between.open
    assert "lower bound" in between.reasons[0]


def test_levels_that_need_numbers_refuse_words(tmp_path):
    with pytest.raises(ValueError, match="'bad' is none"):
        measure(read(table(tmp_path, ["a,x,bad", "a,y,good"])), "interval")


def test_a_lenient_crowd_is_found_out_by_gold_and_not_without(tmp_path):
    """Everybody calls half of the bad units good: the majority stays wrong there, gold teaches what it means."""
    rng = np.random.default_rng(8)
    truth = rng.random(600) < 0.5
    chance = np.where(truth, 0.55, 0.02)  # of saying "bad"
    rows = [f"u{u},r{r},{'bad' if rng.random() < chance[u] else 'good'}" for u in range(600) for r in range(5)]
    found = first_labels(read(table(tmp_path, rows))).labels
    known = np.where(np.arange(600) < 200, np.where(truth, 0, 1), -1)
    told = check_gold(found, known, 1, lambda _: None)
    assert told.low > 0
    assert told.units == 200


def test_the_command_says_shut_with_code_one_and_writes_what_it_found(tmp_path):
    rows, _ = crowd(np.random.default_rng(5), 60, 3, 0.5)
    file, target = table(tmp_path, rows), tmp_path / "found.json"
    ran = CliRunner().invoke(app, ["agreement", str(file), "--out", str(target), "--json"])
    assert ran.exit_code == 1
    told = json.loads(target.read_text(encoding="utf-8"))
    assert told["gate"]["open"] is False
    assert json.loads(ran.stdout)["units"] == 60


@pytest.mark.slow
def test_gold_beats_a_majority_vote_on_a_real_crowd(tmp_path):
    """Sites rated by 825 people; five folds of 333 gold units, settings chosen without the fold."""
    folder = DATA / "crowd_site_rating"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here: set ASSAY_DATA to the folder of data sets")
    with gzip.open(folder / "labels.csv.gz", "rt", encoding="utf-8") as lines:
        rows = [f"{row['item']},{row['worker']},{row['label']}" for row in csv.DictReader(lines)]
    found = read(table(tmp_path, rows), order=tuple("GPRX"))
    gold = tmp_path / "gold.csv"
    gold.write_text((folder / "gold.csv").read_text(encoding="utf-8").replace("item,gold", "unit,label"), "utf-8")
    told = check_gold(first_labels(found).labels, read_gold(gold, found), 1, lambda _: None)
    assert told.units == 333
    assert told.model > told.majority
