"""Scores that raters gave, in a calibration: who graded which answer, as arrays; raters and effects on a scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from irt.calibration import Fit
from irt.design import Answers, Flags, answers_from_rows
from irt.facets import Cells, Facets, cells_of
from irt.model import Floats, Ints
from vetting.tables import Grades, Responses, TableFaultError, items_in, near


class RaterOn(BaseModel):
    """A rater on the scale: logit P(Y >= k) = φ (a·θ + d_k - ρ |a|), ρ in standard deviations of the skill."""

    model_config = ConfigDict(extra="forbid")

    severity: FiniteFloat
    sd_severity: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    discrimination: Annotated[float, Field(gt=0, allow_inf_nan=False)]  # 1: as the reference raters, on average
    sd_log_discrimination: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    grades: int
    reference: bool  # one of those whose mean severity is 0


class EffectOn(BaseModel):
    """What grades share beyond the skills: its standard deviation, in those of the skill."""

    model_config = ConfigDict(extra="forbid")

    shared_by: Literal["answer", "answer and item"]
    sd: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    se: Annotated[float, Field(ge=0, allow_inf_nan=False)]


def cells_in(
    items: Mapping[str, object], responses: Responses, graded: Sequence[bool], reference: Sequence[str] = ()
) -> tuple[Cells, Ints]:
    """(cells, cell of each score): graded (I,) are the items that raters score; `reference` names the anchors."""
    grades = responses.grades or nobody(responses)
    if strangers := [name for name in reference if name not in grades.raters]:
        raise TableFaultError(
            f"{responses.file}: reference rater {strangers[0]!r} graded nothing.{near(strangers[0], grades.raters)}"
        )
    item = items_in(items, responses)
    anchors = np.array([grades.raters.index(name) for name in reference], dtype=np.int64) if reference else None
    answer = answers_of(grades, item, np.asarray(graded, dtype=bool))
    return cells_of(responses.person, item, grades.rater, answer, len(grades.raters), anchors)


def nobody(responses: Responses) -> Grades:
    none = np.full(len(responses.score), -1)
    return Grades((), none, none)


def answers_of(grades: Grades, item: Ints, graded: Flags) -> Ints:
    """The answer that each score is of: the one named; else the item's own, where raters score it; else none (-1)."""
    own = np.where(graded[item], int(grades.answer.max(initial=-1)) + 1 + item, -1)
    return np.where(grades.answer >= 0, grades.answer, own)


def graded_items(items: Mapping[str, object], responses: Responses) -> list[bool]:
    """(I,) whether any rater scored the item."""
    rater = (responses.grades or nobody(responses)).rater
    seen = np.bincount(items_in(items, responses)[rater >= 0], minlength=len(items))
    return [bool(n) for n in seen]


def answers_to(cell: Ints, responses: Responses) -> Answers:
    """The scores as answers to cells."""
    return answers_from_rows(responses.person, cell, responses.score, len(responses.people))


def panel_of(fit: Fit, grades: Grades | None) -> tuple[dict[str, RaterOn], list[EffectOn]]:
    """Raters by name, and effects, as a scale holds them."""
    if fit.panel is None or grades is None:
        return {}, []
    told = fit.panel
    count = np.bincount(grades.rater[grades.rater >= 0], minlength=len(grades.raters))
    raters = {
        grades.raters[r]: RaterOn(
            severity=told.severity[n], sd_severity=told.severity_se[n],
            discrimination=float(np.exp(told.log_discrimination[n])),
            sd_log_discrimination=told.log_discrimination_se[n], grades=int(count[r]),
            reference=bool(n in told.cells.reference),
        )
        for n, r in enumerate(told.kept_raters)
    }  # fmt: skip
    effects = [
        EffectOn.model_validate({"shared_by": name, "sd": told.effect[n], "se": told.effect_se[n]})
        for n, name in enumerate(told.cells.shares)
    ]
    return raters, effects


# -- scoring ---------------------------------------------------------------------------------------


def facets_of(
    names: Mapping[str, object], graded: Sequence[bool], raters: Mapping[str, RaterOn], effects: Sequence[EffectOn],
    responses: Responses,
) -> tuple[Facets, Answers]:  # fmt: skip
    """(raters and effects of a scale at the cells that the scores are of, the scores as answers to cells).

    A score without a rater, on an item that raters score, is read as one by an average reference rater.
    """
    grades = responses.grades or nobody(responses)
    if strangers := [name for name in grades.raters if name not in raters]:
        raise TableFaultError(
            f"{responses.file}: rater {strangers[0]!r} is not on the scale.{near(strangers[0], raters)} Maybe fit "
            "again with these grades, or leave the rater empty: an average one is taken then."
        )
    order = {name: n for n, name in enumerate(raters)}
    rater = np.array([*(order[name] for name in grades.raters), -1], dtype=np.int64)[grades.rater]
    item = items_in(names, responses)
    answer = answers_of(grades, item, np.asarray(graded, dtype=bool))
    cells, cell = cells_of(
        responses.person, item, rater, answer, len(raters), None, tuple(one.shared_by for one in effects)
    )
    many = Facets(
        cells, np.array([one.severity for one in raters.values()]),
        np.log([one.discrimination for one in raters.values()]), np.log([one.sd for one in effects]), 1.0, 1.0,
    )  # fmt: skip
    return many, answers_to(cell, responses)


def variances(raters: Mapping[str, RaterOn], effects: Sequence[EffectOn]) -> Floats:
    """(2R + E,) of severities, log discriminations and log effects, as `irt.facets.entries` orders them."""
    return np.array(
        [one.sd_severity for one in raters.values()] + [one.sd_log_discrimination for one in raters.values()]
        + [one.se / one.sd for one in effects]
    ) ** 2  # fmt: skip
