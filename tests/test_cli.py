"""The command line: exit codes 0, 1 and 2, errors in words on the error stream, JSON for machines, nothing halved."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pytest
import yaml
from sqlalchemy import func, select

from api.cli import app
from item_bank.load import HOME
from tests.conftest import ROOT
from tests.vetting.story import expert, role, role_form
from vetting import programs, store
from vetting import scale as scales
from vetting.records import Answer, Pause, PlanRecord, Question, Sitting
from vetting.scope import ProgramForm

HEAVY = ("litellm", "pymc", "matplotlib", "numpy", "scipy", "numba", "sqlalchemy", "pandas", "fastapi")
CLOSED = {"name": "Closed", "queues": [
    {"name": "Proofs", "skills": {"math.proof": 1.0}, "bars": {"math.proof": 2.9}, "units": 10},
]}  # fmt: skip
OPEN = {"name": "Open", "queues": [{"name": "[/]Proofs", "skills": {"math.proof": 1.0}, "units": 10, "reviews": 0}]}


@pytest.fixture
def database(sqlite_engine, bank):
    """An expert called "[/]Eve", a role, and two programs."""
    now = datetime.now(UTC)
    with store.writing(sqlite_engine) as db:
        scales.keep_up(db, bank, now)
        role(db, role_form("math.proof", minutes=5), now)
        expert(db, bank, ["math.proof"], name="[/]Eve", now=now)
        for form in (CLOSED, OPEN):
            programs.keep_program(db, ProgramForm.model_validate(form), now)
    return str(sqlite_engine.url)


def facts(engine, kind):
    with store.reading(engine) as db:
        return db.scalar(select(func.count(kind.id)))


def refused(done, *words):
    """Exit code 2, and an error that says these words without a traceback."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    return True


# -- quick, and helpful ----------------------------------------------------------------------------


def test_help_loads_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import api.cli"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert loaded & set(HEAVY) == set()


def test_every_command_has_help(assay):
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    words = [[command.name or command.callback.__name__] for command in app.registered_commands] + [[g] for g in groups]
    assert len(words) >= 12
    done = assay("--help")
    assert done.returncode == 0
    for (word,) in words:
        assert word in done.stdout


def test_every_command_that_a_message_names_exists():
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    named = set()
    for folder in ("api", "vetting", "item_bank", "irt", "assignment"):
        for file in (ROOT / folder).rglob("*.py"):
            named |= set(re.findall(r"`assay ([a-z]+)", file.read_text(encoding="utf-8")))
    assert named <= known


