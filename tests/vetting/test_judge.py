"""May it be published: planted faults are found and named, clean answers are let through, the report can be read."""

import csv
import json
import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from api.cli import main
from irt.scoring import auc
from tests.vetting.test_calibrate import responses_of
from vetting.calibration import calibrate, judge
from vetting.calibration.groupings import Grouping
from vetting.calibration.report import page
from vetting.tables import Item

PEOPLE, COUNT = 1500, 30
BAD, TWIN, UNFAIR, LEAKED = 2, (9, 12), 4, 7  # rows of the planted faults


def world(seed, *, planted, people=PEOPLE, asked=None):
    """Answers to ten items on each of three skills that correlate .5; who is in the focal group; who came late."""
    rng = np.random.default_rng(seed)
    theta = rng.multivariate_normal(np.zeros(3), 0.5 + 0.5 * np.eye(3), people)
    skill = np.arange(COUNT) % 3
    slope, easiness = np.exp(rng.normal(0.25, 0.3, COUNT)).clip(0.6, 2.5), rng.normal(0, 1, COUNT)
    focal, late = rng.random(people) < 0.4, rng.random(people) < 0.5
    theta[focal] -= 0.3  # weaker, which is no fault of an item
    logit = slope * theta[:, skill] + easiness
    if planted:
        logit[:, UNFAIR] -= 1.0 * focal
        logit[:, LEAKED] += 1.0 * late
    table = (rng.random(logit.shape) < 1 / (1 + np.exp(-logit))).astype(float)
    if planted:
        table[:, TWIN[1]] = np.where(rng.random(people) < 0.5, table[:, TWIN[0]], table[:, TWIN[1]])
        table[:, BAD] = rng.random(people) < 0.3 + 0.5 * (np.abs(theta[:, BAD % 3]) < 0.7)
    if asked is not None:
        table[np.argsort(rng.random(table.shape), axis=1).argsort(axis=1) >= asked] = np.nan
    return table, focal, late


ITEMS = {f"i{n}": Item(f"i{n}", ("abc"[n % 3],), 2, 0.0) for n in range(COUNT)}


def judged(seed, **how):
    table, focal, late = world(seed, **how)
    said = responses_of(table, ITEMS)
    grouping = Grouping("language", tuple("Spanish" if one else "English" for one in focal))
    return judge.judge(calibrate.fit(ITEMS, said), said, groupings=[grouping], time=late.astype(float))


@pytest.fixture(scope="module")
def faulty():
    return judged(1, planted=True)


def about(found, check):
    return [one for one in found.reasons if one.check == check and one.weight == "refuse"]


def test_every_planted_fault_is_found_and_nothing_else_is_refused(faulty):
    assert faulty.verdict == "refuse"
    assert [one.items for one in about(faulty, "items")] == [[f"i{BAD}"]]
    assert [one.items for one in about(faulty, "groups")] == [[f"i{UNFAIR}"]]
    assert [one.items for one in about(faulty, "drift")] == [[f"i{LEAKED}"]]
    (pair,) = about(faulty, "pairs")
    assert all(f"i{row}" in pair.why for row in TWIN)
    assert len(
        about(faulty, "pairs") + about(faulty, "items") + about(faulty, "groups") + about(faulty, "drift")
    ) == len([one for one in faulty.reasons if one.weight == "refuse"])
    assert set(faulty.leave_out) - {f"i{row}" for row in TWIN} == {f"i{row}" for row in (BAD, UNFAIR, LEAKED)}


def test_the_size_of_a_shift_is_told_with_an_interval_that_holds_it(faulty):
    (groups,) = faulty.groups
    for comparison, row, truth in ((groups, UNFAIR, -1.0), (faulty.drift, LEAKED, 1.0)):
        (shift,) = [one for one in comparison.items if one.item == f"i{row}"]
        assert abs(shift.shift - truth) < 2.6 * shift.se
        assert shift.seen == pytest.approx(2.8 * shift.se)
    assert set(groups.ahead) == {"a", "b", "c"}
    np.testing.assert_allclose(list(groups.ahead.values()), -0.3, atol=0.15)


