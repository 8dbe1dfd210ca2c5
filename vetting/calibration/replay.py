"""Recorded answers and seconds asked in the engine's order instead: the work behind `assay replay`.

People are split in two halves by chance. What a policy knows of items while it asks one half, how long they take and
(unless a scale is given) how hard they are, was learnt from the other half, so nobody is replayed with figures that
their own answers went into; both halves are replayed. More splits average the luck of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from irt import replay as asked_again
from irt.calibration import calibrate
from irt.design import Answers, Design, Flags
from irt.model import Floats, Ints
from irt.mstep import ItemPrior
from irt.population import from_covariance
from irt.replay import POLICIES, Policy, Record, Ruler, learn_times
from vetting import tables
from vetting.calibration.calibrate import ScaleFile, answered, on
from vetting.scale import Axis
from vetting.tables import EMPTY, Item, Responses, TableFaultError

FEWEST = 20  # people below whom a correlation over people says little
POINTS = 48  # of the clock at which everybody is scored
DRAWS = 400  # of the bootstrap over people
SECONDS = 60.0  # a minute

Step = Callable[[], None]


@dataclass(frozen=True, eq=False)
class Recording:
    """What people did: answers with their minutes, items numbered as in `items`."""

    items: tuple[str, ...]
    answers: Answers
    minutes: Floats  # (N,) nan where the time was not taken
    design: Design | None  # None: a scale is given
    skills: tuple[str, ...]

    @property
    def timed(self) -> Flags:
        return np.isfinite(self.minutes)


class Known(BaseModel):
    """A figure and its 95 % interval over people; none where the bar is never reached."""

    value: float | None
    low: float | None
    high: float | None


class Point(BaseModel):
    """Where a policy stands after some minutes."""

    minutes: float
    items: float  # finished, mean over people
    r: float  # of the mean score with the full-length mean score
    rmse: float
    skill_r: list[float]
    skill_rmse: list[float]


class Course(BaseModel):
    """One policy's way to the full-length score."""

    policy: str
    minutes: Known  # to the bar, of the mean score
    items: float | None  # finished by then
    skill_minutes: list[float | None]
    engine_share: Known | None  # the engine's minutes over this policy's, on the same people
    table: list[Point]


class Replay(BaseModel):
    """What `assay replay` found."""

    people: int
    answers: int
    untimed: int  # answers without seconds above 0: left out of sitting and full-length score
    silent: int  # people without a timed answer: left out
    unplaced: int  # answers to items that the scale does not have: left out
    skills: list[str]
    bar: float
    seed: int
    splits: int
    full_minutes: float  # median length of the whole record
    courses: list[Course]


# -- tables ----------------------------------------------------------------------------------------


def read(
    file: Path, items: Mapping[str, Item] | ScaleFile, seconds: Path | None = None, column: str = "seconds",
    ignore: Iterable[str] = (),
) -> Recording:  # fmt: skip
    """Answers and seconds, of items of a table or of a scale. Raises TableFaultError with every fault."""
    if isinstance(items, ScaleFile) and items.raters:
        raise TableFaultError("replay: the scale has raters; grades cannot be replayed. Maybe fit keyed items alone.")
    known = items.items if isinstance(items, ScaleFile) else items
    said = tables.read_responses(file, known, ignore)
    took = seconds_of(said, seconds or file, column, known, set(ignore))
    order = np.argsort(said.person, kind="stable")  # as answers are kept
    minutes = np.where(took > 0, took, np.nan)[order] / SECONDS
    if not np.isfinite(minutes).any():
        raise TableFaultError(
            f"{seconds or file}: none of the {len(minutes)} answers has seconds above 0. "
            "Maybe people or items are named otherwise there."
        )
    if isinstance(items, ScaleFile):
        return Recording(tuple(known), answered(items, said)[1], minutes, None, tuple(items.skills))
    answers, design, skills = tables.arrays(items, said)
    return Recording(tuple(known), answers, minutes, design, skills)


