"""The one door between ids and rows: a published calibration as arrays.

A calibration's `body` holds
    {"skills": [id, …], "prior": {"mean": […], "loading": [[…]], "specific": […]},
     "items": {id: {"revision", "discrimination": {skill: a}, "thresholds": [d_1, …], "guess",
                    "blur", "log_minutes", "sd_log_minutes", "origin"}}}
`origin` says where the numbers come from: "start rule (unvalidated)" or the calibration that fitted them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from irt.model import Floats, Ints, Items
from irt.population import Population, bifactor
from item_bank.load import Bank, SkillTree
from item_bank.start import log_minutes, start
from vetting.records import AuditEntry, Calibration

UNVALIDATED = "start rule (unvalidated)"


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
        column("sd_log_minutes"), column("revision").astype(np.int64),
    )  # fmt: skip


def parameters(skills: Axis, rows: Sequence[Mapping[str, Any]]) -> Items:
    """Items from rows with `discrimination`, `thresholds` and `guess`, padded to one shape."""
    loads = max(len(row["discrimination"]) for row in rows)
    cuts = max(len(row["thresholds"]) for row in rows)
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
    }


def starting_item(bank: Bank, key: str, prior: Population) -> dict[str, Any]:
    item = bank.items[key]
    rule = start(item)
    places = [list(bank.tree.skills).index(skill) for skill in rule.slopes]
    slope = np.array(list(rule.slopes.values()))
    spread = float(slope @ prior.cov[np.ix_(places, places)] @ slope)  # Var(s) in the population
    steep = float(np.sqrt((slope**2).sum()))
    return {
        "revision": item.revision,
        "discrimination": rule.slopes,
        "thresholds": list(rule.thresholds),
        "guess": rule.guess,
        "blur": spread * rule.sd_log_slope**2 + (steep * rule.sd_difficulty) ** 2,
        "log_minutes": log_minutes(rule),
        "sd_log_minutes": rule.sd_log_minutes,
        "origin": UNVALIDATED,
    }


# -- publishing ------------------------------------------------------------------------------------


def latest(db: Session) -> Calibration:
    """The published calibration; a sitting that began with an earlier one keeps it."""
    newest = db.scalars(select(Calibration).order_by(Calibration.id.desc()).limit(1)).first()
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
    """The latest calibration, with start values for items that are new or reworded since."""
    fresh = starting_body(bank)
    newest = db.scalars(select(Calibration).order_by(Calibration.id.desc()).limit(1)).first()
    if newest is None:
        return publish(db, fresh, f"start values of bank {bank.version}", "assay", now)
    known = newest.body["items"]
    changed = [k for k, row in fresh["items"].items() if k not in known or known[k]["revision"] != row["revision"]]
    if not changed and newest.body["skills"] == fresh["skills"]:
        return newest
    if newest.body["skills"] != fresh["skills"]:
        return publish(db, fresh, f"start values of bank {bank.version}: the skill tree changed", "assay", now)
    items = {**known, **{key: fresh["items"][key] for key in changed}}
    return publish(db, {**newest.body, "items": items}, f"{len(changed)} items new or reworded", "assay", now)


_read: dict[tuple[int, datetime], Scale] = {}  # facts never change, so neither does what was read from them


def of(calibration: Calibration) -> Scale:
    """The calibration's arrays, read once a process."""
    key = (calibration.id, calibration.at)
    if key not in _read:
        if len(_read) > 32:
            _read.clear()
        _read[key] = read(calibration.body)
    return _read[key]
