"""Benchmarks can be listed and run by name, and say the same to a reader and to a program."""

from __future__ import annotations

import json

from benchmarks import __main__ as benchmarks
from benchmarks import exposure, minutes, stopping


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