def seconds_of(said: Responses, file: Path, column: str, known: Iterable[str], ignore: set[str]) -> Floats:
    """Seconds (N,) of the answers, nan where none are given; from a long table's column or a wide table."""
    rows = tables.rows_of(file)
    names = tables.header(file, rows)
    if {"person", "item", column} <= set(names):
        cells = long_cells(names, column, rows)
    elif file == said.file or {"person", "item"} <= set(names):
        raise TableFaultError(
            f"{file}:1: no column {column!r} among {', '.join(names[:6])}: there are no seconds to replay. "
            "Maybe name it with --seconds-column, or give a table of seconds with --seconds TIMES.csv."
        )
    else:
        cells = tables.wide_rows(file, names, rows, set(known), ignore)
    return aligned(said, file, cells)


def long_cells(names: Sequence[str], column: str, rows: Iterator[tuple[int, list[str]]]) -> Iterator[tables.Triple]:
    at = [names.index(name) for name in ("person", "item", column)]
    for line, row in rows:
        padded = row + [""] * (len(names) - len(row))
        yield line, padded[at[0]], padded[at[1]], padded[at[2]]


def aligned(said: Responses, file: Path, cells: Iterator[tables.Triple]) -> Floats:
    people = {person: p for p, person in enumerate(said.people)}
    items = {item: i for i, item in enumerate(said.items)}
    table = np.full((len(people), len(items)), np.nan)
    faults = []
    for line, person, item, text in cells:
        if text.lower() in EMPTY or person not in people or item not in items:
            continue
        value = tables.number(text)
        if not np.isfinite(value):
            faults.append(f"{file}:{line}: seconds {text!r} of person {person!r} on item {item!r}: a number is needed.")
        table[people[person], items[item]] = value
    tables.refuse(faults)
    return table[said.person, said.item]


# -- halves ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Half:
    """People to replay, and what is known of items from the others."""

    ruler: Ruler
    people: Ints  # rows of the recording
    records: list[Record]
    skills: tuple[str, ...]