def test_the_command_is_installed_and_ends_with_its_exit_code(tmp_path):
    command = [sys.executable, "-m", "api.cli", "score", "nothing.csv", "--scale", "nothing.json", "--out", "x.csv"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert refused(done, "nothing.json", "Maybe")


def test_an_unknown_command_is_bad_input(assay):
    assert refused(assay("dance"), "dance")


# -- the bank --------------------------------------------------------------------------------------


def test_the_shipped_bank_passes_and_says_so_in_json(assay):
    done = assay("bank", "check", "--json")
    said = json.loads(done.stdout)
    assert done.returncode == 0
    assert said["items"] >= 120
    assert said["faults"] == []


def test_a_broken_bank_is_bad_input_with_file_and_line(assay, tmp_path):
    (tmp_path / "bank" / "items").mkdir(parents=True)
    shutil.copy(HOME / "skills.yaml", tmp_path / "bank")
    (tmp_path / "bank" / "items" / "broken.yaml").write_text("id: broken\nkind: choice\ntitel: x\n")
    assert refused(assay("bank", "check", "bank"), "broken.yaml:3", "Maybe 'title'")
    done = assay("bank", "check", "bank", "--json")
    assert done.returncode == 2
    assert len(json.loads(done.stdout)["faults"]) > 1
    assert refused(assay("bank", "check", "nowhere"), "Maybe")


# -- tables ----------------------------------------------------------------------------------------

ITEMS = "item,skills\ni1,s\ni2,s\ni3,s\n"


@pytest.mark.parametrize(
    ("responses", "items", "says"),
    [
        ("person,item,score\np,i9,1\n", ITEMS, "r.csv:2: item 'i9' is not known"),
        ("person,item,score\np,i1,2\n", "item,skills,levels\ni1,s,2\n", "r.csv:2: score 2 on item 'i1'"),
        ("person,item,score\np,i1,-1\n", ITEMS, "r.csv:2: score '-1'"),
        ("person,i1,i7\np,1,0\n", ITEMS, "columns are no known item: i7"),
        ("", ITEMS, "is empty"),
        ("person,item,score\np,i1,1\n", "name,skill\n", "item and skills are needed"),
    ],
)
def test_a_table_that_cannot_be_used_leaves_no_scale_behind(assay, tmp_path, responses, items, says):
    (tmp_path / "r.csv").write_text(responses)
    (tmp_path / "i.csv").write_text(items)
    assert refused(assay("fit", "r.csv", "--items", "i.csv", "--out", "scale.json"), says, "Maybe")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["i.csv", "r.csv"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--prior-file", "p.yaml"), "p.yaml: items.i9: no such item"),
        (("--prior-file", "none.yaml"), "none.yaml: no such file"),
        (("--bayes", "--held-out", "0.2"), "one or the other"),
        (("--workers", "2", "--dask", "tcp://127.0.0.1:8786"), "one or the other"),
        (("--bayes", "--independent"), "leave --independent out"),
    ],
)
def test_ways_to_fit_that_make_no_sense_leave_no_scale_behind(assay, tmp_path, words, says):
    (tmp_path / "r.csv").write_text("person,i1,i2,i3\n" + "".join(f"p{n},{n % 2},{n % 3 > 0:d},1\n" for n in range(40)))
    (tmp_path / "i.csv").write_text(ITEMS)
    (tmp_path / "p.yaml").write_text("items: {i9: {slope: 1.0}}")
    assert refused(assay("fit", "r.csv", "--items", "i.csv", "--out", "scale.json", *words), says, "Maybe")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["i.csv", "p.yaml", "r.csv"]


@pytest.mark.parametrize("scale", [None, "", "{", "[]", '{"skills": ["s"]}'])
def test_a_scale_that_cannot_be_read_leaves_no_scores_behind(assay, tmp_path, scale):
    (tmp_path / "r.csv").write_text("person,item,score\np,i1,1\n")
    if scale is not None:
        (tmp_path / "scale.json").write_text(scale)
    assert refused(assay("score", "r.csv", "--scale", "scale.json", "--out", "scores.csv"))
    assert not (tmp_path / "scores.csv").exists()


def test_where_nothing_can_be_written_is_said_before_anything_else_is_lost(assay, tmp_path):
    rows = [f"p{n},i{i},{int((n * 7 + i * 3) % 5 > n % 4)}" for n in range(60) for i in (1, 2, 3)]
    (tmp_path / "r.csv").write_text("person,item,score\n" + "\n".join(rows) + "\n")
    (tmp_path / "i.csv").write_text(ITEMS)
    assert refused(assay("fit", "r.csv", "--items", "i.csv", "--out", "nowhere/scale.json"), "nowhere", "Maybe")


def test_no_command_writes_over_what_it_reads(assay, tmp_path):
    texts = {
        "e.csv": "expert,hours,math.proof\nada,9,1\n", "q.yaml": yaml.safe_dump(OPEN), "i.csv": ITEMS,
        "r.csv": "answer,rater,level\na,x,1\na,y,0\nb,x,0\nb,y,1\n",
    }  # fmt: skip
    for name, said in texts.items():
        (tmp_path / name).write_text(said)
    (tmp_path / "link.csv").symlink_to("e.csv")
    for over in ("e.csv", "q.yaml", "link.csv", tmp_path / "e.csv"):
        done = assay("plan", "--experts", "e.csv", "--queues", "q.yaml", "--out", over)
        assert refused(done, "read here", "another name")
    assert refused(assay("raters", "r.csv", "--out", "./r.csv"), "read here")
    assert refused(assay("agreement", "r.csv", "--out", "r.csv"), "read here")
    assert refused(assay("fit", "r.csv", "--items", "i.csv", "--out", "i.csv"), "read here")
    assert refused(assay("score", "r.csv", "--scale", "i.csv", "--out", "r.csv"), "read here")
    assert refused(assay("link", "i.csv", "--to", "q.yaml", "--out", "q.yaml"), "read here")
    assert refused(assay("judge", "r.csv", "--scale", "i.csv", "--report", "r.csv"), "read here")
    assert {name: (tmp_path / name).read_text() for name in texts} == texts
    assert assay("plan", "--experts", "e.csv", "--queues", "q.yaml", "--out", "p.csv").returncode == 0
    again = assay("plan", "--experts", "e.csv", "--queues", "q.yaml", "--previous", "p.csv", "--out", "p.csv")
    assert again.returncode == 0, again.stderr  # yesterday's plan makes room for today's


