"""A plan from partitions: wherever the pool is cut, here or on Dask, prices and plan are the same."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from io import StringIO
from itertools import pairwise

import numpy as np
import pytest

from vetting.plans import plan_parts
from vetting.scope import ProgramForm
from vetting.tables import TableFaultError

pytest.importorskip("pyarrow")
NOW = datetime(2026, 3, 2, tzinfo=UTC)
PEOPLE = 400


@pytest.fixture
def program():
    return ProgramForm(
        name="Week",
        queues=[
            {"name": "Proofs", "skills": {"proof": 1}, "bars": {"proof": -0.5}, "units": 4000, "value": 90},
            {"name": "Essays", "skills": {"reading": 1, "proof": 0.2}, "units": 3000, "value": 70, "reviews": 1},
            {"name": "Notes", "skills": {"reading": 1}, "units": 2000, "value": 75, "minutes": 45},
        ],
    )


@pytest.fixture
def pool():
    rng = np.random.default_rng(3)
    return {
        "expert": [f"p{n}" for n in range(PEOPLE)],
        "hours": rng.integers(5, 30, PEOPLE).astype(float),
        "pay": rng.uniform(30, 50, PEOPLE),
        "reading": rng.normal(size=PEOPLE),
        "proof": rng.normal(0.5, 1.0, PEOPLE),
    }


def cut(pool, folder, parts):
    from pyarrow import parquet, table

    folder.mkdir()
    edges = np.linspace(0, PEOPLE, parts + 1).astype(int)
    for n, (low, high) in enumerate(pairwise(edges)):
        parquet.write_table(table({name: some[low:high] for name, some in pool.items()}), folder / f"{n}.parquet")
    return folder


def test_any_number_of_partitions_gives_the_same_prices(pool, program, tmp_path):
    found = [plan_parts.plan_parts(cut(pool, tmp_path / str(n), n), program, NOW)[0] for n in (1, 2, 5, 8)]

    for other in found[1:]:
        assert np.abs(other.price - found[0].price).max() <= 1e-9 * np.abs(found[0].price).max()
        assert other.plan.value == pytest.approx(found[0].plan.value, rel=1e-6)
    assert max(one.rounds for one in found) <= 80
    assert found[0].plan.gap <= 1e-4


def test_wishes_about_the_whole_are_refused_by_name(pool, program, tmp_path):
    folder = cut(pool, tmp_path / "parts", 2)
    with pytest.raises(ValueError, match=r"^explore: not for a pool in parts. Maybe"):
        plan_parts.plan_parts(folder, program.model_copy(update={"explore": 0.1}), NOW)


def test_dask_workers_find_what_this_process_finds(pool, program, tmp_path):
    distributed = pytest.importorskip("distributed")
    folder = cut(pool, tmp_path / "parts", 3)
    here, _ = plan_parts.plan_parts(folder, program, NOW)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:  # fmt: skip
        there, ids = plan_parts.plan_parts(folder, program, NOW, cluster.scheduler_address)

    assert np.abs(there.price - here.price).max() <= 1e-9 * np.abs(here.price).max()
    assert there.plan.hours == pytest.approx(here.plan.hours, abs=1e-6)
    rows = list(csv.DictReader(StringIO(plan_parts.as_table(there, ids, program))))
    spent = dict.fromkeys(pool["expert"], 0.0)
    for row in rows:
        spent[row["expert"]] += float(row["hours"])
    assert rows
    assert all(float(row["minutes"]) > 0 and None not in row.values() for row in rows)  # each under its own heading
    assert all(spent[who] <= hours + 1e-6 for who, hours in zip(pool["expert"], pool["hours"], strict=True))
    made = plan_parts.account(there, program)
    assert made["experts"] == PEOPLE
    assert all(queue["accepted"] <= queue["units"] * (1 + 1e-6) for queue in made["queues"])


def test_an_earlier_plan_is_kept_wherever_the_pool_is_cut(pool, program, tmp_path):
    first, ids = plan_parts.plan_parts(cut(pool, tmp_path / "two", 2), program, NOW)
    earlier = tmp_path / "PLAN.csv"
    earlier.write_text(plan_parts.as_table(first, ids, program), encoding="utf-8")
    again, _ = plan_parts.plan_parts(cut(pool, tmp_path / "five", 5), program, NOW, previous=earlier)
    tired = {**pool, "hours": np.where(np.arange(PEOPLE) % 20 == 0, 0.5, 1.0) * pool["hours"]}
    later = [
        plan_parts.plan_parts(cut(tired, tmp_path / f"later {n}", n), program, NOW, previous=earlier)[0] for n in (1, 3)
    ]
    free, _ = plan_parts.plan_parts(cut(tired, tmp_path / "free", 2), program, NOW)

    assert where(again) == where(first)
    assert np.abs(later[0].price - later[1].price).max() <= 1e-9 * np.abs(later[0].price).max()
    stayed = [sum(min(hours, where(plan).get(seat, 0.0)) for seat, hours in where(first).items())
              for plan in (*later, free)]  # fmt: skip
    assert stayed[0] == pytest.approx(stayed[1], rel=1e-3)
    assert stayed[0] >= stayed[2]


def where(found):
    problem, used = found.problem, np.flatnonzero(found.plan.hours > 0)
    return {
        (int(problem.expert[a]), int(problem.queue[a]), int(problem.role[a])): float(f"{found.plan.hours[a]:.12g}")
        for a in used
    }


def test_what_is_wrong_with_partitions_is_named(pool, program, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(TableFaultError, match="one folder deeper"):
        plan_parts.plan_parts(tmp_path / "none", program, NOW)
    folder = cut(pool, tmp_path / "twice", 2)
    (folder / "2.parquet").write_bytes((folder / "0.parquet").read_bytes())
    with pytest.raises(TableFaultError, match="stands in two partitions"):
        plan_parts.plan_parts(folder, program, NOW)
