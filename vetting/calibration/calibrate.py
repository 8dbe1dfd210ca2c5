"""From tables of answers to a scale, and from a scale to scores: the work behind `assay fit` and `assay score`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from irt.calibration import Fit, calibrate
from irt.design import Answers, Design, Refused
from irt.estep import Parameters, parameters
from irt.facet_step import as_items, spelled
from irt.facets import Cells, Facets
from irt.model import Floats, Items
from irt.mstep import ItemPrior, Priors
from irt.scoring import auc_held_out, log_likelihood_held_out, score, split
from irt.shards import Crew, Desk
from vetting import tables
from vetting.calibration import rated
from vetting.calibration.posterior import Posterior, sample
from vetting.calibration.rated import EffectOn, RaterOn
from vetting.messages import faults
from vetting.scale import Axis
from vetting.scale import parameters as rows_of
from vetting.tables import Grades, Item, Responses, TableFaultError

HELD = ItemPrior(lkj=2.0)  # what --prior holds items and correlations with
FEWEST_PEOPLE = 50  # to fit items by likelihood alone

Progress = Callable[[str, int, float], None]


class Errors(BaseModel):
    """Standard errors of one item; none where the answers tell nothing."""

    discrimination: dict[str, float | None]
    thresholds: list[float | None]
    covariance: list[list[FiniteFloat]] | None = None  # of all of them, in this order


Logits = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]  # beyond, no answer could tell them


class ScaleItem(BaseModel):
    """An item on the scale: logit P(Y >= k) = a·θ + d_k, with guessing where it has two levels."""

    model_config = ConfigDict(extra="forbid")

    discrimination: Annotated[dict[str, Logits], Field(min_length=1)]
    thresholds: Annotated[list[Logits], Field(min_length=1)]
    guess: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    graded: bool = False  # by raters: an answer has an effect of its own
    se: Errors | None = None

    @model_validator(mode="after")
    def _levels_in_order(self) -> ScaleItem:
        if any(low >= high for high, low in pairwise(self.thresholds)):
            raise ValueError(f"thresholds {self.thresholds} must fall. Maybe they are in rising order.")
        if self.guess and len(self.thresholds) > 1:
            raise ValueError("only an item of two levels can be guessed.")
        return self

    @model_validator(mode="after")
    def _errors_of_its_own(self) -> ScaleItem:
        if self.se is None:
            return self
        if list(self.se.discrimination) != list(self.discrimination):
            raise ValueError(
                f"discrimination is of skills {list(self.discrimination)}, but se of {list(self.se.discrimination)}. "
                "Maybe one of them was edited."
            )
        if len(self.se.thresholds) != len(self.thresholds):
            raise ValueError(
                f"{len(self.thresholds)} thresholds, but se of {len(self.se.thresholds)}. Maybe one was edited."
            )
        size, rows = len(self.discrimination) + len(self.thresholds), self.se.covariance
        if rows is not None and [len(row) for row in rows] != [size] * size:
            raise ValueError(f"se.covariance must be {size} rows of {size} numbers. Maybe leave it out.")
        return self


class Prior(BaseModel):
    """The population's skills."""

    mean: list[FiniteFloat]
    covariance: list[list[FiniteFloat]]

    @model_validator(mode="after")
    def _proper(self) -> Prior:
        table = self.covariance
        if any(len(row) != len(table) for row in table) or len(self.mean) != len(table):
            return self  # of another size than the skills: told there
        cov = np.array(table)
        if not np.allclose(cov, cov.T) or np.linalg.eigvalsh(cov)[0] <= 0:
            raise ValueError(
                "covariance must be symmetric and positive definite. Maybe two skills have a correlation of 1: "
                "make them one skill."
            )
        return self


class Refusal(BaseModel):
    """Something that could not be fitted, and why."""

    what: str
    why: str


