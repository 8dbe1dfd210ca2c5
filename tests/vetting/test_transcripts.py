"""`assay grade` and `assay regrade` as people run them: their own transcripts and probes, over real HTTP."""

from __future__ import annotations

import csv
import json
from io import StringIO

import pytest
import yaml

from api.commands import grade
from item_bank.load import load
from tests.llm_server import Say, serving
from tests.vetting.attacks.models import honest
from vetting import tables
from vetting.agreement import rating_table
from vetting.grades import transcripts
from vetting.grades.grading import panel
from vetting.models.llm import Access
from vetting.tables import TableFaultError

PROBES = load().probes
PROBE = next(probe for probe in PROBES.values() if probe.language == "en")
PRICES = {"openai/scripted": (1.0, 2.0)}


def spoken(answer, level, probe=PROBE):
    text = "\n".join(one.levels[level].example for one in probe.criteria)
    turns = [{"who": "interviewer", "text": probe.opening}, {"who": "applicant", "text": text}]
    return {"answer": answer, "probe": probe.id, "turns": turns}


def written(file, lines):
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return file


@pytest.fixture
def three(tmp_path):
    return written(tmp_path / "transcripts.jsonl", [spoken(f"a{level}", level) for level in range(3)])


@pytest.fixture(autouse=True)
def _priced(monkeypatch):
    monkeypatch.setenv("ASSAY_PRICES", json.dumps(PRICES))


def rows(file):
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def by_one(server, **others):
    return panel(Access((server.model,), seconds=5, deadline=8, prices=PRICES, **others), [server.model])


# -- the command -----------------------------------------------------------------------------------


def test_transcripts_become_a_table_that_assay_raters_reads_and_can_be_read_again(assay, three, tmp_path):
    target = tmp_path / "GRADES.csv"
    with serving(honest) as server:
        done = assay("grade", three, "--raters", f"{server.model},{server.model}#grade-by-evidence", "--out", target)
        asked = len(server.requests)
        assert done.returncode == 0, done.stderr
        found = rows(target)
        version = found[0]["rater"].rpartition("@")[2]
        again = assay("regrade", target.with_suffix(".calls.jsonl"), "--prompt", version, "--json")
        assert len(server.requests) == asked
    assert len(found) == 3 * 2 * len(PROBE.criteria)
    assert all(one["level"] == one["answer"][1:] for one in found)
    assert all(one["quote"] or one["level"] == "0" for one in found)
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout)
    assert len(told) == 3 * len(PROBE.criteria)
    assert all(one["same"] for one in told)
    assert len(rating_table.read(target).raters) == 2


def test_no_quote_in_a_table_of_grades_is_a_formula_and_every_other_letter_stays():
    quotes = ['=HYPERLINK("http://x")', "+1", "-1", "@A1", "\t=1", 'plain, "quoted"\nand long', "a = b", ""]
    told = grade.table(("answer", "quote"), [{"answer": n, "quote": quote} for n, quote in enumerate(quotes)])
    found = [row["quote"] for row in csv.DictReader(StringIO(told, newline=""))]
    assert found == [f"'{quote}" for quote in quotes[:5]] + quotes[5:]
    assert [tables.written(one) for one in found] == quotes