# -- people and plans ------------------------------------------------------------------------------


def test_a_dossier_of_nobody_is_bad_input(assay, database):
    assert refused(assay("dossier", "Nobody", "--database", database), "no applicant 'Nobody'", "Maybe")
    assert refused(assay("dossier", "4242", "--database", database), "Maybe")
    assert refused(assay("dossier", "1", "--role", "No role", "--database", database), "no role 'No role'", "Maybe")


def test_a_dossier_is_told_in_words_and_in_json_whatever_the_name(assay, database):
    done = assay("dossier", "[/]Eve", "--database", database)
    assert done.returncode == 0, done.stderr
    assert "[/]Eve" in done.stdout
    told = json.loads(assay("dossier", "1", "--database", database, "--json").stdout, parse_constant=pytest.fail)
    assert told["name"] == "[/]Eve"
    assert len(told["evidence"]) > 0


def test_a_plan_with_a_bar_nobody_clears_is_refused_and_not_kept(assay, database, sqlite_engine):
    assert refused(assay("plan", "Closed", "--database", database), "'Proofs'", "math.proof", "Maybe lower the bar")
    assert facts(sqlite_engine, PlanRecord) == 0
    assert refused(assay("plan", "No program", "--database", database), "Maybe")


def test_a_plan_is_told_in_words_and_in_json_and_kept(assay, database, sqlite_engine):
    done = assay("plan", "Open", "--database", database)
    assert done.returncode == 0, done.stderr
    assert "[/]Proofs" in done.stdout
    told = json.loads(assay("plan", "Open", "--database", database, "--json").stdout, parse_constant=pytest.fail)
    assert told["queues"][0]["accepted"] > 0
    assert facts(sqlite_engine, PlanRecord) == 2


def test_weights_judges_and_customers_verdicts_are_told_in_words_and_in_json(assay, database, tmp_path):
    at = ("--database", database)
    told = assay("program", "weights", "Open", *at)
    assert told.returncode == 0, told.stderr
    assert "Learnt" in told.stdout
    found = json.loads(assay("program", "weights", "Open", *at, "--json").stdout, parse_constant=pytest.fail)
    assert {one["taken"] for one in found["queues"]} == {False}
    queue = found["queues"][0]["queue"]
    assert refused(assay("program", "weights", "Open", "--accept", queue, *at), "Maybe wait")
    assert refused(assay("program", "weights", "Open", "--take-back", queue, *at), "stated weights")
    assert "Nobody has judged made work yet" in assay("reviewers", *at).stdout
    assert json.loads(assay("reviewers", *at, "--json").stdout) == {"reviewers": [], "calibration": None}
    assert "nothing was published" in assay("reviewers", *at, "--publish").stdout
    (tmp_path / "said.csv").write_text("queue,unit,verdict\nNothing,1,accepted")
    assert refused(assay("program", "customer", "Open", "said.csv", *at), "said.csv:2", "Maybe")


@pytest.mark.parametrize("address", ["sqlite:////no/such/folder/x.db", "nonsense", "nonsense://x"])
def test_a_database_that_cannot_be_opened_is_bad_input(assay, address):
    assert refused(assay("dossier", "1", "--database", address), "Maybe")


@pytest.mark.parametrize("text", ["name: x", "name: A role\nskills: {math.magic: {}}", "- a", "name: [", "mintues: 3"])
def test_a_role_file_that_makes_no_sense_is_bad_input(assay, database, tmp_path, text):
    (tmp_path / "role.yaml").write_text(text)
    assert refused(assay("role", "add", "role.yaml", "--database", database))


