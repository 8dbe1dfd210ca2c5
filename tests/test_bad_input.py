"""Bad input to the measuring commands and functions: an error in words and nothing written, or a stated result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from api.cli import main
from irt.calibration import calibrate
from irt.design import Answers, Design, answers_from_rows, answers_from_table, design_from_table
from irt.model import Items
from irt.mstep import ItemPrior
from irt.scoring import score
from irt.start import Anchors
from vetting.calibration import calibrate as calibration
from vetting.tables import Item, Responses

PEOPLE, COUNT = 80, 8
ITEMS = "item,skills\n" + "".join(f"i{n},{'st'[n % 2]}\n" for n in range(COUNT))
NAMES = ",".join(f"i{n}" for n in range(COUNT))


def table(seed=1, people=PEOPLE):
    rng = np.random.default_rng(seed)
    theta = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], people)
    logit = 1.2 * theta[:, np.arange(COUNT) % 2] + np.linspace(-1, 1, COUNT)
    return (rng.random(logit.shape) < 1 / (1 + np.exp(-logit))).astype(int).tolist()


ROWS = table()


def wide(rows, names=NAMES):
    return f"person,{names}\n" + "".join(f"p{n}," + ",".join(map(str, row)) + "\n" for n, row in enumerate(rows))


def long(rows, seconds="20"):
    cells = [(f"p{p}", f"i{i}", score) for p, row in enumerate(rows) for i, score in enumerate(row) if score != ""]
    return "person,item,score,seconds\n" + "".join(f"{p},{i},{x},{seconds}\n" for p, i, x in cells)


def changed(rows, place, value):
    """The table with one cell, one column (None, i) or one row (p, None) changed."""
    p, i = place
    return [
        [value if (p is None or r == p) and (i is None or c == i) else cell for c, cell in enumerate(row)]
        for r, row in enumerate(rows)
    ]


@pytest.fixture(scope="module")
def scale():
    """A scale of ordinary answers."""
    person, item = (place.ravel() for place in np.indices((PEOPLE, COUNT)))
    people, names = tuple(f"p{n}" for n in range(PEOPLE)), tuple(f"i{n}" for n in range(COUNT))
    said = Responses(people, names, person, item, np.array(ROWS).ravel(), person + 2, Path("r.csv"))
    items = {name: Item(name, ("st"[n % 2],), 2, 0.0) for n, name in enumerate(names)}
    return json.loads(calibration.fit(items, said).model_dump_json())


@pytest.fixture
def assay(tmp_path, monkeypatch, capsys, scale):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "s.json").write_text(json.dumps(scale))
    (tmp_path / "i.csv").write_text(ITEMS)

    def run(*words):
        monkeypatch.setattr("sys.argv", ["assay", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


COMMANDS = {
    "fit": ("fit", "r.csv", "--items", "i.csv", "--out", "out"),
    "score": ("score", "r.csv", "--scale", "s.json", "--out", "out"),
    "judge": ("judge", "r.csv", "--scale", "s.json", "--report", "out"),
    "replay": ("replay", "r.csv", "--scale", "s.json"),
}
REFUSED = {  # what is in the file, and what the error says
    "nothing": ("", "is empty"),
    "only a header": (f"person,{NAMES}\n", "holds no answer"),
    "only a header, long": ("person,item,score,seconds\n", "holds no answer"),
    "a person twice": (wide([*ROWS]) + "p0," + ",".join("1" * COUNT) + "\n", "has item 'i0' already on line 2"),
    "an answer twice, long": (long(ROWS) + "p0,i0,1,20\n", "already on line 2"),
    "not a number, long": (long(changed(ROWS, (3, 2), "nan")), "score 'nan' of person 'p3' on item 'i2'"),
    "infinity": (long(changed(ROWS, (3, 2), "inf")), "score 'inf'"),
    "half a score": (wide(changed(ROWS, (3, 2), "0.5")), "score '0.5'"),
    "a score below 0": (wide(changed(ROWS, (3, 2), "-1")), "score '-1'"),
    "a word": (wide(changed(ROWS, (3, 2), "right")), "score 'right'"),
    "a level past the most": (wide(changed(ROWS, (3, 2), "77")), "score '77'"),
    "an item that is not known": (long(ROWS) + "p0,i99,1,20\n", "item 'i99' is not known"),
    "a column that is no item": (wide([[*row, 1] for row in ROWS], f"{NAMES},school"), "Maybe leave them out with"),
    "a column twice": (wide(ROWS, NAMES.replace("i7", "i0")), "column 'i0' stands twice"),
    "a person without a name": (wide(ROWS).replace("p5,", ","), "the person is empty"),
    "a row too long": (wide(ROWS).replace("p5,", "p5,1,"), "10 cells, but the header has 9"),
    "not text": (b"\xff\xfe\x00\x81" * 40, "not a CSV in UTF-8"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("what", REFUSED)
def test_answers_that_cannot_be_used_are_refused_with_file_and_reason(assay, tmp_path, command, what):
    text, said = REFUSED[what]
    (tmp_path / "r.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    code, _, err = assay(*COMMANDS[command])
    assert code == 2
    assert "r.csv" in err
    assert said in err
    assert not (tmp_path / "out").exists()
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["score", "judge", "replay"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: "", "Invalid JSON"),
        (lambda text: text[:200], "Invalid JSON"),
        (lambda _: "[]", "should be"),
        (lambda _: '{"skills": []}', "skills"),
        (lambda text: text.replace('"thresholds": [', '"thresholds": [null, ', 1), "thresholds"),
        (lambda text: text.replace('"thresholds": [', '"thresholds": [-9.0, ', 1), "must fall"),
        (lambda text: text.replace('"guess": 0.0', '"guess": NaN', 1), "guess"),
        (lambda text: text.replace('"discrimination": {"s"', '"discrimination": {"u"', 1), "'u'"),
        (lambda text: json.dumps(json.loads(text) | {"prior": {"mean": [0, 0], "covariance": [[1, 1], [1, 1]]}}),
         "correlation of 1"),
        (lambda text: json.dumps(json.loads(text) | {"prior": {"mean": [0], "covariance": [[1]]}}), "another size"),
    ],
)  # fmt: skip
def test_a_broken_scale_is_refused_by_its_name(assay, tmp_path, command, change, said):
    file = tmp_path / "s.json"
    file.write_text(change(file.read_text()))
    (tmp_path / "r.csv").write_text(long(ROWS))
    code, _, err = assay(*COMMANDS[command])
    assert code == 2
    assert "s.json" in err
    assert said in err


@pytest.mark.parametrize("command", ["score", "judge", "replay"])
def test_a_scale_that_is_not_there_is_told(assay, tmp_path, command):
    (tmp_path / "s.json").unlink()
    (tmp_path / "r.csv").write_text(long(ROWS))
    code, _, err = assay(*COMMANDS[command])
    assert code == 2
    assert "s.json: no such file" in err


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ("", "is empty"),
        ("item,skills\n", "holds no item"),
        ("item,skills,levels\ni0,s,1\n", "levels '1'"),
        ("item,skills,guess\ni0,s,nan\n", "guess 'nan'"),
        ("item,skills,levels,guess\ni0,s,3,0.2\n", "only a two-level item can be guessed"),
        ("item,skills\ni0,\n", "both are needed"),
        (ITEMS + "i0,s\n", "stands twice"),
        (
            ITEMS.replace("skills", "skills,levels").replace(",s\n", ",s,2\n").replace(",t\n", ",t,2\n"),
            "levels are 0 to 1",
        ),
    ],
)
def test_items_that_cannot_be_used_are_refused(assay, tmp_path, items, said):
    (tmp_path / "i.csv").write_text(items)
    (tmp_path / "r.csv").write_text(wide(changed(ROWS, (0, 0), 2)))
    code, _, err = assay(*COMMANDS["fit"])
    assert code == 2
    assert said in err
    assert not (tmp_path / "out").exists()


STATED = {  # what is in the file, and what the scale says was done
    "a person with no answers": (changed(ROWS, (4, None), ""), "1 person", "gave no answer"),
    "an item nobody answered": (changed(ROWS, (None, 3), ""), "item i3", "nobody answered it"),
    "all right": (changed(ROWS, (None, 3), 1), "item i3", "all answers are at one level"),
    "all wrong": (changed(ROWS, (None, 3), 0), "item i3", "all answers are at one level"),
    "a level nobody reached": (changed(ROWS, (0, 3), 3), "item i3", "nobody reached level [2]"),
    "booklets that share nobody": (
        [[*row[:6], "", ""] if p < 60 else ["", "", "", "", "", "", *row[6:]] for p, row in enumerate(table(2, 160))],
        "item i6", "its booklet is not linked",
    ),
    "a skill with too few items": (
        [[*row[:1], "", *row[2:3], "", *row[4:5], "", *row[6:]] for row in ROWS], "skill t", "usable items are left",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", STATED)
def test_what_the_answers_cannot_tell_is_left_out_and_said(assay, tmp_path, what):
    rows, about, why = STATED[what]
    (tmp_path / "r.csv").write_text(wide(rows))
    code, _, err = assay(*COMMANDS["fit"])
    found = json.loads((tmp_path / "out").read_text())
    assert [one for one in found["refused"] if one["what"] == about and why in one["why"]]
    assert why in " ".join(err.split())  # the terminal breaks lines where it likes
    assert code in {0, 1}


def test_two_skills_that_are_one_are_said_to_be(assay, tmp_path):
    rng = np.random.default_rng(5)
    theta = rng.standard_normal((600, 1))
    rows = (rng.random((600, COUNT)) < 1 / (1 + np.exp(-1.5 * theta))).astype(int).tolist()
    (tmp_path / "r.csv").write_text(wide(rows))
    assay(*COMMANDS["fit"])
    found = json.loads((tmp_path / "out").read_text())
    assert found["prior"]["covariance"][0][1] > 0.95
    assert any("Maybe make them one skill" in one["why"] and "skill s" in one["why"] for one in found["refused"])


def test_people_who_had_all_right_or_all_wrong_or_no_answers_are_scored_within_reason(assay, tmp_path):
    (tmp_path / "r.csv").write_text(wide([["1"] * COUNT, ["0"] * COUNT, [""] * COUNT, ["nan"] * COUNT]))
    assert assay(*COMMANDS["score"])[0] == 0
    rows = [line.split(",") for line in (tmp_path / "out").read_text().splitlines()[1:]]
    mean = {(person, skill): float(value) for person, skill, value, _ in rows}
    assert 0.3 < mean["p0", "s"] < 3
    assert -3 < mean["p1", "s"] < -0.3
    assert mean["p2", "s"] == mean["p3", "s"] == 0.0
    assert all(0 < float(sd) <= 1.0001 for *_, sd in rows)


def test_judging_states_what_it_cannot_judge(assay, tmp_path):
    rows = changed(changed(table(9, 150), (None, 3), ""), (None, 5), 1)
    (tmp_path / "r.csv").write_text(wide([*rows, [""] * COUNT]))
    code, out, _ = assay("judge", "r.csv", "--scale", "s.json", "--json")
    found = json.loads(out)
    assert code in {0, 1}
    assert found["unanswered"] == ["i3"]
    assert any("nobody here answered 1 item" in one["why"] for one in found["reasons"])


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ("", "is empty"),
        ("person,g\nq1,a\n", "none of its people"),
        ("person,g\np1,a\np1,b\n", "stands twice"),
        ("person,g\np1,a\np2,a\n", "has 1 group"),
        ("person,g\n" + "".join(f"p{n},{n}\n" for n in range(40)), "has 40 groups"),
    ],
)
def test_groups_that_cannot_be_used_are_refused(assay, tmp_path, groups, said):
    (tmp_path / "r.csv").write_text(wide(ROWS))
    (tmp_path / "g.csv").write_text(groups)
    code, _, err = assay(*COMMANDS["judge"], "--groups", "g.csv")
    assert code == 2
    assert "g.csv" in err
    assert said in err
    assert not (tmp_path / "out").exists()


def test_a_date_that_is_none_is_refused(assay, tmp_path):
    (tmp_path / "r.csv").write_text(wide([[*row, "soon"] for row in ROWS], f"{NAMES},time"))
    code, _, err = assay(*COMMANDS["judge"])
    assert code == 2
    assert "r.csv:2: time 'soon'" in err


def test_too_few_people_are_refused_or_held_by_a_prior(assay, tmp_path):
    (tmp_path / "r.csv").write_text(wide(ROWS[:20]))
    code, _, err = assay(*COMMANDS["fit"])
    assert code == 2
    assert "20 people gave answers" in err
    assert "--prior" in err
    assert assay(*COMMANDS["fit"], "--prior")[0] in {0, 1}
    slopes = [a for item in json.loads((tmp_path / "out").read_text())["items"].values()
              for a in item["discrimination"].values()]  # fmt: skip
    assert 0 < min(slopes) <= max(slopes) < 5


@pytest.mark.parametrize("command", COMMANDS)
def test_a_million_columns_are_an_error_within_seconds(assay, tmp_path, command):
    names = ",".join(f"c{n}" for n in range(1_000_000))
    (tmp_path / "r.csv").write_text(f"person,{names}\np0," + ",".join("1" * 1_000_000) + "\n")
    code, _, err = assay(*COMMANDS[command])
    assert code == 2
    assert "1000000 of 1000000 columns are no known item" in err
    assert len(err) < 2000


@pytest.mark.parametrize(
    "words",
    [
        "dossier somebody",
        "plan program",
        "role list",
        "calibrate",
        "forget",
        "invite r",
        "take",
        "program feasible p",
        "reviewers",
        "panel",
        "grade --raters offline",
    ],
)
def test_a_command_that_reads_makes_no_database_at_a_mistyped_address(assay, tmp_path, words):
    (tmp_path / "empty.db").touch()
    for name in ("typo.db", "empty.db"):
        code, _, err = assay(*words.split(), "--database", f"sqlite:///{name}")
        assert code == 2, err
        assert name in err
        assert "Maybe --database names another place" in err
        assert not (tmp_path / "typo.db").exists()
        assert (tmp_path / "empty.db").stat().st_size == 0


# -- functions on arrays ---------------------------------------------------------------------------

GOOD = Items(np.zeros((2, 1), int), np.ones((2, 1)), np.array([[0.5, -0.5], [0.0, -np.inf]]), np.zeros(2))
NAN = float("nan")


@pytest.mark.parametrize(
    "wrong",
    [
        {"guess": np.array([0.0, NAN])}, {"guess": np.array([0.0, 1.0])}, {"guess": np.array([0.1, 0.0])},
        {"slope": np.array([[1.0], [NAN]])}, {"slope": np.array([[1.0], [np.inf]])}, {"skill": np.array([[0], [-1]])},
        {"threshold": np.array([[0.5, NAN], [0.0, -np.inf]])}, {"threshold": np.array([[0.5, 0.6], [0.0, -np.inf]])},
        {"threshold": np.array([[np.inf, 0.0], [0.0, -np.inf]])},
    ],
)  # fmt: skip
def test_items_that_are_none_are_refused_at_birth(wrong):
    with pytest.raises(ValueError, match="Items: "):
        replace(GOOD, **wrong)


PERSON, ITEM = np.array([0, 0, 1]), np.array([0, 1, 0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: answers_from_rows(PERSON, ITEM, np.array([0.0, 1.5, 1.0]), 2),
        lambda: answers_from_rows(PERSON, ITEM, np.array([0.0, NAN, 1.0]), 2),
        lambda: answers_from_rows(PERSON, ITEM, np.array([0, -1, 1]), 2),
        lambda: answers_from_rows(PERSON, ITEM[:2], np.array([0, 1, 1]), 2),
        lambda: answers_from_rows(PERSON, np.array([0, 0, 0]), np.array([0, 1, 1]), 2),
        lambda: answers_from_rows(np.array([0, 0, 7]), ITEM, np.array([0, 1, 1]), 2),
        lambda: answers_from_rows(PERSON, ITEM, np.array([0, 1, 1]), 2, np.array([1.0, NAN])),
        lambda: answers_from_table(np.array([[1.0, np.inf]])),
        lambda: answers_from_table(np.array([[1.0, 0.5]])),
        lambda: Answers(np.array([0, 2]), ITEM, np.zeros(3, int), np.ones(1)),
        lambda: Design(1, np.array([[1]]), np.array([2]), np.zeros(1)),
        lambda: Design(1, np.array([[0]]), np.array([1]), np.zeros(1)),
        lambda: Design(1, np.array([[0]]), np.array([2]), np.array([NAN])),
        lambda: ItemPrior(slope_sd=NAN),
        lambda: ItemPrior(log_slope=NAN),
        lambda: Anchors(np.array([0, 0]), GOOD),
    ],
)
def test_arrays_that_cannot_be_answers_or_a_design_are_refused(make):
    with pytest.raises(ValueError, match=r"\w"):
        make()


def test_people_without_any_answers_are_no_error_to_the_functions():
    nobody = answers_from_table(np.full((3, 2), np.nan))
    mean, sd = score(GOOD, np.zeros(1), np.eye(1), nobody)
    assert mean.tolist() == [[0.0]] * 3
    assert sd.tolist() == [[1.0]] * 3
    with pytest.raises(ValueError, match="nothing is left to fit"):
        calibrate(nobody, design_from_table(np.ones((2, 1))))


@pytest.mark.parametrize(
    ("mean", "cov"),
    [
        (np.array([NAN, 0.0]), np.eye(2)), (np.zeros(2), np.ones((2, 2))), (np.zeros(2), np.diag([1.0, NAN])),
        (np.zeros(2), np.array([[1.0, 0.5], [0.0, 1.0]])), (np.zeros(2), np.eye(3)),
    ],
)  # fmt: skip
def test_a_population_that_is_none_is_refused(mean, cov):
    with pytest.raises(ValueError, match="score: "):
        score(GOOD, mean, cov, answers_from_table(np.ones((1, 2))))


@pytest.mark.parametrize(
    "fixed", [np.ones((2, 2)), np.full((2, 2), NAN), np.eye(3)[:2], np.array([[1, 0.5], [0.2, 1]])]
)
def test_correlations_that_are_none_are_refused(fixed):
    asks = np.arange(COUNT)[:, None] % 2 == np.arange(2)
    with pytest.raises(ValueError, match="calibrate: correlation"):
        calibrate(answers_from_table(np.array(ROWS)), design_from_table(asks), correlation=fixed)