def test_anybodys_probes_will_do(assay, tmp_path):
    own = PROBE.model_dump(mode="json") | {"id": "own-question"}
    folder = tmp_path / "probes"
    folder.mkdir()
    (folder / "own-question.yaml").write_text(yaml.safe_dump(own, allow_unicode=True), encoding="utf-8")
    lines = written(tmp_path / "t.jsonl", [spoken("a1", 1) | {"probe": "own-question"}])
    done = assay("grade", lines, "--probes", folder, "--raters", "offline", "--json")
    assert done.returncode == 0, done.stderr
    assert {one["rater"] for one in json.loads(done.stdout)["grades"]} == {"offline:words@1"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--raters", ""], "Maybe give --raters MODEL"),
        (["--raters", "offline", "--probes", "nowhere"], "holds no probe"),
        (["--raters", "openai/nobody-knows", "--budget", "1"], "a budget cannot be kept without prices"),
        (["--raters", "openai/scripted#poem"], "Maybe one of"),
    ],
)
def test_what_cannot_be_used_is_one_clear_message_and_exit_code_two(assay, monkeypatch, three, arguments, said):
    for name in ("ASSAY_MODELS", "ASSAY_RATERS"):
        monkeypatch.setenv(name, "")
    done = assay("grade", three, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_every_fault_of_a_file_is_told_with_its_line(tmp_path):
    lines = [
        spoken("a1", 1), spoken("a1", 1), spoken("a2", 1) | {"probe": PROBE.id + "x"}, {"answer": "a3"},
        spoken("a4", 1) | {"turns": [{"who": "interviewer", "text": "Well?"}]},
    ]  # fmt: skip
    with pytest.raises(TableFaultError) as wrong:
        transcripts.read(written(tmp_path / "t.jsonl", lines), PROBES)
    said = str(wrong.value)
    for part in ("t.jsonl:2: answer: 'a1' stands twice", "t.jsonl:3: probe: there is no probe", "t.jsonl:4: probe:",
                 "t.jsonl:5: turns: none is the applicant's"):  # fmt: skip
        assert part in said
    assert f"Maybe {PROBE.id!r}" in said or PROBE.id in said


# -- going on --------------------------------------------------------------------------------------


def test_a_run_that_was_broken_off_goes_on_and_asks_nothing_twice(three, tmp_path):
    todo, log = transcripts.read(three, PROBES), tmp_path / "log.jsonl"
    with serving(honest) as server:
        transcripts.run(todo[:2], by_one(server), log, at_once=1)
        asked = len(server.requests)
        with log.open("a", encoding="utf-8") as out:
            out.write('{"answer": "a2", "raters": ["cut o')  # the power failed here
        whole = transcripts.run(todo, by_one(server), log, at_once=1)
        assert len(server.requests) == asked * 3 // 2
    assert [line.answer for line in whole.lines] == ["a0", "a1", "a2"]
    assert len(log.read_text(encoding="utf-8").splitlines()) == 3


def test_a_line_without_its_end_is_not_run_into_the_next(three, tmp_path):
    todo, log = transcripts.read(three, PROBES), tmp_path / "log.jsonl"
    with serving(honest) as server:
        transcripts.run(todo[:1], by_one(server), log)
        log.write_bytes(log.read_bytes().rstrip(b"\n"))
        transcripts.run(todo, by_one(server), log)
    assert list(transcripts.read_log(log)) == ["a0", "a1", "a2"]


def test_a_fault_that_passes_is_tried_again_by_the_next_run(three, tmp_path):
    todo, log = transcripts.read(three, PROBES)[1:2], tmp_path / "log.jsonl"
    with serving(Say(fault="500")) as server:
        first = transcripts.run(todo, by_one(server), log)
        server.says[:] = [honest]
        second = transcripts.run(todo, by_one(server), log)
    assert first.lines[0].grades == []
    assert len(second.lines[0].grades) == len(PROBE.criteria)


def test_other_raters_do_not_go_on_with_a_log(three, tmp_path):
    todo, log = transcripts.read(three, PROBES), tmp_path / "log.jsonl"
    transcripts.run(todo, panel(Access(), [], offline=True), log)
    with serving(honest) as server, pytest.raises(TableFaultError, match="Maybe give another --out"):
        transcripts.run(todo, by_one(server), log)


def test_the_budget_ends_a_run_between_transcripts_and_is_kept(three, tmp_path):
    todo, log = transcripts.read(three, PROBES), tmp_path / "log.jsonl"
    with serving(honest) as server:
        free = transcripts.run(todo[:1], by_one(server), None)
        one = sum(call["cost"] for call in free.lines[0].calls)
        most = 4.5 * one
        poor = transcripts.run(todo, by_one(server, money=most), log, at_once=1)
    spent = sum(call["cost"] for line in poor.lines for call in line.calls)
    assert spent <= most
    assert 0 < len(poor.lines) == 3 - poor.left < 3
    assert all(line.grades for line in poor.lines)
