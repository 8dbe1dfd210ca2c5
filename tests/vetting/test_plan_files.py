"""A plan from files: every fault of a table is named, unchanged input gives the same plan, the rules hold."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import numpy as np
import pytest
from typer.testing import CliRunner

from api.cli import app
from vetting.plans import plan_files
from vetting.scope import ProgramForm
from vetting.tables import TableFaultError

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SKILLS = ("reading", "proof")


@pytest.fixture
def program():
    return ProgramForm(
        name="Week",
        queues=[
            {"name": "Proofs", "skills": {"proof": 1}, "bars": {"proof": -0.5}, "units": 40, "value": 90},
            {"name": "Essays", "skills": {"reading": 1, "proof": 0.2}, "units": 60, "value": 60, "language": "de"},
        ],
    )


@pytest.fixture
def experts(tmp_path, rng):
    file = tmp_path / "experts.csv"
    rows = ["expert,hours,pay,languages,reading,reading:sd,proof"]
    rows += [
        f"p{n},{rng.integers(5, 30)},40,{'en;de' if n % 2 else 'en'},{rng.normal():.2f},0.4,{rng.normal(0.5):.2f}"
        for n in range(40)
    ]
    file.write_text("\n".join(rows))
    return file


def test_the_plan_keeps_hours_languages_and_bars(experts, program):
    pool = plan_files.read_experts(experts)
    account = plan_files.plan(pool, program, [], NOW, 10)
    assert account["gap"] < 1e-6
    assert account["hours"]
    spent = dict.fromkeys(pool.axis.ids, 0.0)
    for row in account["hours"]:
        e = pool.axis.position[row["expert"]]
        spent[row["expert"]] += row["hours"]
        if row["queue"] == "Essays":
            assert "de" in pool.languages[e]
        else:
            step = {"produce": 0.0, "review": 0.3}[row["role"]]
            assert pool.means[e, 1] - 1.2816 * pool.sds[e, 1] >= -0.5 + step - 1e-3
    assert all(hours <= pool.week[pool.axis.position[who]] + 1e-6 for who, hours in spent.items())


def test_names_that_a_spreadsheet_takes_for_formulas_are_texts_and_are_found_again(experts, program, tmp_path):
    experts.write_text(experts.read_text().replace("\np", "\n=p"))
    pool = plan_files.read_experts(experts)
    plus = replace_queue(program, "+Proofs")
    account = plan_files.plan(pool, plus, [], NOW, 10)
    file = tmp_path / "plan.csv"
    file.write_text(plan_files.as_table(account))
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["expert"][:3] for row in rows} == {"'=p"}
    assert "'+Proofs" in {row["queue"] for row in rows}
    assert len(plan_files.read_previous(file, pool, plus)) == len(rows) == len(account["hours"])


def replace_queue(program, name):
    first, *rest = program.queues
    return program.model_copy(update={"queues": [first.model_copy(update={"name": name}), *rest]})


def test_an_unchanged_input_gives_the_same_plan(experts, program, tmp_path):
    pool = plan_files.read_experts(experts)
    first = plan_files.as_table(plan_files.plan(pool, program, [], NOW, 10))
    (tmp_path / "plan.csv").write_text(first)
    before = plan_files.read_previous(tmp_path / "plan.csv", pool, program)
    again = plan_files.as_table(plan_files.plan(pool, program, before, NOW, 10))

    def hours(table):
        return {(r["expert"], r["queue"], r["role"]): float(r["hours"]) for r in csv.DictReader(StringIO(table))}

    assert hours(again).keys() == hours(first).keys()
    for seat, planned in hours(first).items():
        assert hours(again)[seat] == pytest.approx(planned, abs=1e-3)  # the file holds four decimals


def test_the_same_files_within_the_hour_have_the_same_plan_to_the_last_digit(experts, program):
    pool = plan_files.read_experts(experts)
    due = [queue.model_copy(update={"due": (NOW + timedelta(days=6)).date()}) for queue in program.queues]
    asked = program.model_copy(update={"queues": due})
    first, later, next_day = (
        plan_files.as_table(plan_files.plan(pool, asked, [], NOW + timedelta(minutes=waited), 10))
        for waited in (3, 56, 24 * 60)
    )
    assert first == later
    assert first != next_day


def test_a_plan_from_files_explores_and_keeps_a_mix_where_the_queues_ask_for_it(experts, program):
    pool = plan_files.read_experts(experts)
    assert plan_files.plan(pool, program, [], NOW, 10)["exploring"] is None
    vague = replace(pool, sds=np.where(np.arange(40)[:, None] % 2, 0.2, 0.8) * np.ones_like(pool.sds))
    dear = [queue.model_copy(update={"value": 900.0}) for queue in program.queues]
    tried = plan_files.plan(vague, program.model_copy(update={"explore": 0.2, "queues": dear}), [], NOW, 10)
    assert 0 < tried["exploring"]["share"] <= 0.2
    assert sum(row["learning"] for row in tried["hours"]) == pytest.approx(tried["exploring"]["hours"], abs=0.2)
    parts = [queue.model_copy(update={"part": queue.name, "units": 900}) for queue in program.queues]
    mix = {"Proofs": 0.25, "Essays": 0.75}
    body = plan_files.plan(pool, program.model_copy(update={"queues": parts, "mix": mix}), [], NOW, 10)
    total = sum(row["hours"] for row in body["hours"])
    for name, share in mix.items():
        assert sum(row["hours"] for row in body["hours"] if row["queue"] == name) / total == pytest.approx(
            share, abs=0.02
        )


def test_csv_and_parquet_say_the_same(experts, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import csv as reader
    from pyarrow import parquet

    parquet.write_table(reader.read_csv(experts), tmp_path / "experts.parquet")
    one, two = plan_files.read_experts(experts), plan_files.read_experts(tmp_path / "experts.parquet")
    assert one.axis.ids == two.axis.ids
    np.testing.assert_allclose(one.means, two.means)
    assert one.languages == two.languages
    assert pyarrow


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("expert,hours,proof\n", "holds no expert"),
        ("name,hours,proof\na,5,0", "column 'expert' is missing"),
        ("expert,hours\na,5", "holds no skill"),
        ("expert,hours,proof,essay:sd\na,5,0,1", "has no column 'essay'"),
        ("expert,hours,proof\na,-1,0", "hours of 'a' is '-1'"),
        ("expert,hours,proof\na,,0", "hours of 'a' is ''"),
        ("expert,hours,proof\na,5,nan", "proof of 'a' is 'nan'"),
        ("expert,hours,proof,proof:sd\na,5,0,0", "proof:sd of 'a' is '0'"),
        ("expert,hours,proof\na,5,0\na,6,1", ":3: expert 'a' stands on line 2 already"),
        ("expert,hours,proof\n,5,0", "the expert is empty"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path, text, said):
    file = tmp_path / "experts.csv"
    file.write_text(text)
    with pytest.raises(TableFaultError, match=r".") as refused:
        plan_files.read_experts(file)
    assert said in str(refused.value)


def test_a_skill_that_no_expert_has_a_column_for_is_refused(experts, program):
    pool = plan_files.read_experts(experts)
    strange = program.model_copy(update={"queues": [program.queues[0].model_copy(update={"skills": {"prof": 1.0}})]})
    with pytest.raises(ValueError, match="no skill 'prof'"):
        plan_files.plan(pool, strange, [], NOW, 10)


def test_a_plan_from_files_tells_what_more_would_bring_where_it_is_asked(experts, program, tmp_path):
    queues, target = tmp_path / "queues.yaml", tmp_path / "plan.csv"
    queues.write_text(program.model_dump_json(exclude_defaults=True))
    said = ["plan", "--experts", str(experts), "--queues", str(queues), "--out", str(target)]
    told = json.loads(CliRunner().invoke(app, [*said, "--gains", "--json"]).stdout)
    people, days = told["gains"]["more"]["people"], told["gains"]["more"]["days"]
    assert [len(row["who"]) for row in people] == [1, 2, 4]  # of forty
    assert 0 < people[0]["gain"] <= people[1]["gain"] <= people[2]["gain"]
    assert [row["unit"] for row in days] == ["days"] * 3
    printed = CliRunner().invoke(app, [*said, "--gains"]).stdout
    assert "What more would bring" in printed
    assert f"1 person like {people[0]['who'][0]}" in printed
    assert "What more would bring" not in CliRunner().invoke(app, said).stdout
    parts = CliRunner().invoke(app, ["plan", "--experts", str(tmp_path), *said[3:], "--gains"])
    assert "not for a pool in parts" in str(parts.exception)
