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
from irt.model import Floats, Items
from irt.mstep import ItemPrior, Priors
from irt.scoring import auc_held_out, log_likelihood_held_out, score, split
from irt.shards import Crew, Desk
from vetting import tables
from vetting.messages import faults
from vetting.posterior import Posterior, sample
from vetting.scale import Axis, parameters
from vetting.tables import Item, Responses, TableFaultError

HELD = ItemPrior(lkj=2.0)  # what --prior holds items and correlations with
FEWEST_PEOPLE = 50  # to fit items by likelihood alone

Progress = Callable[[str, int, float], None]


class Errors(BaseModel):
    """Standard errors of one item; none where the answers tell nothing."""

    discrimination: dict[str, float | None]
    thresholds: list[float | None]


class ScaleItem(BaseModel):
    """An item on the scale: logit P(Y >= k) = a·θ + d_k, with guessing where it has two levels."""

    model_config = ConfigDict(extra="forbid")

    discrimination: Annotated[dict[str, FiniteFloat], Field(min_length=1)]
    thresholds: Annotated[list[FiniteFloat], Field(min_length=1)]
    guess: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    se: Errors | None = None

    @model_validator(mode="after")
    def _levels_in_order(self) -> ScaleItem:
        if any(low >= high for high, low in pairwise(self.thresholds)):
            raise ValueError(f"thresholds {self.thresholds} must fall. Maybe they are in rising order.")
        if self.guess and len(self.thresholds) > 1:
            raise ValueError("only an item of two levels can be guessed.")
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


def fit(
    items: Mapping[str, Item], responses: Responses, way: Way = Way(), *, held_out: float = 0.0, seed: int = 1,
    progress: Progress | None = None,
) -> ScaleFile:  # fmt: skip
    """Calibrate; with `held_out`, also say how well answers that were kept back are foretold."""
    answers, design, skills = tables.arrays(items, responses)
    silent = refuse_few(answers, responses, prior=way.prior is not None)
    told = comparison(answers, design, way, held_out, seed, progress) if held_out else None
    found = scale_file(fitted(answers, design, way, named(progress, "fit")), list(items), skills, told)
    return found.model_copy(update={"refused": [*found.refused, *silent]})


def fitted(answers: Answers, design: Design, way: Way, progress: Callable[[int, float], None] | None) -> Fit:
    fixed = np.eye(design.skills) if way.independent else None
    return calibrate(answers, design, correlation=fixed, prior=way.prior, crew=way.crew, progress=progress)


def chains(
    items: Mapping[str, Item], responses: Responses, way: Way, *, draws: int, seed: int,
    progress: Progress | None = None, drawn: Callable[[int, int], None] | None = None,
) -> tuple[ScaleFile, Posterior]:  # fmt: skip
    """The scale as posterior means, by Markov chains from a fit with a prior on; and the draws."""
    answers, design, skills = tables.arrays(items, responses)
    if way.independent:
        raise ValueError("--bayes estimates correlations. Maybe leave --independent out.")
    silent = refuse_few(answers, responses, prior=True)
    begin = fitted(answers, design, replace(way, prior=way.prior or ItemPrior()), named(progress, "fit"))
    names = [list(items)[row] for row in begin.kept_items]
    found = sample(
        answers, begin, names, [skills[k] for k in begin.kept_skills], draws=draws, seed=seed, progress=drawn
    )
    scale = scale_file(found.fit, list(items), skills, None)
    scale.refused += silent
    scale.fit |= {"r_hat": found.rhat, "effective_draws": found.effective, "draws": found.count, "seed": seed}
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


