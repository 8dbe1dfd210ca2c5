"""`assay replay`: tables in, minutes out; faults are named, people are never measured with their own answers."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from irt.population import bifactor
from irt.simulation import random_items, respond
from vetting import tables
from vetting.calibration import replay

DATA = Path(os.environ.get("ASSAY_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
PEOPLE, ITEMS = 120, 24


def write(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture
def asked(tmp_path, rng):
    """(RESPONSES with seconds, ITEMS) of a simulated test of two skills."""
    bank = random_items(ITEMS, 2, rng, graded=0.0, two=0.0)
    level = respond(bifactor(np.full(2, 0.5), np.full(2, 0.1), [0, 0]).draw(PEOPLE, rng), bank, rng)
    seconds = np.exp(rng.normal(4, 0.5, ITEMS) + rng.normal(0, 0.3, (PEOPLE, ITEMS)))
    rows = [[f"p{p}", f"i{i}", level[p, i], f"{seconds[p, i]:.2f}"] for p in range(PEOPLE) for i in range(ITEMS)]
    table = write(tmp_path / "responses.csv", [["person", "item", "score", "seconds"], *rows])
    names = [[f"i{i}", "ab"[bank.skill[i, 0]]] for i in range(ITEMS)]
    return table, write(tmp_path / "items.csv", [["item", "skills"], *names])


def test_a_replay_tells_every_policy_by_minutes(asked):
    table, items = asked
    found = replay.run(replay.read(table, tables.read_items(items)), None, [5, 10], ["engine", "random"])
    assert (found.people, found.answers, found.untimed, found.silent) == (PEOPLE, PEOPLE * ITEMS, 0, 0)
    engine, chance = found.courses
    assert engine.minutes.low <= engine.minutes.value <= engine.minutes.high
    assert [point.minutes for point in engine.table] == [5, 10]
    assert engine.table[0].r < engine.table[1].r
    assert engine.table[0].rmse > engine.table[1].rmse
    assert chance.engine_share.value == pytest.approx(engine.minutes.value / chance.minutes.value)


def test_a_replay_is_the_same_with_the_same_seed(asked):
    recording = replay.read(asked[0], tables.read_items(asked[1]))
    first, second = (replay.run(recording, None, [5], ["random"], seed=3) for _ in range(2))
    assert first == second


def test_nobody_is_replayed_with_what_their_own_answers_taught(asked, rng):
    recording = replay.read(asked[0], tables.read_items(asked[1]))
    parts = replay.halves(recording, None, np.random.default_rng(1))
    assert sorted(np.concatenate([part.people for part in parts])) == list(range(PEOPLE))
    mine = parts[0].people
    minutes = recording.minutes.copy()
    minutes[np.isin(recording.answers.person, mine)] *= rng.uniform(0.1, 10)
    other = replay.halves(
        replay.Recording(recording.items, recording.answers, minutes, recording.design, recording.skills),
        None,
        np.random.default_rng(1),
    )
    np.testing.assert_array_equal(parts[0].ruler.times.intensity, other[0].ruler.times.intensity)
    np.testing.assert_array_equal(parts[0].ruler.items.slope, other[0].ruler.items.slope)


def test_seconds_of_zero_are_counted_and_left_out(asked):
    table, items = asked
    lines = table.read_text().splitlines()
    lines[1] = lines[1].rsplit(",", 1)[0] + ",0"
    lines[2] = lines[2].rsplit(",", 1)[0] + ",-3"
    table.write_text("\n".join(lines))
    found = replay.run(replay.read(table, tables.read_items(items)), None, [5], ["recorded"])
    assert (found.untimed, found.answers) == (2, PEOPLE * ITEMS - 2)


def test_a_wide_pair_of_tables_says_the_same_as_a_long_one(asked, tmp_path):
    with asked[0].open() as file:
        rows = list(csv.DictReader(file))
    head = ["person", *(f"i{i}" for i in range(ITEMS))]
    people = [rows[n : n + ITEMS] for n in range(0, len(rows), ITEMS)]
    wide = {
        field: write(
            tmp_path / f"{field}.csv",
            [head, *([one[0]["person"], *(r[field] for r in one)] for one in people)],
        )
        for field in ("score", "seconds")
    }
    items = tables.read_items(asked[1])
    long, pair = replay.read(asked[0], items), replay.read(wide["score"], items, wide["seconds"])
    np.testing.assert_array_equal(long.minutes, pair.minutes)
    np.testing.assert_array_equal(long.answers.level, pair.answers.level)


def test_a_person_without_answers_is_counted_and_left_out(tmp_path, rng):
    head = ["person", "a", "b", "c", "d"]
    rows = [[f"p{p}", *rng.integers(0, 2, 4)] for p in range(60)]
    scores = write(tmp_path / "s.csv", [head, *rows, ["silent", "", "", "", ""]])
    seconds = write(tmp_path / "t.csv", [head, *([row[0], *rng.uniform(20, 60, 4)] for row in rows)])
    items = write(tmp_path / "i.csv", [["item", "skills"], *([name, "x"] for name in "abcd")])
    found = replay.run(replay.read(scores, tables.read_items(items), seconds), None, [1], ["random"])
    assert (found.people, found.silent) == (60, 1)


def test_a_table_without_seconds_is_refused_with_a_way_out(asked):
    with pytest.raises(tables.TableFaultError, match="--seconds-column"):
        replay.read(asked[0], tables.read_items(asked[1]), column="rt")


def test_an_unknown_item_and_seconds_in_words_are_named_by_line(asked):
    table, items = asked
    text = table.read_text()
    table.write_text(text.replace("p0,i0,", "p0,zz,", 1))
    with pytest.raises(tables.TableFaultError, match=r"responses.csv:2: item 'zz' is not known"):
        replay.read(table, tables.read_items(items))
    lines = text.splitlines()
    lines[3] = lines[3].rsplit(",", 1)[0] + ",soon"
    table.write_text("\n".join(lines))
    with pytest.raises(tables.TableFaultError, match=r"responses.csv:4: seconds 'soon'"):
        replay.read(table, tables.read_items(items))


def test_an_unknown_policy_is_refused_with_those_there_are(asked):
    recording = replay.read(asked[0], tables.read_items(asked[1]))
    with pytest.raises(ValueError, match="Maybe one of: engine"):
        replay.run(recording, None, [5], ["enginee"])


def test_on_public_answers_the_engine_needs_no_more_minutes_than_any_other_order(tmp_path):
    table = DATA / "pisa2018_can_math_rt" / "responses.csv"
    if not table.exists():
        pytest.skip(f"{table.name} of PISA is not here: set ASSAY_DATA to the folder of data sets")
    items = write(tmp_path / "i.csv", [["item", "skills"], *([str(n), "mathematics"] for n in range(1, 13))])
    recording = replay.read(table, tables.read_items(items), column="rt_s")
    names = ["engine", "recorded", "random", "binary-search", "information"]
    found = replay.run(recording, None, [10], names)
    assert all(course.engine_share.value <= 1 for course in found.courses[1:])
