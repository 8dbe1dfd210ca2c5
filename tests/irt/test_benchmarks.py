"""Benchmarks can be listed and run by name, and say the same to a reader and to a program."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import exposure, minutes, peers, selection, stopping
from irt.model import probability, projection
from irt.simulation import random_items


def test_every_benchmark_is_listed_with_what_it_measures(capsys):
    assert benchmarks.main([]) == 0

    words = capsys.readouterr().out
    for name in ("beliefs", "selection", "minutes", "exposure", "stopping"):
        assert f"  {name} " in words


def test_a_benchmark_that_does_not_exist_is_refused(capsys):
    assert benchmarks.main(["speed of light"]) == 2
    assert "Maybe one of" in capsys.readouterr().err


def test_minutes_are_compared_with_other_ways_to_ask(capsys):
    minutes.main(["--people", "3", "--only", "binary search", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert found["SE .40"]["hinge"]["mean minutes"] < found["SE .40"]["binary search"]["mean minutes"]


def test_security_costs_minutes(capsys):
    exposure.main(["--people", "25", "--learners", "25", "--json"])

    (found,) = json.loads(capsys.readouterr().out).values()
    assert found["closed, limit 0.20"]["times as many"] > 1
    assert found["closed, limit 0.20"]["max exposure"] <= 0.2 + 1 / 25


def test_stopping_rules_are_compared(capsys):
    stopping.main(["--people", "20", "--json"])

    for rules in json.loads(capsys.readouterr().out).values():
        assert rules["optimal stopping"]["minutes"] < 90


def test_adaptive_steps_run_alone_and_say_how_to_have_peers(capsys, monkeypatch):
    monkeypatch.setattr(peers, "missing", lambda _name: True)

    selection.main(["--only", "steps", "--people", "20", "--json"])

    told = capsys.readouterr()
    assert "catsim, adaptivetesting" in told.err
    assert "pip install --group bench" in told.err
    for rows in json.loads(told.out).values():
        assert set(rows) == {"ours"}
        assert rows["ours"]["rmse"] < 0.6  # knowing nothing: 1; twenty informative answers: about .3


def test_peers_are_given_the_items_in_their_own_parameters():
    items = random_items(50, 1, np.random.default_rng(3), graded=0.0, two=0.0)
    theta = np.array([[0.7]])

    a, b, c = peers.three(items)

    np.testing.assert_allclose(
        c + (1 - c) / (1 + np.exp(-a * (theta - b))), probability(projection(theta, items), items)[..., 1]
    )


@pytest.mark.parametrize("name", ["catsim", "adaptivetesting"])
def test_a_peer_answers_for_itself_and_asks_nothing_twice(name):
    pytest.importorskip(name)
    items = random_items(60, 1, np.random.default_rng(4), graded=0.0, two=0.0)
    step, asked = getattr(peers, name)(items)(), []

    for _ in range(5):
        asked.append(step(asked, [1, 0, 1, 1, 1][: len(asked)])[1])

    assert len(set(asked)) == 5
    high, low = (getattr(peers, name)(items)() for _ in range(2))
    high([], [])
    low([], [])
    assert high([0], [1])[0] > low([0], [0])[0]
