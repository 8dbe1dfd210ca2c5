"""Small versions of the benchmarks of learning and of the year."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import learning, year


def test_outcomes_close_part_of_the_gap_to_a_planner_who_knows_everything(capsys):
    """Two worlds of a third of the size; three worlds of full size close .5 to .7 of it, see docs/benchmarks.md."""
    learning.main(["--experts", "100", "--weeks", "9", "--seeds", "1", "2", "--noise", "0.6", "--json"])

    (found,) = json.loads(capsys.readouterr().out).values()
    assert (found["vetting"]["gap"], found["knowing"]["gap"]) == (0, 1)
    for policy in ("learning", "exploring"):
        assert 0.2 < found[policy]["gap, late"] < 1
        assert found[policy]["rejects, late"] < found["vetting"]["rejects, late"]
    assert 0 < found["exploring"]["explored"] <= 0.1


def test_an_outcome_moves_minutes_and_abilities_towards_the_truth():
    world = learning.draw_world(np.random.default_rng(3), 40, 0.6, 1.6)
    mind = learning.Mind(world)
    start = mind.abilities()
    units = np.full(world.fit.shape, 30.0)
    bad, good = learning.rejection(world), world.truth.acceptance
    counts = units[..., None] * np.stack([bad, 1 - bad - good, good], axis=-1)
    longer = np.log(world.minutes * world.speed[:, None] / world.pace[:, None])
    mind.learn(counts, units * longer)

    told = mind.abilities()
    assert np.abs(told[0] - world.ability).mean() < 0.5 * np.abs(start[0] - world.ability).mean()
    assert (told[1] < start[1]).all()
    believed = np.log(mind.minutes * mind.pace[:, None] / world.pace[:, None])
    assert believed == pytest.approx(longer, abs=0.02)


def test_sprints_that_are_said_to_be_feasible_are_staffed(capsys):
    year.main(["--days", "20", "--seeds", "1", "--people", "100", "--json"])

    (found,) = json.loads(capsys.readouterr().out).values()
    assert found["all"]["sprints"] == found["said feasible"]["sprints"] + found["not said feasible"]["sprints"]
    assert found["said feasible"]["staffed in 48 h"] > found["not said feasible"].get("staffed in 48 h", 0.0)


def test_hours_promised_to_a_sprint_are_gone_until_its_date():
    town = year.settle(np.random.default_rng(1), 3)
    town.busy = [(year.START + year.DAY, town.ids[:1], np.array([2.0]))]
    assert town.free(year.START)[0] == pytest.approx(max(town.week[0] - 2.0, 0.0))
    assert (town.free(year.START + 2 * year.DAY) == town.week).all()


def test_vetting_leaves_the_doubt_it_is_said_to_leave():
    """After vetting the error of the mean has the sd that the belief states: 400 people x half of 12 skills."""
    town = year.settle(np.random.default_rng(2), 400)
    sds = np.sqrt(np.einsum("ess->es", town.cov))[town.role]
    error = (town.mean - town.theta)[town.role] / sds
    assert sds == pytest.approx(np.full(sds.shape, year.ROLE_SHARP))
    assert error.std() == pytest.approx(1.0, abs=0.1)