def comparison(
    answers: Answers, design: Design, way: Way, share: float, seed: int, progress: Progress | None
) -> dict[str, float | int]:
    """Mean log probability of each kept-back answer, with correlated and with independent skills."""
    known, kept_back = split(answers, share, np.random.default_rng(seed))
    told: dict[str, float | int] = {"share": share, "answers": len(kept_back.item), "seed": seed}
    for name in ("correlated", "independent"):
        alike = replace(way, independent=name == "independent")
        one = fitted(known, design, alike, named(progress, f"{name}, part"))
        parts = one.items, one.mean, one.covariance, one.answers(known), one.answers(kept_back)
        told[name] = log_likelihood_held_out(*parts)
        told |= {} if (area := auc_held_out(*parts)) is None else {f"auc_{name}": area}
    return told


def named(progress: Progress | None, name: str) -> Callable[[int, float], None] | None:
    if progress is None:
        return None
    return lambda number, change: progress(name, number, change)


def scale_file(
    whole: Fit, items: Sequence[str], skills: Sequence[str], told: dict[str, float | int] | None
) -> ScaleFile:
    kept = [skills[k] for k in whole.kept_skills]
    rows = {items[row]: scale_item(whole, place, kept) for place, row in enumerate(whole.kept_items)}
    return ScaleFile(
        skills=kept,
        prior=Prior(mean=whole.mean.tolist(), covariance=whole.covariance.tolist()),
        items=rows,
        log_likelihood=whole.log_likelihood,
        refused=[refusal(one, items, skills) for one in whole.refused],
        fit={
            "method": whole.method, "se_method": whole.se_method, "iterations": whole.iterations,
            "converged": whole.converged,
        },
        held_out=told,
    )  # fmt: skip


def refusal(one: Refused, items: Sequence[str], skills: Sequence[str]) -> Refusal:
    """A reason with names in the place of numbers."""
    names = {"item": items, "skill": skills}.get(one.kind)
    why = one.why if one.other < 0 else one.why.replace(f"skill {one.other}", f"skill {skills[one.other]}")
    return Refusal(what=f"{one.kind} {names[one.index]}" if names else one.kind, why=why)


def scale_item(whole: Fit, place: int, skills: Sequence[str]) -> ScaleItem:
    used = whole.items.slope[place] != 0
    real = np.isfinite(whole.items.threshold[place])
    named_skills = [skills[k] for k in whole.items.skill[place][used]]
    return ScaleItem(
        discrimination=dict(zip(named_skills, whole.items.slope[place][used].tolist(), strict=True)),
        thresholds=whole.items.threshold[place][real].tolist(),
        guess=float(whole.items.guess[place]),
        se=Errors(
            discrimination=dict(zip(named_skills, known(whole.slope_se[place][used]), strict=True)),
            thresholds=known(whole.threshold_se[place][real]),
        ),
    )


def known(errors: Floats) -> list[float | None]:
    return [float(error) if np.isfinite(error) else None for error in errors]


# -- scores ----------------------------------------------------------------------------------------


def scores(scale: ScaleFile, responses: Responses) -> tuple[Floats, Floats]:
    """Means and sds (P, D) of every person, in the order of `responses.people`."""
    answers = answered(scale, responses)
    items = on(Axis.of("skills", scale.skills), scale)
    return score(items, np.array(scale.prior.mean), np.array(scale.prior.covariance), answers)


def answered(scale: ScaleFile, responses: Responses) -> Answers:
    """Answers with items numbered as on the scale; a score that an item cannot have is refused."""
    answers = tables.answers_in(scale.items, responses)
    rows = list(scale.items.items())
    top = np.array([len(item.thresholds) for _, item in rows])[answers.item]
    if (over := answers.level > top).any():
        n = int(np.argmax(over))
        raise TableFaultError(
            f"{responses.file}: score {answers.level[n]} on item {rows[answers.item[n]][0]!r}, "
            f"but its levels are 0 to {top[n]}. Maybe scores start at 1 here: take 1 off."
        )
    return answers


def on(skills: Axis, scale: ScaleFile) -> Items:
    rows = [item.model_dump() for item in scale.items.values()]
    return parameters(skills, rows)
