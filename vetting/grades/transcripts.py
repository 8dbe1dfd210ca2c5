"""Transcripts of anybody's interviews, graded by a panel: one JSON line a transcript in, one line a grading out.

    {"answer": "a-17", "probe": "fermi-stairs", "turns": [{"who": "interviewer", "text": …}, {"who": "applicant", …}]}

The log keeps each grading with all its calls, written as it is made: a run that was broken off goes on where it was,
and the verdicts can be read again from it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from item_bank.load import PROBE, BankFaultError, load, shelved
from item_bank.probe import Probe
from vetting.grades import offline_rater
from vetting.grades.grading import Panel, grade
from vetting.grades.hearings import Again, Row, compared, plain_rows, rebuilt, row
from vetting.grades.verdicts import Said
from vetting.messages import Message, faults
from vetting.models.llm import PASSING, Attempt, spent
from vetting.records import Json
from vetting.tables import TableFaultError, near, refuse

SAYS: dict[str, Literal["asks", "says"]] = {
    "applicant": "says", "candidate": "says", "says": "says", "interviewer": "asks", "asks": "asks",
}  # fmt: skip


class TurnLine(Message):
    """One turn of a transcript file."""

    who: Literal["applicant", "candidate", "says", "interviewer", "asks"]
    text: Annotated[str, Field(max_length=20_000)]


class TranscriptLine(Message):
    """One line of a transcript file."""

    answer: Annotated[str, Field(min_length=1, max_length=200)]
    probe: str
    turns: Annotated[list[TurnLine], Field(min_length=1, max_length=200)]


@dataclass(frozen=True)
class Transcript:
    """What was said to one probe."""

    answer: str
    probe: Probe
    turns: tuple[Said, ...]


# -- reading ---------------------------------------------------------------------------------------


def read_probes(where: str, bank: Path | None = None) -> Mapping[str, Probe]:
    """The bank's probes, or those of any folder of YAML files, with or without a bank around them."""
    folder = bank if where == "bank" else Path(where)
    if folder is None or (folder / "skills.yaml").is_file():
        return load(folder).probes
    wrong: list[str] = []
    probes: dict[str, Probe] = shelved(folder, PROBE, None, {}, wrong)
    if not probes and not wrong:
        wrong.append(f"{folder}: holds no probe. Maybe the folder is another, or its files do not end in .yaml.")
    if wrong:
        raise BankFaultError(wrong)
    return probes


def read(file: Path, probes: Mapping[str, Probe]) -> list[Transcript]:
    """TRANSCRIPTS. Raises TableFaultError with every fault, by line."""
    if not file.is_file():
        raise TableFaultError(f"{file}: no such file. Maybe the folder is another.")
    found: dict[str, Transcript] = {}
    wrong: list[str] = []
    for number, text in enumerate(_lines(file), start=1):
        if text.strip():
            wrong += [f"{file}:{number}: {fault}" for fault in _take(found, text, probes)]
    if not found and not wrong:
        wrong.append(f"{file}: holds no transcript. Maybe the export failed.")
    refuse(wrong)
    return list(found.values())


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as wrong:
        raise TableFaultError(f"{file}: is not UTF-8 text ({wrong.reason} at byte {wrong.start}).") from wrong


def _take(found: dict[str, Transcript], text: str, probes: Mapping[str, Probe]) -> Iterator[str]:
    """Keep one line, or say what is wrong with it."""
    try:
        line = TranscriptLine.model_validate_json(text)
    except ValidationError as wrong:
        yield from faults(wrong)
        return
    if line.probe not in probes:
        yield f"probe: there is no probe {line.probe!r}.{near(line.probe, probes)}"
    elif line.answer in found:
        yield f"answer: {line.answer!r} stands twice. Maybe number answers within people."
    elif not any(SAYS[turn.who] == "says" for turn in line.turns):
        yield "turns: none is the applicant's. Maybe who is written the other way round."
    else:
        turns = tuple(Said(SAYS[turn.who], turn.text) for turn in line.turns)
        found[line.answer] = Transcript(line.answer, probes[line.probe], turns)


# -- grading ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One grading of the log."""

    answer: str
    raters: list[str]
    grades: list[Json]
    referrals: list[Json]
    calls: list[Json]

    @property
    def broken(self) -> bool:
        """Whether it failed for reasons that pass, so that another run should try again."""
        return any(call["fault"] in PASSING for call in self.calls) and any(
            one["why"].startswith("no believable verdict") for one in self.referrals
        )


