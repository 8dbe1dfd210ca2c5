"""Tables of answers as people have them (CSV, plain or gzipped) into arrays; every fault names its line.

RESPONSES  long: person, item (or criterion), score (or level) [, seconds] [, rater] [, answer], in any order of
           columns; or wide: the first column the person, then one column an item, an empty cell where it was not asked.
ITEMS      item, skills [, levels] [, guess]; skills separated by ";".
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np

from irt.design import Answers, Design, answers_from_rows
from irt.model import Ints

LONG = (("person",), ("item", "criterion"), ("score", "level"))  # columns of a long table, by any of these names
EMPTY = {"", "na", "nan", "null", "."}
MOST_LEVELS = 50  # of an item
ENOUGH = 5_000  # names to look for a near one among
MANY = 20  # faults told before the rest is only counted


FORMULA = {"=", "+", "-", "@", "\t", "\r"}  # what a spreadsheet takes the beginning of a formula for


def cell(value: object) -> object:
    """A value as a table may hold it: what is nested is JSON, and no text is taken for a formula by a spreadsheet."""
    said = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
    return f"'{said}" if isinstance(said, str) and said[:1] in FORMULA else said


def written(said: str) -> str:
    """The text that `cell` made this of."""
    return said[1:] if said[:1] == "'" and said[1:2] in FORMULA else said


class TableFaultError(ValueError):
    """A table cannot be used; the message says every fault, by file and line."""


@dataclass(frozen=True)
class Item:
    """A row of ITEMS."""

    id: str
    skills: tuple[str, ...]
    levels: int | None  # None: one more than the highest score seen
    guess: float


@dataclass(frozen=True, eq=False)
class Grades:
    """Who gave the scores, and to what."""

    raters: tuple[str, ...]
    rater: Ints  # (N,) -1: nobody is named
    answer: Ints  # (N,) numbers of answers as the file names them; -1: it names none


@dataclass(frozen=True, eq=False)
class Responses:
    """Who scored what on which item."""

    people: tuple[str, ...]
    items: tuple[str, ...]
    person: Ints  # (N,)
    item: Ints  # (N,)
    score: Ints  # (N,)
    line: Ints  # (N,) of the file, for messages
    file: Path
    grades: Grades | None = None  # where raters are named, and read


def rows_of(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Numbered rows of a CSV, plain or gzipped, of commas or as spreadsheets also write it: of semicolons or tabs."""
    if not file.is_file():
        raise TableFaultError(f"{file}: no such file. Maybe the folder is another.")
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8-sig", newline="") as lines:
        try:
            between = delimiter(next((line for line in lines if line.strip()), ""))
            lines.seek(0)
            reader = csv.reader(lines, strict=True, delimiter=between)
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield reader.line_num, [written(cell.strip()) for cell in row]
        except (csv.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as wrong:
            raise TableFaultError(f"{file}: not a CSV in UTF-8: {wrong}. Maybe export it again as CSV.") from wrong


def delimiter(first: str) -> str:
    """What parts the cells of a header; a comma, if it may be."""
    return max(",;\t", key=first.count)


def header(file: Path, rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    first = next(rows, None)
    if first is None:
        raise TableFaultError(f"{file}: is empty. Maybe the export failed: it needs a header line and rows.")
    names = first[1]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise TableFaultError(f"{file}:{first[0]}: column {twice[0]!r} stands twice. Maybe rename one.")
    return names


# -- items -----------------------------------------------------------------------------------------


def read_items(file: Path) -> dict[str, Item]:
    """ITEMS by id. Raises TableFaultError with every fault."""
    rows = rows_of(file)
    names = header(file, rows)
    if "item" not in names or "skills" not in names:
        raise TableFaultError(f"{file}:1: columns {names[:6]}, but item and skills are needed. Maybe rename them.")
    items: dict[str, Item] = {}
    faults = []
    for line, row in rows:
        try:
            check_width(row, names)
            one = item_of(dict(zip(names, row, strict=False)))
        except ValueError as wrong:
            faults.append(f"{file}:{line}: {wrong}")
            continue
        if one.id in items:
            faults.append(f"{file}:{line}: item {one.id!r} stands twice. Maybe one of them has another id.")
        items[one.id] = one
    if not items and not faults:
        faults.append(f"{file}: holds no item. Maybe only the header was exported.")
    refuse(faults)
    return items


def item_of(row: Mapping[str, str]) -> Item:
    key = row.get("item", "")
    skills = tuple(dict.fromkeys(skill.strip() for skill in row.get("skills", "").split(";") if skill.strip()))
    if not key or not skills:
        raise ValueError(f"item {key!r} with skills {row.get('skills', '')!r}: both are needed.")
    levels, guess = row.get("levels", ""), row.get("guess", "")
    if levels and (not re.fullmatch(r"[0-9]{1,3}", levels) or not 2 <= int(levels) <= MOST_LEVELS):
        raise ValueError(f"item {key!r}: levels {levels!r}, but a whole number from 2 to 50 is needed.")
    chance = number(guess) if guess else 0.0
    if not 0 <= chance < 1:
        raise ValueError(f"item {key!r}: guess {guess!r}, but a number from 0 to below 1 is needed. Maybe 0.25.")
    if chance and levels not in {"", "2"}:
        raise ValueError(f"item {key!r}: has {levels} levels and a guess; only a two-level item can be guessed.")
    return Item(key, skills, int(levels) if levels else None, chance)


def check_width(row: Sequence[str], names: Sequence[str]) -> None:
    """A cell too many is a comma too many: which of the cells are meant cannot be known."""
    if len(row) > len(names):
        raise ValueError(f"{len(row)} cells, but the header has {len(names)}. Maybe a comma stands inside a cell.")


def number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


# -- responses -------------------------------------------------------------------------------------


def read_responses(file: Path, known: Iterable[str], ignore: Iterable[str] = (), *, rated: bool = False) -> Responses:
    """RESPONSES, long or wide, of items that are known. Raises TableFaultError with every fault.

    rated: several raters may grade an answer, named in the columns `rater` and `answer`.
    """
    rows = rows_of(file)
    names = header(file, rows)
    items = set(known)
    is_long = all(set(names) & set(some) for some in LONG)
    if is_long:
        return collect(file, long_rows(file, names, rows, rated=rated and "rater" in names), items)
    triples = wide_rows(file, names, rows, items, set(ignore))
    return collect(file, ((*one, "", "") for one in triples), items)


Triple = tuple[int, str, str, str]  # line, person, item, score
Row = tuple[int, str, str, str, str, str]  # line, person, item, score, rater, answer


def long_rows(file: Path, names: Sequence[str], rows: Iterator[tuple[int, list[str]]], *, rated: bool) -> Iterator[Row]:
    at = [next(names.index(name) for name in some if name in names) for some in LONG]
    by = [names.index(name) if rated and name in names else len(names) for name in ("rater", "answer")]
    for line, row in rows:
        try:
            check_width(row, names)
        except ValueError as wrong:
            raise TableFaultError(f"{file}:{line}: {wrong}") from wrong
        padded = row + [""] * (len(names) + 1 - len(row))
        yield line, padded[at[0]], padded[at[1]], padded[at[2]], padded[by[0]], padded[by[1]]


def wide_rows(
    file: Path, names: Sequence[str], rows: Iterator[tuple[int, list[str]]], items: set[str], ignore: set[str]
) -> Iterator[Triple]:
    columns = [(place, name) for place, name in enumerate(names) if place and name not in ignore]
    if strangers := [name for _, name in columns if name not in items]:
        raise TableFaultError(
            f"{file}:1: {len(strangers)} of {len(columns)} columns are no known item: {', '.join(strangers[:5])}"
            f"{near(strangers[0], items)} Maybe leave them out with --ignore {','.join(strangers[:5])}."
        )
    for line, row in rows:
        if len(row) != len(names):
            raise TableFaultError(f"{file}:{line}: {len(row)} cells, but the header has {len(names)}.")
        yield line, row[0], "", ""  # a person is known even where every cell is empty
        for place, name in columns:
            if row[place].lower() not in EMPTY:
                yield line, row[0], name, row[place]


def collect(file: Path, lines: Iterator[Row], items: set[str]) -> Responses:
    people: dict[str, int] = {}
    rows: dict[str, int] = {}
    raters: dict[str, int] = {}
    answers: dict[str, int] = {}
    found: dict[tuple[int, int, int, int], tuple[int, int]] = {}
    faults: list[str] = []
    for line, person, item, score, rater, answer in lines:
        if not item and not score and person:
            people.setdefault(person, len(people))
            continue
        if fault := fault_of(person, item, score, items):
            faults.append(f"{file}:{line}: {fault}")
            continue
        key = (
            people.setdefault(person, len(people)), rows.setdefault(item, len(rows)),
            raters.setdefault(rater, len(raters)) if rater else -1,
            answers.setdefault(answer, len(answers)) if answer else -1,
        )  # fmt: skip
        if key in found:
            faults.append(f"{file}:{line}: {twice(person, item, rater, found[key][1])}")
        found[key] = (int(float(score)), line)
    if not found and not faults:
        faults.append(f"{file}: holds no answer. Maybe only the header was exported.")
    refuse(faults)
    table = np.array([(*key, *told) for key, told in found.items()], dtype=np.int64)
    grades = Grades(tuple(raters), table[:, 2], table[:, 3]) if raters else None
    return Responses(tuple(people), tuple(rows), table[:, 0], table[:, 1], table[:, 4], table[:, 5], file, grades)


def twice(person: str, item: str, rater: str, line: int) -> str:
    if rater:
        maybe = "Maybe these are grades of two answers: tell them apart in a column `answer`."
        return f"rater {rater!r} graded person {person!r} on item {item!r} already on line {line}. {maybe}"
    return f"person {person!r} has item {item!r} already on line {line}. Maybe keep one row for each answer."


def fault_of(person: str, item: str, score: str, items: set[str]) -> str | None:
    if not person:
        return "the person is empty. Maybe the columns are shifted."
    if item not in items:
        return f"item {item!r} is not known.{near(item, items) or ' Maybe ITEMS lacks its row.'}"
    value = number(score)
    if not 0 <= value < MOST_LEVELS or value != int(value):
        wanted = f"a whole number from 0 to {MOST_LEVELS - 1} is needed."
        return f"score {score!r} of person {person!r} on item {item!r}: {wanted} Maybe leave out what was not asked."
    return None


def near(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(islice(known, ENOUGH)), n=1, cutoff=0.6)
    return f" Maybe {close[0]!r}." if close else ""


def refuse(faults: Sequence[str]) -> None:
    if faults:
        more = [f"... and {len(faults) - MANY} more"] if len(faults) > MANY else []
        raise TableFaultError("\n".join([*faults[:MANY], *more]))


# -- to arrays -------------------------------------------------------------------------------------


def levels_of(items: Mapping[str, Item], responses: Responses) -> Ints:
    """Levels of each item, in the order of `items`; a score that an item cannot have is refused."""
    order = {key: row for row, key in enumerate(items)}
    seen = np.full(len(items), 1, dtype=np.int64)
    rows = np.array([order[key] for key in responses.items])[responses.item]
    np.maximum.at(seen, rows, responses.score)
    stated = np.array([item.levels or 0 for item in items.values()])
    top = np.where(stated[rows] > 0, stated[rows], 50) - 1
    keys = list(items)
    refuse(
        [
            f"{responses.file}:{responses.line[n]}: score {responses.score[n]} on item {keys[rows[n]]!r}, "
            f"but its levels are 0 to {top[n]}. Maybe scores start at 1 here: take 1 off."
            for n in np.flatnonzero(responses.score > top)
        ]
    )
    return np.where(stated > 0, stated, seen + 1)


def arrays(items: Mapping[str, Item], responses: Responses) -> tuple[Answers, Design, tuple[str, ...]]:
    """(answers, design, skills) for irt.calibration; rows in the order of `items`."""
    design, skills = design_of(items, responses)
    return answers_in(items, responses), design, skills


def design_of(items: Mapping[str, Item], responses: Responses) -> tuple[Design, tuple[str, ...]]:
    """(design, skills); rows in the order of `items`."""
    skills = tuple(dict.fromkeys(skill for item in items.values() for skill in item.skills))
    column = {name: n for n, name in enumerate(skills)}
    loads = max(len(item.skills) for item in items.values())
    skill = np.full((len(items), loads), -1)
    for row, item in enumerate(items.values()):
        skill[row, : len(item.skills)] = [column[name] for name in item.skills]
    guess = np.array([item.guess for item in items.values()])
    return Design(len(skills), skill, levels_of(items, responses), guess), skills


def answers_in(items: Mapping[str, object], responses: Responses) -> Answers:
    """Answers with items numbered as in `items`."""
    return answers_from_rows(responses.person, items_in(items, responses), responses.score, len(responses.people))


def fingerprint(responses: Responses) -> str:
    """Equal for the same answers of the same people to the same items, in whatever order and form they were given."""
    people, items = np.array(responses.people), np.array(responses.items)
    rows = np.char.add(np.char.add(people[responses.person], "\t"), items[responses.item])
    order = np.lexsort((responses.score, rows))
    text = "\n".join(f"{row}\t{score}" for row, score in zip(rows[order], responses.score[order], strict=True))
    return sha256(text.encode()).hexdigest()[:16]


def items_in(items: Mapping[str, object], responses: Responses) -> Ints:
    """Item of each score (N,), numbered as in `items`."""
    order = {key: row for row, key in enumerate(items)}
    return np.array([order[key] for key in responses.items], dtype=np.int64)[responses.item]