class ScaleFile(BaseModel):
    """SCALE.json."""

    skills: Annotated[list[str], Field(min_length=1)]
    prior: Prior
    items: Annotated[dict[str, ScaleItem], Field(min_length=1)]
    log_likelihood: float | None = None
    refused: list[Refusal] = []
    fit: dict[str, float | int | str | bool] = {}
    held_out: dict[str, float | int] | None = None
    raters: dict[str, RaterOn] = {}
    effects: list[EffectOn] = []

    @model_validator(mode="after")
    def _one_shape(self) -> ScaleFile:
        count = len(self.skills)
        if len(set(self.skills)) != count:
            raise ValueError("skills: one is named twice.")
        if len(self.prior.mean) != count or [len(row) for row in self.prior.covariance] != [count] * count:
            raise ValueError(f"prior: {count} skills, but mean and covariance have another size.")
        for key, item in self.items.items():
            if strangers := set(item.discrimination) - set(self.skills):
                raise ValueError(f"items.{key}: skill {min(strangers)!r} is not among the scale's skills.")
        return self


def read_scale(file: Path) -> ScaleFile:
    """SCALE.json; whatever is wrong with it is told with the file's name."""
    if not file.is_file():
        raise TableFaultError(f"{file}: no such file. Maybe run `assay fit` first.")
    try:
        return ScaleFile.model_validate_json(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as wrong:
        raise TableFaultError(f"{file}: not text in UTF-8. Maybe it is another file.") from wrong
    except ValidationError as wrong:
        raise TableFaultError(
            "\n".join(f"{file}: {one}" for one in faults(wrong)) + "\nMaybe it is no SCALE.json, or was edited by hand."
        ) from wrong


@dataclass(frozen=True, eq=False)
class Way:
    """How to fit: what is expected of items, and where the passes run."""

    prior: ItemPrior | Priors | None = None
    crew: Crew = Desk
    independent: bool = False
    reference: tuple[str, ...] = ()  # raters whose mean severity is 0; all, if none is named


@dataclass(frozen=True, eq=False)
class Material:
    """What is fitted: answers to items, or to cells where raters are named."""

    answers: Answers
    design: Design
    skills: tuple[str, ...]
    cells: Cells | None = None


def material(items: Mapping[str, Item], responses: Responses, way: Way) -> Material:
    if responses.grades is None:
        if way.reference:
            raise TableFaultError(f"{responses.file}: names no raters. Maybe leave --reference out.")
        return Material(*tables.arrays(items, responses))
    design, skills = tables.design_of(items, responses)
    cells, cell = rated.cells_in(items, responses, rated.graded_items(items, responses), way.reference)
    return Material(rated.answers_to(cell, responses), design, skills, cells)


def fit(
    items: Mapping[str, Item], responses: Responses, way: Way = Way(), *, held_out: float = 0.0, seed: int = 1,
    progress: Progress | None = None,
) -> ScaleFile:  # fmt: skip
    """Calibrate; with `held_out`, also say how well answers that were kept back are foretold."""
    given = material(items, responses, way)
    silent = refuse_few(given.answers, responses, prior=way.prior is not None)
    told = comparison(given, way, held_out, seed, progress) if held_out else None
    whole = fitted(given, way, named(progress, "fit"))
    found = scale_file(whole, list(items), given.skills, told, responses.grades)
    found.fit |= {"answers": tables.fingerprint(responses)}
    if responses.grades is not None:
        for key, is_graded in zip(items, rated.graded_items(items, responses), strict=True):
            if key in found.items:
                found.items[key].graded = is_graded
    return found.model_copy(update={"refused": [*found.refused, *silent]})


def fitted(given: Material, way: Way, progress: Callable[[int, float], None] | None) -> Fit:
    fixed = np.eye(given.design.skills) if way.independent else None
    return calibrate(
        given.answers, given.design, cells=given.cells, correlation=fixed, prior=way.prior, crew=way.crew,
        progress=progress,
    )  # fmt: skip


def chains(
    items: Mapping[str, Item], responses: Responses, way: Way, *, draws: int, seed: int,
    progress: Progress | None = None, drawn: Callable[[int, int], None] | None = None,
) -> tuple[ScaleFile, Posterior]:  # fmt: skip
    """The scale as posterior means, by Markov chains from a fit with a prior on; and the draws."""
    if responses.grades is not None:
        raise ValueError("--bayes knows no raters. Maybe leave it out: `assay fit` estimates them with errors.")
    if way.independent:
        raise ValueError("--bayes estimates correlations. Maybe leave --independent out.")
    given = material(items, responses, way)
    silent = refuse_few(given.answers, responses, prior=True)
    begin = fitted(given, replace(way, prior=way.prior or ItemPrior()), named(progress, "fit"))
    names, skills = [list(items)[row] for row in begin.kept_items], [given.skills[k] for k in begin.kept_skills]
    found = sample(given.answers, begin, names, skills, draws=draws, seed=seed, progress=drawn)
    scale = scale_file(found.fit, list(items), given.skills, None)
    scale.refused += silent
    scale.fit |= {
        "answers": tables.fingerprint(responses),
        "r_hat": found.rhat,
        "effective_draws": found.effective,
        "draws": found.count,
        "seed": seed,
    }
    return scale, found


def refuse_few(answers: Answers, responses: Responses, *, prior: bool) -> list[Refusal]:
    """Too few people for items by likelihood alone are refused; people without answers are told."""
    silent = int((np.diff(answers.start) == 0).sum())
    people = len(answers) - silent
    if people < FEWEST_PEOPLE and not prior:
        raise TableFaultError(
            f"{responses.file}: {people} people gave answers, but likelihood alone needs {FEWEST_PEOPLE} to place an "
            "item: with fewer its slope runs away. Maybe --prior, which holds items near each other."
        )
    why = "gave no answer: they taught nothing, and are scored as the population."
    return [Refusal(what=f"{silent} {'person' if silent == 1 else 'people'}", why=why)] if silent else []


def comparison(given: Material, way: Way, share: float, seed: int, progress: Progress | None) -> dict[str, float | int]:
    """Mean log probability of each kept-back answer, with correlated and with independent skills."""
    known, kept_back = split(given.answers, share, np.random.default_rng(seed))
    told: dict[str, float | int] = {"share": share, "answers": len(kept_back.item), "seed": seed}
    for name in ("correlated", "independent"):
        alike = replace(way, independent=name == "independent")
        one = fitted(replace(given, answers=known), alike, named(progress, f"{name}, part"))
        parts = *one.read, one.answers(known), one.answers(kept_back)
        told[name] = log_likelihood_held_out(*parts)
        told |= {} if (area := auc_held_out(*parts)) is None else {f"auc_{name}": area}
    return told


def named(progress: Progress | None, name: str) -> Callable[[int, float], None] | None:
    if progress is None:
        return None
    return lambda number, change: progress(name, number, change)


def scale_file(
    whole: Fit, items: Sequence[str], skills: Sequence[str], told: dict[str, float | int] | None,
    grades: Grades | None = None,
) -> ScaleFile:  # fmt: skip
    kept = [skills[k] for k in whole.kept_skills]
    rows = {items[row]: scale_item(whole, place, kept) for place, row in enumerate(whole.kept_items)}
    raters, effects = rated.panel_of(whole, grades)
    names = {"item": items, "skill": skills, "rater": grades.raters if grades else ()}
    return ScaleFile(
        skills=kept,
        prior=Prior(mean=whole.mean.tolist(), covariance=whole.covariance.tolist()),
        items=rows,
        log_likelihood=whole.log_likelihood,
        refused=[refusal(one, names) for one in whole.refused],
        fit={
            "method": whole.method, "se_method": whole.se_method, "iterations": whole.iterations,
            "converged": whole.converged,
        },
        held_out=told, raters=raters, effects=effects,
    )  # fmt: skip


def refusal(one: Refused, names: Mapping[str, Sequence[str]]) -> Refusal:
    """A reason with names, by kind, in the place of numbers."""
    why = one.why if one.other < 0 else one.why.replace(f"skill {one.other}", f"skill {names['skill'][one.other]}")
    return Refusal(what=f"{one.kind} {names[one.kind][one.index]}" if one.kind in names else one.kind, why=why)


def scale_item(whole: Fit, place: int, skills: Sequence[str]) -> ScaleItem:
    used = whole.items.slope[place] != 0
    real = np.isfinite(whole.items.threshold[place])
    both = np.flatnonzero(np.concatenate([used, real]))
    named_skills = [skills[k] for k in whole.items.skill[place][used]]
    return ScaleItem(
        discrimination=dict(zip(named_skills, whole.items.slope[place][used].tolist(), strict=True)),
        thresholds=whole.items.threshold[place][real].tolist(),
        guess=float(whole.items.guess[place]),
        se=Errors(
            discrimination=dict(zip(named_skills, known(whole.slope_se[place][used]), strict=True)),
            thresholds=known(whole.threshold_se[place][real]),
            covariance=whole.item_covariance[place][np.ix_(both, both)].round(8).tolist(),
        ),
    )


def known(errors: Floats) -> list[float | None]:
    return [float(error) if np.isfinite(error) else None for error in errors]


# -- scores ----------------------------------------------------------------------------------------


def scores(scale: ScaleFile, responses: Responses) -> tuple[Floats, Floats]:
    """Means and sds (P, D) of every person, in the order of `responses.people`."""
    facets, answers = answered(scale, responses)
    at = standing(scale, facets)
    wide = spelled(at)
    found, sd = score(as_items(wide), wide.mean, wide.cov, answers)
    return found[:, : len(at.mean)], sd[:, : len(at.mean)]


def standing(scale: ScaleFile, facets: Facets | None) -> Parameters:
    """The scale as parameters, with raters and effects where there are some."""
    items = on(Axis.of("skills", scale.skills), scale)
    return replace(parameters(items, np.array(scale.prior.mean), np.array(scale.prior.covariance)), facets=facets)


def answered(scale: ScaleFile, responses: Responses) -> tuple[Facets | None, Answers]:
    """(raters, answers with items numbered as on the scale), or to cells of items as raters read them.

    A score that an item cannot have is refused.
    """
    refuse_high(scale, responses)
    if not scale.raters:
        return None, tables.answers_in(scale.items, responses)
    graded = [one.graded for one in scale.items.values()]
    return rated.facets_of(scale.items, graded, scale.raters, scale.effects, responses)


def item_errors(scale: ScaleFile) -> Floats | None:
    """Covariances (I, p, p) of slopes and thresholds, as `on` pads them; None where the scale does not hold them."""
    if any(one.se is None for one in scale.items.values()):
        return None
    items = on(Axis.of("skills", scale.skills), scale)
    k, wide = items.skill.shape[1], items.skill.shape[1] + items.threshold.shape[1]
    out = np.zeros((len(items), wide, wide))
    for row, one in enumerate(scale.items.values()):
        place = [*range(len(one.discrimination)), *range(k, k + len(one.thresholds))]
        out[np.ix_([row], place, place)] = covariance_of(one.se) if one.se else 0.0
    return out


def covariance_of(se: Errors) -> Floats:
    """As the scale holds it; the squares of the errors alone, where it is of an older make."""
    if se.covariance is not None:
        return np.array(se.covariance)
    return np.diag([(error or 0.0) ** 2 for error in [*se.discrimination.values(), *se.thresholds]])


def refuse_high(scale: ScaleFile, responses: Responses) -> None:
    """A score that its item cannot have."""
    row, names = tables.items_in(scale.items, responses), list(scale.items)
    top = np.array([len(item.thresholds) for item in scale.items.values()])[row]
    if (over := responses.score > top).any():
        n = int(np.argmax(over))
        raise TableFaultError(
            f"{responses.file}:{responses.line[n]}: score {responses.score[n]} on item {names[row[n]]!r}, "
            f"but its levels are 0 to {top[n]}. Maybe scores start at 1 here: take 1 off."
        )


def on(skills: Axis, scale: ScaleFile) -> Items:
    rows = [item.model_dump() for item in scale.items.values()]
    return rows_of(skills, rows)