def halves(recording: Recording, scale: ScaleFile | None, rng: np.random.Generator) -> list[Half]:
    """Two halves of the people, by chance; each is measured with what the other taught."""
    people = rng.permutation(len(recording.answers))
    first, second = np.sort(people[: len(people) // 2]), np.sort(people[len(people) // 2 :])
    found = [half(recording, scale, mine, others) for mine, others in ((first, second), (second, first))]
    if found[0].skills != found[1].skills:
        odd = ", ".join(sorted(set(found[0].skills) ^ set(found[1].skills)))
        raise TableFaultError(
            f"only one half of the people can tell {odd}. Maybe fit all skills on other people with `assay fit` "
            "and give --scale."
        )
    return found


def half(recording: Recording, scale: ScaleFile | None, mine: Ints, others: Ints) -> Half:
    ruler, rows, skills = ruler_from(recording, scale, others)
    place = np.full(len(recording.items), -1)
    place[rows] = np.arange(len(rows))
    records = [record_of(recording, person, place) for person in mine]
    some = [n for n, one in enumerate(records) if len(one.item)]
    return Half(ruler, mine[some], [records[n] for n in some], skills)


def record_of(recording: Recording, person: int, place: Ints) -> Record:
    """A person's timed answers to items that are on the scale."""
    answers = recording.answers
    own = slice(answers.start[person], answers.start[person + 1])
    item = place[answers.item[own]]
    use = recording.timed[own] & (item >= 0)
    return Record(item[use], answers.level[own][use], recording.minutes[own][use])


def ruler_from(recording: Recording, scale: ScaleFile | None, others: Ints) -> tuple[Ruler, Ints, tuple[str, ...]]:
    """What some people teach about items; the rows of the recording's items that it holds; the skills."""
    inside = np.zeros(len(recording.answers), dtype=bool)
    inside[others] = True
    use = inside[recording.answers.person]
    times = learn_times(
        recording.answers.person[use], recording.answers.item[use], recording.minutes[use], len(recording.items)
    )
    if scale is not None:
        prior = from_covariance(np.array(scale.prior.mean), np.array(scale.prior.covariance))
        rows = np.arange(len(recording.items))
        return Ruler(on(Axis.of("skills", scale.skills), scale), prior, times), rows, recording.skills
    assert recording.design is not None  # noqa: S101 -- read without a scale
    fit = calibrate(recording.answers.people(others), recording.design, prior=ItemPrior())
    rows = fit.kept_items
    taken = replace(times, intensity=times.intensity[rows], sigma=times.sigma[rows])
    skills = tuple(recording.skills[d] for d in fit.kept_skills)
    return Ruler(fit.items, from_covariance(fit.mean, fit.covariance), taken), rows, skills


# -- courses ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Trail:
    """Estimates of everybody along the clock, under one policy and split."""

    people: Ints  # (P,) rows of the recording
    whole: Floats  # (P, D) full-length estimates
    estimate: Floats  # (G, P, D)
    items: Floats  # (G,) finished, mean over people


def run(
    recording: Recording, scale: ScaleFile | None, minutes: Sequence[float], names: Sequence[str], *, bar: float = 0.9,
    seed: int = 1, splits: int = 1, step: Step = lambda: None,
) -> Replay:  # fmt: skip
    """Replay everybody under each policy, `splits` times."""
    refuse_few(recording, names)
    shared = [halves(recording, scale, np.random.default_rng([seed, split])) for split in range(splits)]
    grid = clock(recording, minutes)
    trails = {
        name: [walked(parts, POLICIES[name], grid, np.random.default_rng([seed, n, 1]), step)
               for n, parts in enumerate(shared)]
        for name in names
    }  # fmt: skip
    timed = np.bincount(recording.answers.person[recording.timed], minlength=len(recording.answers))
    used = sum(len(one.item) for part in shared[0] for one in part.records)
    lengths = [one.minutes.sum() for part in shared[0] for one in part.records]
    return Replay(
        people=sum(len(part.people) for part in shared[0]), answers=used, untimed=int((~recording.timed).sum()),
        silent=int((timed == 0).sum()), unplaced=int(recording.timed.sum()) - used, skills=list(shared[0][0].skills),
        bar=bar, seed=seed, splits=splits, full_minutes=float(np.median(lengths)),
        courses=courses(trails, grid, minutes, bar, np.random.default_rng([seed, 2])),
    )  # fmt: skip


def refuse_few(recording: Recording, names: Sequence[str]) -> None:
    if strangers := [name for name in names if name not in POLICIES]:
        raise ValueError(f"replay: no policy {strangers[0]!r}. Maybe one of: {', '.join(POLICIES)}.")
    people = len(np.unique(recording.answers.person[recording.timed]))
    if people < FEWEST:
        raise TableFaultError(
            f"replay: {people} people have answers with seconds, but {FEWEST} are needed to compare scores over people."
        )


def clock(recording: Recording, minutes: Sequence[float]) -> Floats:
    """Minutes to score everybody at: even in logs from a short answer to the longest record, and those asked for."""
    timed = recording.timed
    total = np.bincount(recording.answers.person[timed], recording.minutes[timed])
    even = np.geomspace(np.quantile(recording.minutes[timed], 0.25), 1.001 * total.max(), POINTS)
    return np.unique(np.concatenate([even, np.asarray(minutes, dtype=float)]))


def walked(parts: Sequence[Half], policy: Policy, grid: Floats, rng: np.random.Generator, step: Step) -> Trail:
    found = [trail(part, policy, grid, rng, step) for part in parts]
    size = np.array([len(part.people) for part in parts])
    return Trail(
        np.concatenate([one.people for one in found]), np.concatenate([one.whole for one in found]),
        np.concatenate([one.estimate for one in found], axis=1),
        np.average([one.items for one in found], axis=0, weights=size),
    )  # fmt: skip


def trail(part: Half, policy: Policy, grid: Floats, rng: np.random.Generator, step: Step) -> Trail:
    orders = []
    for one in part.records:
        orders.append(asked_again.replay(part.ruler, one, policy, rng))
        step()
    known = [asked_again.finished(part.records, orders, limit) for limit in (*grid, np.inf)]
    scores = [asked_again.estimates(part.ruler, answers) for answers in known]
    items = np.array([len(answers.item) / max(len(answers), 1) for answers in known[:-1]])
    return Trail(part.people, scores[-1], np.array(scores[:-1]), items)


def courses(
    trails: Mapping[str, Sequence[Trail]], grid: Floats, minutes: Sequence[float], bar: float, rng: np.random.Generator
) -> list[Course]:
    people = max(int(one.people.max()) for one in next(iter(trails.values()))) + 1
    weight = np.vstack([np.ones(people), rng.multinomial(people, np.full(people, 1 / people), size=DRAWS)])
    reached = {name: asked_again.minutes_to(bar, mean_r(of, weight), grid) for name, of in trails.items()}
    engine = reached.get("engine")
    return [
        Course(
            policy=name, minutes=interval(reached[name]), items=items_at(of, grid, reached[name][0]),
            skill_minutes=[number(asked_again.minutes_to(bar, mean_r(of, weight[:1], skill), grid)[0])
                           for skill in range(of[0].whole.shape[1])],
            engine_share=None if engine is None or name == "engine" else interval(engine / reached[name]),
            table=[point(of, grid, at) for at in minutes],
        )
        for name, of in trails.items()
    ]  # fmt: skip


def mean_r(trails: Sequence[Trail], weight: Floats, skill: int | None = None) -> Floats:
    """Correlation with the full-length score for rows of person weights, averaged over splits: (B, G)."""
    found = [
        asked_again.correlations(of_skill(one.estimate, skill), of_skill(one.whole, skill), weight[:, one.people])
        for one in trails
    ]
    averaged: Floats = np.mean(found, axis=0).T
    return averaged


def of_skill(scores: Floats, skill: int | None) -> Floats:
    """One skill's scores, or the mean over skills."""
    chosen: Floats = scores.mean(-1) if skill is None else scores[..., skill]
    return chosen


def point(trails: Sequence[Trail], grid: Floats, minutes: float) -> Point:
    g = int(np.searchsorted(grid, minutes))
    here = [replace(one, estimate=one.estimate[g : g + 1], items=one.items[g : g + 1]) for one in trails]
    even = np.ones((1, max(int(one.people.max()) for one in trails) + 1))
    skills = range(trails[0].whole.shape[1])
    return Point(
        minutes=minutes, items=float(np.mean([one.items[0] for one in here])),
        r=float(mean_r(here, even)[0, 0]), rmse=rmse(here, None),
        skill_r=[float(mean_r(here, even, skill)[0, 0]) for skill in skills],
        skill_rmse=[rmse(here, skill) for skill in skills],
    )  # fmt: skip


def rmse(here: Sequence[Trail], skill: int | None) -> float:
    """Of the estimates at one minute, averaged over splits, in sds of the population."""
    gaps = [of_skill(one.estimate[0], skill) - of_skill(one.whole, skill) for one in here]
    return float(np.sqrt(np.mean([np.mean(gap**2) for gap in gaps])))


def items_at(trails: Sequence[Trail], grid: Floats, minutes: float) -> float | None:
    return number(float(np.interp(minutes, grid, np.mean([one.items for one in trails], axis=0))))


def interval(draws: Floats) -> Known:
    """The first entry, and the middle 95 % of the others; open where fewer than 95 % of them have a value."""
    if np.isfinite(draws[1:]).mean() < 0.95:
        return Known(value=number(draws[0]), low=None, high=None)
    low, high = np.nanquantile(draws[1:], [0.025, 0.975])
    return Known(value=number(draws[0]), low=float(low), high=float(high))


def number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