@pytest.mark.slow
def test_clean_answers_are_let_through_and_flags_keep_their_nominal_rate():
    found = [judged(100 + n, planted=False, asked=20) for n in range(8)]
    assert all(one.verdict != "refuse" for one in found)
    share = np.mean([item.p_value < 0.05 for one in found for item in one.items])
    assert share < 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / (8 * COUNT))
    people = sum(one.persons.judged for one in found)
    assert sum(one.persons.below for one in found) / people == pytest.approx(0.05, abs=0.02)
    z = [shift.shift / shift.se for one in found for shift in [*one.groups[0].items, *one.drift.items]]
    assert np.mean(np.abs(z) > 1.96) == pytest.approx(0.05, abs=2.6 * np.sqrt(0.05 * 0.95 / len(z)))
    assert sum(one.pairs.flagged for one in found) == 0


def test_few_people_get_no_verdict_on_items_and_groups():
    found = judged(3, planted=False, people=60)
    assert found.verdict == "refuse"
    assert any("100 people or more" in one.why for one in found.reasons)
    (groups,) = found.groups
    assert not groups.compared or groups.unclear > 0
    assert {one.check for one in found.reasons} & {"groups"}


def test_a_scale_made_with_other_people_says_so_and_its_items_are_not_blamed():
    table, *_ = world(5, planted=False)
    scale = calibrate.fit(ITEMS, responses_of(table, ITEMS))
    moved = scale.model_copy(update={"prior": calibrate.Prior(mean=[-0.7] * 3, covariance=scale.prior.covariance)})
    found = judge.judge(moved, responses_of(table, ITEMS))
    assert [one.check for one in found.reasons if "not the people" in one.why] == ["skills"] * 3
    assert not about(found, "items")


def test_correlations_that_do_not_hold_are_refused():
    table, *_ = world(6, planted=False)
    said = responses_of(table, ITEMS)
    alone = calibrate.fit(ITEMS, said, calibrate.Way(independent=True))
    assert len(about(judge.judge(alone, said), "correlations")) == 3


def test_the_area_under_the_curve_counts_pairs():
    rng = np.random.default_rng(0)
    x, right = rng.integers(0, 9, 60).astype(float), rng.random(60) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in x[right] for b in x[~right]]
    assert auc(x, right) == pytest.approx(np.mean(pairs))
    assert auc(x, np.ones(60, dtype=bool)) is None


# -- the command and its report --------------------------------------------------------------------


@pytest.fixture
def files(tmp_path, monkeypatch):
    table, focal, late = world(1, planted=True, people=600)
    said = responses_of(table, ITEMS)
    (tmp_path / "s.json").write_text(calibrate.fit(ITEMS, said).model_dump_json())
    with (tmp_path / "r.csv").open("w", newline="") as lines:
        write = csv.writer(lines)
        write.writerow(["person", "time", *ITEMS])
        write.writerows(
            [f"p{n}", "2026-05-02" if late[n] else "2026-01-02T10:00", *row] for n, row in enumerate(table.astype(int))
        )
    with (tmp_path / "g.csv").open("w", newline="") as lines:
        write = csv.writer(lines)
        write.writerow(["person", "language"])
        write.writerows([f"p{n}", "<b>Spanish" if one else "English"] for n, one in enumerate(focal))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["assay", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0, *capsys.readouterr()


def test_the_command_writes_report_and_json_and_its_exit_code_is_the_answer(files, monkeypatch, capsys):
    words = ["judge", "r.csv", "--scale", "s.json", "--groups", "g.csv", "--report", "r.html", "--json"]
    code, told, _ = run(monkeypatch, capsys, *words)
    assert code == 1
    found = json.loads(told)
    assert found["verdict"] == "refuse"
    assert f"i{BAD}" in found["leave_out"]
    assert found["drift"]["compared"]
    html = (files / "r.html").read_text()
    assert "<b>Spanish" not in html  # labels are text
    assert not re.findall(r"(?:src|href)=\"(?!#)[^\"]*\"|https?://", html)
    assert html.count("<svg") == html.count('role="img"') > 8
    assert "nan" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL).lower().split()


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
def test_the_report_is_accessible_and_fits_a_phone(faulty, chromium, width, tmp_path):
    (tmp_path / "report.html").write_text(page(faulty), encoding="utf-8")
    tab = chromium.new_page(viewport={"width": width, "height": 800})
    tab.goto((tmp_path / "report.html").as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true })")
    assert [one["id"] for one in Axe().run(tab).response["violations"]] == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.close()
