"""The one door between ids and rows: a published calibration as arrays.

A calibration's `body` holds
    {"skills": [id, …], "prior": {"mean": […], "loading": [[…]], "specific": […]},
     "items": {id: {"revision", "discrimination": {skill: a}, "thresholds": [d_1, …], "guess",
                    "blur", "log_minutes", "sd_log_minutes", "origin"}}}
`origin` says where the numbers come from: "start rule (unvalidated)" or the calibration that fitted them.
Interviews add
    {"probes": {id: {"revision", "log_minutes_opening", "log_minutes_follow_up", "sd_log_minutes"}},
     "criteria": {"probe:criterion": {"probe", "discrimination", "thresholds", "guess", "blur", "effect", "origin"}},
     "reviewers": {judge of work: {"severity", "severity_sd", "slip", "slip_sd", "verdicts"}},
     "raters": {rater: {"discrimination", "severity", "sd_log_discrimination", "sd_severity"}}}
where `effect` is how much a criterion leans on what the whole answer shares (see irt.conversation), and a rater is
read as panel.Reading says. A calibration without them knows no interviews.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy import Pool, select
from sqlalchemy.orm import Session, defer, object_session

from irt.model import Floats, Ints, Items
from irt.population import Population, bifactor
from item_bank.load import Bank, SkillTree
from item_bank.probe import row_id
from item_bank.start import CriterionStart, Start, log_minutes, start, start_criterion
from vetting import judges, store
from vetting.judges import Readings
from vetting.panel import Reading, readings
from vetting.records import AuditEntry, Calibration

UNVALIDATED = "start rule (unvalidated)"
ANSWER_EFFECT = 0.6  # sd of what the criteria of an answer share, in sds of quality: rather too high than too low


@dataclass(frozen=True)
class Axis:
    """An ordered set of ids that labels one array dimension."""

    name: str
    ids: tuple[str, ...]
    position: Mapping[str, int]

    @classmethod
    def of(cls, name: str, ids: Iterable[str]) -> Axis:
        ordered = tuple(ids)
        return cls(name, ordered, {key: row for row, key in enumerate(ordered)})

    def rows(self, ids: Iterable[str]) -> Ints:
        wanted = list(ids)
        if strangers := [key for key in wanted if key not in self.position]:
            raise KeyError(
                f"axis {self.name!r} has no {strangers[:3]} (it holds {len(self.ids)} ids). "
                "Maybe they were added after this calibration: publish a new one."
            )
        return np.array([self.position[key] for key in wanted], dtype=np.int64)

    def values(self, by_id: Mapping[str, float], default: float) -> Floats:
        """A column of the axis, in its order; ids that are not named get the default."""
        column = np.full(len(self.ids), default)
        column[self.rows(by_id)] = list(by_id.values())
        return column


@dataclass(frozen=True, eq=False)
class Probes:
    """The probes of a calibration; each of their criteria is a graded item of its own."""

    ids: Axis
    revision: Ints  # (P,)
    opening: Floats  # (P,) log minutes until the opening is answered
    follow_up: Floats  # (P,) log minutes of each further question
    sd_intensity: Floats  # (P,)
    criteria: Axis
    probe: Ints  # (C,) row of the probe
    parameters: Items  # (C,)
    blur: Floats  # (C,)
    effect: Floats  # (C,) γ

    def of(self, probe: str) -> Ints:
        """Rows of a probe's criteria."""
        return np.flatnonzero(self.probe == self.ids.position[probe])

    def criterion(self, row: int) -> str:
        """The criterion's own name within its probe."""
        return self.criteria.ids[row].partition(":")[2]


@dataclass(frozen=True, eq=False)
class Scale:
    """A calibration as the engine reads it."""

    skills: Axis
    items: Axis
    population: Population
    parameters: Items  # (I,)
    blur: Floats  # (I,) variance of s from not knowing the item exactly
    intensity: Floats  # (I,) log minutes
    sd_intensity: Floats  # (I,)
    revision: Ints  # (I,)
    probes: Probes
    raters: Mapping[str, Reading]
    reviewers: Readings


