"""What `assay judge` looks at: a scale as arrays, and answers to it as they were read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from irt import dif, rater_fit
from irt import fit as checks
from irt.design import Answers
from irt.estep import Parameters
from irt.facet_step import as_items, spelled
from irt.facets import Facets
from irt.fit import Compared, Foreseen
from irt.model import Floats, Items
from vetting.calibration import rated
from vetting.calibration.calibrate import ScaleFile, answered, item_errors, standing
from vetting.tables import Responses, fingerprint


@dataclass(frozen=True, eq=False)
class Case:
    """What is judged: a scale as arrays, and answers to it with the people's own mean and covariance."""

    file: ScaleFile
    names: tuple[str, ...]  # of items
    at: Parameters  # items, raters where there are some, and the mean and covariance of these people
    answers: Answers  # to items; to cells of items as raters read them, where raters graded
    people: tuple[str, ...]
    read: Items  # what the answers are to
    seen: Foreseen  # each answer
    marks: Compared  # each item of a person
    errors: Floats | None  # (I, p, p) of the items' parameters
    shared: Floats  # (q,) variances of what raters and effects are known by
    own: bool  # the items were fitted on these very answers

    @property
    def items(self) -> Items:
        return as_items(self.at)

    @property
    def facets(self) -> Facets | None:
        return self.at.facets

    @property
    def mean(self) -> Floats:
        return self.at.mean

    @property
    def cov(self) -> Floats:
        return self.at.cov

    @property
    def unsure(self) -> Floats | None:
        """Variance of each answer's log-probability from not knowing items and raters exactly."""
        if self.errors is None:
            return None
        if self.facets is None:
            return checks.leaning(self.seen, self.answers.item, self.errors)
        return rater_fit.leaning(self.at, self.answers, self.seen, self.errors, self.shared)

    @property
    def noise(self) -> Floats:
        """Variance of s (I,) that all grades of an answer share, on items that raters score."""
        effect = sum(one.sd**2 for one in self.file.effects)
        graded = np.array([one.graded for one in self.file.items.values()])
        found: Floats = graded * effect * (self.items.slope**2).sum(1)
        return found


def case(scale: ScaleFile, responses: Responses) -> Case:
    facets, answers = answered(scale, responses)
    at = standing(scale, facets)
    mean, cov = dif.population(as_items(at), at.mean, at.cov, answers, facets=facets)
    at = replace(at, mean=mean, cov=cov)
    wide = spelled(at)
    seen = checks.foreseen(as_items(wide), wide.mean, wide.cov, answers)
    marks = checks.compared(answers, seen) if facets is None else rater_fit.compared(at, answers)
    own = scale.fit.get("answers") == fingerprint(responses)
    return Case(
        scale, tuple(scale.items), at, answers, responses.people, as_items(wide), seen, marks, item_errors(scale),
        rated.variances(scale.raters, scale.effects), own,
    )  # fmt: skip