def test_programs_and_hours_come_from_files_and_words(assay, database, tmp_path):
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(OPEN | {"name": "Another"}))
    assert assay("program", "add", "p.yaml", "--database", database).returncode == 0
    assert assay("hours", "set", "1", "12", "--database", database).returncode == 0
    assert refused(assay("hours", "set", "1", "500", "--database", database), "hours")
    assert refused(assay("program", "add", "nothing.yaml", "--database", database), "nothing.yaml", "Maybe")


def test_a_number_that_no_record_has_and_a_language_that_is_none_are_bad_input(assay, database):
    huge = "9" * 30
    assert refused(assay("dossier", huge, "--database", database), "no applicant", "Maybe")
    assert refused(assay("credential", "list", huge, "--database", database), "no applicant", "Maybe")
    assert refused(assay("take", "--resume", huge, "--database", database), "no sitting", "Maybe")
    assert refused(assay("hours", "set", "1", "8", "--languages", "english", "--database", database), "such as en")
    assert refused(assay("hours", "set", "1", "8", "--languages", " ,", "--database", database), "languages")


# -- a test in the terminal ------------------------------------------------------------------------


def test_a_test_in_the_terminal_is_paused_by_the_end_of_input_and_resumed(assay, database, sqlite_engine):
    first = assay("take", "--role", "A role", "--name", "Tess", "--database", database, typed="y\n\n")
    assert first.returncode == 1
    assert "Go on with" in first.stderr
    number = re.search(r"--resume (\d+)", first.stderr)[1]
    asked, answered = facts(sqlite_engine, Question), facts(sqlite_engine, Answer)
    assert facts(sqlite_engine, Pause) == 1  # the clock stands still until the test is resumed
    again = assay("take", "--resume", number, "--database", database, typed="")
    assert again.returncode == 1
    assert (facts(sqlite_engine, Question), facts(sqlite_engine, Answer)) == (asked, answered)
    assert facts(sqlite_engine, Pause) == 3
    last = assay("take", "--resume", number, "--database", database, typed="\n" * 400)
    assert last.returncode == 0, last.stderr
    assert "What you showed" in last.stdout
    with store.reading(sqlite_engine) as db:
        seat = db.get_one(Sitting, int(number))
        items = [question.item_id for question in seat.questions]
        assert seat.ending is not None
        assert len(items) == len(set(items)) > 1


def test_a_sitting_that_is_not_there_is_bad_input(assay, database):
    assert refused(assay("take", "--resume", "4242", "--database", database), "no sitting 4242", "Maybe")


def test_gold_units_come_from_a_file_whole_or_not_at_all_and_what_was_seen_is_told(assay, database, tmp_path):
    (tmp_path / "gold.csv").write_text("text,verdict,because\n1. So 1 = 2.,reject,1 is not 2.\n")
    (tmp_path / "bad.csv").write_text("text,verdict,because\n1. So 1 = 1.,pass,Clear.\n1. So 1 = 2.,fine,No\n")
    where = ["Open", "[/]Proofs"]
    assert refused(assay("program", "gold", *where, "bad.csv", "--database", database), "line 3: because")
    (tmp_path / "bad.csv").write_text("text,verdict,because\n1. So 1 = 1.,pass,Clear.\n1. So 1 = 2.,fine,Clear.\n")
    assert refused(assay("program", "gold", *where, "bad.csv", "--database", database), "Gold 2: Pick one of: pass")
    assert refused(assay("program", "gold", *where, "none.csv", "--database", database), "no such file", "Maybe")
    assert refused(assay("program", "gold", "Open", "None", "--database", database), "Maybe '[/]Proofs'")
    none = json.loads(assay("program", "gold", *where, "--json", "--database", database).stdout)
    assert none["units"] == []
    done = assay("program", "gold", *where, "gold.csv", "--database", database)
    assert (done.returncode, done.stdout) == (0, "1 gold units in [/]Proofs, numbers 1\n")
    told = json.loads(assay("program", "gold", *where, "--json", "--database", database).stdout)
    assert [(one["verdict"], one["state"], one["of"]) for one in told["units"]] == [("reject", "in use", 0)]
    assert "in use" in assay("program", "gold", *where, "--database", database).stdout
