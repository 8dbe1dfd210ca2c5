"""Tables in which raters are named: fitted with them, scored with them, refused where they cannot be read."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from scipy.special import expit

from api.cli import main
from irt import raters
from irt.calibration import calibrate
from irt.rater_step import spread_at_start, spread_of
from tests.irt.test_facets import World
from tests.vetting.test_calibrate import data
from vetting.agreement import ratings
from vetting.agreement.rating_table import read as read_ratings
from vetting.calibration import crews
from vetting.calibration.calibrate import HELD, Way, fit, read_scale, scores
from vetting.tables import TableFaultError, read_items, read_responses

PEOPLE = 300


def written(file, header, rows):
    with file.open("w", newline="") as out:
        sheet = csv.writer(out)
        sheet.writerow(header)
        sheet.writerows(rows)
    return file


def table(file):
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def world():
    return World(21, people=PEOPLE)


@pytest.fixture
def folder(world, tmp_path):
    rows = [(f"p{a}", f"i{b}", f"r{c}", f"essay {d}", e) for a, b, c, d, e in zip(*world.rows, strict=True)]
    written(tmp_path / "r.csv", ["person", "criterion", "rater", "answer", "level"], rows)
    written(tmp_path / "i.csv", ["item", "skills"], [(f"i{n}", "ab"[s]) for n, s in enumerate(world.skill)])
    return tmp_path


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["assay", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0, *capsys.readouterr()


def fitted(folder, monkeypatch, capsys, *more):
    words = ["fit", folder / "r.csv", "--items", folder / "i.csv", "--out", folder / "s.json", *more]
    code, told, notes = run(monkeypatch, capsys, *words)
    assert code == 0, notes
    return told


def test_the_command_fits_raters_and_scores_with_them(world, folder, monkeypatch, capsys):
    told = fitted(folder, monkeypatch, capsys, "--held-out", "0.2")
    assert "r3 *" in told
    assert "shared by grades of one answer and item" in told
    scale = json.loads((folder / "s.json").read_text())
    severity = np.array([scale["raters"][f"r{n}"]["severity"] for n in range(8)])
    se = np.array([scale["raters"][f"r{n}"]["sd_severity"] for n in range(8)])
    assert np.abs((severity - world.severity) / se).max() < 4
    assert [one["shared_by"] for one in scale["effects"]] == ["answer", "answer and item"]
    assert all(item["graded"] for item in scale["items"].values())
    assert scale["held_out"]["correlated"] > scale["held_out"]["independent"]
    code, *_ = run(
        monkeypatch, capsys, "score", folder / "r.csv", "--scale", folder / "s.json", "--out", folder / "o.csv"
    )
    assert code == 0
    rows = table(folder / "o.csv")
    found = np.array([[float(row["mean"]), float(row["sd"])] for row in rows]).reshape(PEOPLE, 2, 2)
    inside = np.abs(found[..., 0] - world.theta) < 1.96 * found[..., 1]
    assert inside.mean() == pytest.approx(0.95, abs=0.035)  # 600 intervals


def test_scores_that_know_the_rater_are_nearer_the_truth_than_those_that_do_not(world, folder):
    """One grade an answer, each person by one rater: severities are most of what is wrong with a raw score."""
    items = read_items(folder / "i.csv")
    scale = fit(items, read_responses(folder / "r.csv", items, rated=True))
    mine = table(folder / "r.csv")
    first = {row["person"]: row["rater"] for row in reversed(mine)}
    rows = [list(row.values()) for row in mine if row["rater"] == first[row["person"]]]
    known = written(folder / "one.csv", list(mine[0]), rows)
    blank = written(folder / "blank.csv", list(mine[0]), [[*row[:2], "", *row[3:]] for row in rows])
    off = []
    for file in (known, blank):
        said = read_responses(file, scale.items, rated=True)
        mean, _ = scores(scale, said)
        off.append(np.sqrt(np.mean((mean - world.theta[[int(name[1:]) for name in said.people]]) ** 2)))
    assert off[0] < 0.97 * off[1]


def test_named_references_hold_severity_at_nought(folder, monkeypatch, capsys):
    fitted(folder, monkeypatch, capsys, "--reference", "r1,r2")
    scale = read_scale(folder / "s.json")
    assert scale.raters["r1"].severity + scale.raters["r2"].severity == pytest.approx(0, abs=1e-9)
    assert {name for name, one in scale.raters.items() if one.reference} == {"r1", "r2"}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("p0", "i0", "r0", "x", 1), ("p0", "i0", "r0", "x", 2)], "already on line 2. Maybe these are grades of two"),
        ([("p0", "i0", "", "x", 1), ("p0", "i0", "", "x", 2)], "already on line 2. Maybe keep one row"),
        ([("p0", "i0", "r0", "x", 1.5)], "a whole number"),
    ],
)
def test_what_is_wrong_with_a_row_is_told(folder, rows, says):
    header = ["person", "criterion", "rater", "answer", "level"]
    items = read_items(folder / "i.csv")
    with pytest.raises(TableFaultError, match=says):
        read_responses(written(folder / "bad.csv", header, rows), items, rated=True)


def test_strangers_are_named(folder, monkeypatch, capsys):
    words = ["fit", folder / "r.csv", "--items", folder / "i.csv", "--out", folder / "s.json"]
    code, _, notes = run(monkeypatch, capsys, *words, "--reference", "r1,q2")
    assert code == 2
    assert "'q2' graded nothing" in notes
    code, _, notes = run(monkeypatch, capsys, *words, "--bayes")
    assert code == 2
    assert "--bayes knows no raters" in notes
    fitted(folder, monkeypatch, capsys)
    strange = written(folder / "x.csv", ["person", "item", "rater", "score"], [("p1", "i1", "r9", 2)])
    code, _, notes = run(monkeypatch, capsys, "score", strange, "--scale", folder / "s.json", "--out", folder / "o.csv")
    assert code == 2
    assert "'r9' is not on the scale. Maybe" in notes
    code, _, notes = run(monkeypatch, capsys, "judge", strange, "--scale", folder / "s.json")
    assert code == 2
    assert "'r9' is not on the scale. Maybe" in notes
    assert not (folder / "o.csv").exists()


def test_a_rater_column_without_names_changes_nothing(folder):
    rows = [(f"p{n}", f"i{i}", "", (n + i) % 3) for n in range(60) for i in range(9)]
    items = read_items(folder / "i.csv")
    empty = read_responses(written(folder / "e.csv", ["person", "item", "rater", "score"], rows), items, rated=True)
    assert empty.grades is None


@pytest.mark.parametrize("workers", [2])
def test_any_number_of_processes_gives_the_same_raters(workers):
    truth = World(22, people=2100, topics=2)
    answers, cells = truth.given()
    one = calibrate(answers, truth.design, cells=cells)
    with crews.crew(workers) as crew:
        other = calibrate(answers, truth.design, cells=cells, crew=crew)
    for name in ("severity", "severity_se", "log_discrimination", "effect"):
        np.testing.assert_array_equal(getattr(one.panel, name), getattr(other.panel, name))
    np.testing.assert_array_equal(one.items.slope, other.items.slope)
    assert one.log_likelihood == other.log_likelihood


@pytest.mark.slow
def test_real_essays_give_the_severities_that_the_raters_alone_have(tmp_path, monkeypatch):
    """Nine raters of 6,877 essays on two criteria: of one skill, each criterion its own quality."""
    held = np.full(2, 1e-3)  # nobody has steps of their own here, as in `assay fit`
    monkeypatch.setattr(raters, "spread_at_start", lambda: spread_at_start()._replace(step=held))
    monkeypatch.setattr(raters, "spread_of", lambda *found: spread_of(*found)._replace(step=held))
    source = data("writing_ratings") / "ratings_9raters_2criteria.csv"
    rows = [(row["pid"], name, row["rater"], row[name]) for row in table(source) for name in ("OP", "TF") if row[name]]
    names = written(tmp_path / "items.csv", ["item", "skills"], [("OP", "writing"), ("TF", "writing")])
    items = read_items(names)
    file = written(tmp_path / "fit.csv", ["person", "item", "rater", "score"], rows)
    scale = fit(items, read_responses(file, items, rated=True), Way(prior=HELD))
    assert scale.fit["converged"]
    alone = ratings.measure(
        read_ratings(written(tmp_path / "alone.csv", ["answer", "criterion", "rater", "level"], rows))
    )
    phi = np.array([row.discrimination for row in alone.raters])
    for row in alone.raters:
        here = scale.raters[row.rater]
        assert here.severity == pytest.approx(row.severity, abs=0.05)
        assert here.discrimination == pytest.approx(row.discrimination / np.exp(np.log(phi).mean()), rel=0.08)


def test_levels_are_reached_by_chance_as_the_model_says():
    """The simulated world is the model: shares of levels under average raters are those of the thresholds."""
    truth = World(23, people=4000, raters=2, skills=1, topics=1, criteria=1, per=2, own=0.0)
    at = truth.severity[truth.rows[2]]
    chance = expit(
        np.exp(truth.log_phi[truth.rows[2]])[:, None]
        * (truth.slope[0] * (np.random.default_rng(0).standard_normal(len(at)) * np.sqrt(1.25) - at)[:, None]
           + truth.threshold[0])
    )  # fmt: skip
    seen = np.array([(truth.rows[4] >= k).mean() for k in (1, 2, 3)])
    np.testing.assert_allclose(seen, chance.mean(0), atol=0.02)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda item: item["se"]["covariance"].pop(), "se.covariance must be 4 rows of 4"),
        (lambda item: item["se"]["thresholds"].pop(), "items.i0: 3 thresholds, but se of 2"),
    ],
)
def test_errors_that_are_not_the_items_are_refused(folder, monkeypatch, capsys, edit, says):
    fitted(folder, monkeypatch, capsys)
    scale = json.loads((folder / "s.json").read_text())
    edit(scale["items"]["i0"])
    (folder / "s.json").write_text(json.dumps(scale))
    with pytest.raises(TableFaultError, match=says):
        read_scale(folder / "s.json")