def read(body: Mapping[str, Any]) -> Scale:
    """The arrays of a calibration's body."""
    skills = Axis.of("skills", body["skills"])
    items = Axis.of("items", body["items"])
    rows = list(body["items"].values())
    prior = body["prior"]
    population = Population(np.array(prior["mean"]), np.array(prior["loading"]), np.array(prior["specific"]))

    def column(field: str) -> Floats:
        return np.array([row[field] for row in rows], dtype=float)

    return Scale(
        skills, items, population, parameters(skills, rows), column("blur"), column("log_minutes"),
        column("sd_log_minutes"), column("revision").astype(np.int64), read_probes(body, skills), readings(body),
        judges.readings(body),
    )  # fmt: skip


def read_probes(body: Mapping[str, Any], skills: Axis) -> Probes:
    probes, criteria = body.get("probes", {}), body.get("criteria", {})
    ids, rows = Axis.of("probes", probes), list(criteria.values())

    def column(field: str) -> Floats:
        return np.array([row[field] for row in probes.values()], dtype=float)

    return Probes(
        ids, column("revision").astype(np.int64), column("log_minutes_opening"), column("log_minutes_follow_up"),
        column("sd_log_minutes"), Axis.of("criteria", criteria), ids.rows(row["probe"] for row in rows),
        parameters(skills, rows), np.array([row["blur"] for row in rows], dtype=float),
        np.array([row["effect"] for row in rows], dtype=float),
    )  # fmt: skip


def parameters(skills: Axis, rows: Sequence[Mapping[str, Any]]) -> Items:
    """Items from rows with `discrimination`, `thresholds` and `guess`, padded to one shape."""
    loads = max((len(row["discrimination"]) for row in rows), default=1)
    cuts = max((len(row["thresholds"]) for row in rows), default=1)
    skill, slope = np.zeros((len(rows), loads), dtype=np.int64), np.zeros((len(rows), loads))
    threshold, guess = np.full((len(rows), cuts), -np.inf), np.zeros(len(rows))
    for number, row in enumerate(rows):
        names = row["discrimination"]
        skill[number, : len(names)] = skills.rows(names)
        slope[number, : len(names)] = list(names.values())
        threshold[number, : len(row["thresholds"])] = row["thresholds"]
        guess[number] = row["guess"]
    return Items(skill, slope, threshold, guess)


# -- the scale before anybody has answered ---------------------------------------------------------


def starting_population(tree: SkillTree) -> Population:
    """Correlations of the skill tree's own statement: see skills.yaml."""
    domains = list(tree.domains)
    members = [(name, skill) for name, domain in tree.domains.items() for skill in domain.skills.values()]
    general = [skill.general if skill.general is not None else tree.domains[name].general for name, skill in members]
    shared = [tree.domains[name].shared for name, _ in members]
    return bifactor(np.array(general), np.array(shared), [domains.index(name) for name, _ in members])


def starting_body(bank: Bank) -> dict[str, Any]:
    """A calibration's body from start values alone."""
    prior = starting_population(bank.tree)
    return {
        "skills": list(bank.tree.skills),
        "prior": {name: getattr(prior, name).tolist() for name in ("mean", "loading", "specific")},
        "items": {key: starting_item(bank, key, prior) for key in bank.items},
        "probes": {key: starting_probe(bank, key) for key in bank.probes},
        "criteria": {
            row: numbers for key in bank.probes for row, numbers in starting_criteria(bank, key, prior).items()
        },
    }


def starting_item(bank: Bank, key: str, prior: Population) -> dict[str, Any]:
    item = bank.items[key]
    rule = start(item)
    return {
        "revision": item.revision,
        **starting_numbers(bank, rule, prior),
        "log_minutes": log_minutes(rule),
        "sd_log_minutes": rule.sd_log_minutes,
        "origin": UNVALIDATED,
    }


def starting_numbers(bank: Bank, rule: Start | CriterionStart, prior: Population) -> dict[str, Any]:
    """What an item and a criterion have in common."""
    places = [list(bank.tree.skills).index(skill) for skill in rule.slopes]
    slope = np.array(list(rule.slopes.values()))
    spread = float(slope @ prior.cov[np.ix_(places, places)] @ slope)  # Var(s) in the population
    steep = float(np.sqrt((slope**2).sum()))
    return {
        "discrimination": rule.slopes,
        "thresholds": list(rule.thresholds),
        "guess": rule.guess,
        "blur": spread * rule.sd_log_slope**2 + (steep * rule.sd_difficulty) ** 2,
    }