@dataclass(frozen=True)
class Outcome:
    """All gradings, and whether the money lasted."""

    lines: list[Line]
    left: int  # transcripts not graded because the budget is spent


def names_of(by: Panel) -> list[str]:
    return [*(one.id for one in by.raters), *([offline_rater.RATER] if by.offline else [])]


def run(
    transcripts: Sequence[Transcript], by: Panel, log: Path | None = None, *, at_once: int = 4,
    step: Callable[[], None] = lambda: None,
) -> Outcome:  # fmt: skip
    """Grade what the log does not hold yet; each grading is on the log before the next ones begin."""
    done = read_log(log, names_of(by)) if log else {}
    todo = [one for one in transcripts if one.answer not in done or done[one.answer].broken]
    for _ in range(len(transcripts) - len(todo)):
        step()
    money = by.access.money
    with ThreadPoolExecutor(at_once) as pool:
        for at in range(0, len(todo), at_once):
            few = todo[at : at + at_once]
            share = replace(by, access=by.access.spending(None if money is None else money / len(few)))
            found = list(pool.map(lambda one, share=share: _grade(one, share), few))
            money = None if money is None else money - sum(cost for _, cost, _ in found)
            good = [line for line, _, dear in found if not dear]
            keep(log, good)
            done |= {line.answer: line for line in good}
            for _ in good:
                step()
            if len(good) < len(found):
                break
    lines = [done[one.answer] for one in transcripts if one.answer in done]
    return Outcome(lines, len(transcripts) - len(lines))


def _grade(one: Transcript, by: Panel) -> tuple[Line, float, bool]:
    """(the grading, what it cost, whether money ran out in it)."""
    found = grade(one.probe, one.turns, by)
    criteria = [criterion.id for criterion in one.probe.criteria]
    line = Line(
        one.answer, names_of(by), [asdict(row(one.answer, given)) for given in found.grades],
        [asdict(referred) for referred in found.referrals], plain_rows(found, criteria, secrets.token_hex(8)),
    )  # fmt: skip
    attempts: list[Attempt] = found.attempts
    return line, spent(attempts), any(attempt.fault == "budget spent" for attempt in attempts)


def keep(log: Path | None, lines: Iterable[Line]) -> None:
    """Add gradings to the log, each on a line of its own whatever stands there."""
    if log is None:
        return
    whole = not log.is_file() or log.read_bytes()[-1:] in {b"", b"\n"}
    with log.open("a", encoding="utf-8") as out:
        out.write("" if whole else "\n")
        out.writelines(json.dumps(asdict(line), ensure_ascii=False) + "\n" for line in lines)


def read_log(log: Path, raters: Sequence[str] | None = None) -> dict[str, Line]:
    """The gradings of a log; the later of two counts, and a last line that was cut off is no line."""
    done: dict[str, Line] = {}
    if not log.is_file():
        return done
    lines = _lines(log)
    for number, text in enumerate(lines, start=1):
        try:
            line = Line(**json.loads(text)) if text.strip() else None
        except (json.JSONDecodeError, TypeError) as wrong:
            if number == len(lines):
                _cut(log, text)
                break
            raise TableFaultError(
                f"{log}:{number}: is no line of a log of gradings. Maybe it is another file."
            ) from wrong
        if line and raters is not None and sorted(line.raters) != sorted(raters):
            raise TableFaultError(
                f"{log}:{number}: was graded by {', '.join(line.raters)}, not by {', '.join(raters)}. "
                "Maybe give another --out."
            )
        if line:
            done[line.answer] = line
    return done


def _cut(log: Path, text: str) -> None:
    """Take away a line that a crash left unfinished, so that the next one begins well."""
    with log.open("r+b") as out:
        out.truncate(log.stat().st_size - len(text.encode()))


# -- reading again ---------------------------------------------------------------------------------


def regrade(log: Path, version: str) -> list[Again]:
    """Every verdict of a log by a prompt version, read again from the kept replies; nobody is asked."""
    if not log.is_file():
        raise TableFaultError(f"{log}: no such file. Maybe the log of `assay grade --out GRADES.csv` was meant.")
    return [
        one
        for line in read_log(log).values()
        for one in compared(line.answer, rebuilt(line.calls), [Row(**kept) for kept in line.grades], version)
    ]
