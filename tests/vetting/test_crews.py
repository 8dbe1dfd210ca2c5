"""Estimates do not depend on where the passes run; what cannot run says why."""

from __future__ import annotations

import os

import numpy as np
import pytest

from irt.calibration import calibrate
from irt.design import answers_from_table, design_from_table
from tests.conftest import lacking
from vetting.calibration import crews

PARTS = ("slope", "threshold")


@pytest.fixture(scope="module")
def answered():
    """5,000 simulated people, three shards, two skills, a fifth of the answers missing."""
    rng = np.random.default_rng(5)
    skill = np.arange(10) % 2
    theta = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 5000)
    chance = 1 / (1 + np.exp(-(rng.uniform(0.8, 2.0, 10) * theta[:, skill] + rng.normal(0, 1, 10))))
    level = np.where(rng.random(chance.shape) < 0.8, rng.random(chance.shape) < chance, -1)
    answers, design = answers_from_table(level), design_from_table(np.eye(2)[skill])
    return answers, design, calibrate(answers, design, exact=False)


def same_to_the_last_bit(one, other):
    for name in PARTS:
        np.testing.assert_array_equal(getattr(one.items, name), getattr(other.items, name))
    np.testing.assert_array_equal(one.covariance, other.covariance)
    np.testing.assert_array_equal(one.item_covariance, other.item_covariance)
    assert one.log_likelihood == other.log_likelihood
    assert one.iterations == other.iterations


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_processes_gives_the_same_estimates(answered, workers):
    answers, design, alone = answered
    with crews.crew(workers) as crew:
        same_to_the_last_bit(alone, calibrate(answers, design, exact=False, crew=crew))


def test_one_crew_serves_one_fit_after_the_other(answered):
    answers, design, alone = answered
    with crews.crew(2) as crew:
        few = calibrate(answers.people(slice(0, 300)), design, exact=False, crew=crew)  # one shard: one worker
        assert few.converged
        same_to_the_last_bit(alone, calibrate(answers, design, exact=False, crew=crew))


def test_a_dask_cluster_gives_the_same_estimates(answered):
    try:
        from distributed import LocalCluster
    except ImportError:
        lacking("dask", "distributed is not installed: the extra of that name brings it")
    answers, design, alone = answered
    local = LocalCluster(
        n_workers=2, processes=False, threads_per_worker=1, dashboard_address=None, protocol="tcp", host="127.0.0.1"
    )
    with local, crews.crew(dask=local.scheduler_address) as crew:
        same_to_the_last_bit(alone, calibrate(answers, design, exact=False, crew=crew))


def test_a_scheduler_that_does_not_answer_is_bad_input(monkeypatch):
    pytest.importorskip("distributed", reason="the extra `distributed` is not installed")
    monkeypatch.setattr(crews, "PATIENCE", "500ms")
    with pytest.raises(OSError, match="no scheduler answers"), crews.crew(dask="tcp://127.0.0.1:9"):
        pass


def test_processes_and_a_cluster_at_once_are_refused():
    with pytest.raises(ValueError, match="one or the other"), crews.crew(2, "tcp://127.0.0.1:8786"):
        pass


def test_a_worker_that_dies_is_told_from_a_wrong_answer(answered):
    answers, *_ = answered
    with crews.crew(2) as crew:
        hands = crew([answers.people(slice(0, 100)), answers.people(slice(100, 200))])
        with pytest.raises(OSError, match="ended early"):
            list(hands.each(end_of_process))


def end_of_process(shard):
    os._exit(9 if shard else 0)  # as the system ends a process when memory runs out


def test_runs_cover_all_shards_in_order_and_none_is_empty(answered):
    answers, *_ = answered
    some = [answers.people(slice(n, n + 10)) for n in range(0, 70, 10)]
    for workers in (1, 2, 3, 7, 12):
        parts = crews.runs(some, workers)
        assert [one for part in parts for one in part] == some
        assert all(parts)
        assert len(parts) <= workers