def starting_probe(bank: Bank, key: str) -> dict[str, Any]:
    probe = bank.probes[key]
    rule = start_criterion(probe, probe.criteria[0])  # minutes are the probe's, the same by each of its criteria
    return {
        "revision": probe.revision,
        "log_minutes_opening": rule.log_minutes_opening,
        "log_minutes_follow_up": rule.log_minutes_follow_up,
        "sd_log_minutes": rule.sd_log_minutes,
    }


def starting_criteria(bank: Bank, key: str, prior: Population) -> dict[str, dict[str, Any]]:
    probe = bank.probes[key]
    rules = {row_id(probe, criterion): start_criterion(probe, criterion) for criterion in probe.criteria}
    return {
        row: {
            "probe": key,
            **starting_numbers(bank, rule, prior),
            "effect": ANSWER_EFFECT * float(np.linalg.norm(list(rule.slopes.values()))),
            "origin": UNVALIDATED,
        }
        for row, rule in rules.items()
    }


# -- publishing ------------------------------------------------------------------------------------


def latest(db: Session) -> Calibration:
    """The published calibration; a sitting that began with an earlier one keeps it. Its body comes when it is read."""
    asked = select(Calibration).order_by(Calibration.id.desc()).limit(1).options(defer(Calibration.body))
    newest = db.scalars(asked).first()
    if newest is None:
        raise LookupError("No calibration is published. Maybe the bank was never loaded: `assay serve` does it.")
    return newest


def publish(db: Session, body: Mapping[str, Any], note: str, who: str, now: datetime) -> Calibration:
    """One more calibration; read back first, so that a body that cannot be read is never stored."""
    read(body)
    calibration = Calibration(at=now, note=note, body=dict(body))
    db.add(calibration)
    db.flush()
    db.add(AuditEntry(at=now, who=who, what="published calibration", about={"id": calibration.id, "note": note}))
    return calibration


def keep_up(db: Session, bank: Bank, now: datetime) -> Calibration:
    """The latest calibration, with start values for items and probes that are new or reworded since."""
    fresh = starting_body(bank)
    newest = db.scalars(select(Calibration).order_by(Calibration.id.desc()).limit(1)).first()
    if newest is None:
        return publish(db, fresh, f"start values of bank {bank.version}", "assay", now)
    if newest.body["skills"] != fresh["skills"]:
        return publish(db, fresh, f"start values of bank {bank.version}: the skill tree changed", "assay", now)
    items, probes = changed(fresh, newest.body, "items"), changed(fresh, newest.body, "probes")
    if not items and not probes:
        return newest
    kept = {key: row for key, row in newest.body.get("criteria", {}).items() if row["probe"] not in probes}
    new = {key: row for key, row in fresh["criteria"].items() if row["probe"] in probes}
    body = {
        **newest.body,
        "items": {**newest.body["items"], **items},
        "probes": {**newest.body.get("probes", {}), **probes},
        "criteria": {**kept, **new},
    }
    return publish(db, body, f"{len(items)} items and {len(probes)} probes new or reworded", "assay", now)


def changed(fresh: Mapping[str, Any], old: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Rows of one kind that an older body lacks or knows in another revision."""
    known = old.get(what, {})
    return {k: row for k, row in fresh[what].items() if k not in known or known[k]["revision"] != row["revision"]}


# Facts never change, so neither does what was read from them; each database has its own.
_read: WeakKeyDictionary[Pool, dict[tuple[int, datetime], Scale]] = WeakKeyDictionary()


def of(calibration: Calibration) -> Scale:
    """The calibration's arrays, read once a process and database; one that no session holds is read anew."""
    session = object_session(calibration)
    if session is None:
        return read(calibration.body)
    kept, key = _read.setdefault(store.place(session), {}), (calibration.id, calibration.at)
    if key not in kept:
        if len(kept) > 32:
            kept.clear()
        kept[key] = read(calibration.body)
    return kept[key]
