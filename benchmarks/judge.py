r"""Markov chains over the exact likelihood judge the fast calibration: 3 skills, 30 items, 500 people.

    python3 dev.py bench judge [--people 500] [--draws 1500] [--chains 4] [--seed 1] [--engine] [--json]

The judge is a model of its own, written in PyMC alone; it shares no kernel with `irt`. Each item asks one skill, so
the integral over a person's three skills is a contraction over an even grid of points t,

    P(y_p) = Σ_ijk W_ijk(Σ) e_1p(t_i) e_2p(t_j) e_3p(t_k),   e_dp(t) = Π_{items of d} P(y | a t + d),

W the density N(0, Σ) at the points, normalised. With 21 points from -5 to 5 the step is h = .5, and the sum errs by
about exp(-2 π² sd² / h²) < 1e-6 for the posterior sds (.45) met here. NUTS runs over log a, d and the correlations
under log a ~ N(.25, .4²), d ~ N(0, 1.5²), Σ uniform over correlation matrices: what `calibrate` is given too.

A calibration reports a mode (of log a, d, Σ), chains a mean. Both comparisons are printed, and like with like:

    mode     the mode of the judge, found with its own gradients, against the calibration
    moved    the calibration moved from mode to mean by the posterior's third derivatives (`lifted`), against the chains

The bar is |difference| <= 3 Monte-Carlo standard errors + 5 %, read two ways: 5 % of the chains' value, and
(stricter, and the only sense near 0) 5 % of the posterior's sd. `--engine` also runs `irt.bayes`, whose likelihood is
expectation propagation, as `assay fit --bayes` does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402  threads are chosen before NumPy starts
from scipy.optimize import minimize  # noqa: E402

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import arviz as az
    import pymc as pm
    from pytensor import tensor

from benchmarks.calibration import Truth, Workload, simulate  # noqa: E402
from irt import bayes  # noqa: E402
from irt.calibration import Fit, calibrate  # noqa: E402
from irt.model import Floats  # noqa: E402
from irt.mstep import ItemPrior  # noqa: E402

PRIOR = ItemPrior(0.25, 0.4, 0.0, 1.5, estimated=False)
Tensor = Any  # PyTensor and ArviZ carry no types
Height = Callable[[Floats], tuple[float, Floats]]
POINTS = np.linspace(-5, 5, 21)
SINGULAR = 1e-6  # determinant of Σ below which it is refused
SHARE = 0.05  # of the bar, beside the Monte-Carlo errors
STEP = 1e-3  # of the differences that give the Hessian
PAIRS = np.tril_indices(3, -1)


def judge(truth: Truth) -> pm.Model:
    """The exact model, from the definition."""
    items = len(truth.items)
    with pm.Model() as built:
        log_slope = pm.Normal("log_slope", PRIOR.log_slope, PRIOR.slope_sd, shape=items)
        easiness = pm.Normal("easiness", PRIOR.threshold, PRIOR.threshold_sd, shape=items)
        r = pm.Uniform("correlation", -1, 1, shape=3)
        pm.Potential("answers", log_likelihood(truth, log_slope, easiness, r))
    return built


def log_likelihood(truth: Truth, log_slope: Tensor, easiness: Tensor, r: Tensor) -> Tensor:
    """Of all answers, persons integrated out; -inf where r makes no correlation matrix."""
    people = len(truth.answers)
    right = np.zeros((people, len(truth.items)))  # every item was asked
    right[truth.answers.person, truth.answers.item] = truth.answers.level
    tops, each = [], []
    for d in range(3):
        mine = np.nonzero(truth.items.skill[:, 0] == d)[0]
        z = tensor.exp(log_slope[mine])[:, None] * POINTS + easiness[mine][:, None]  # (items, points)
        log_e = tensor.dot(right[:, mine], z) - tensor.softplus(z).sum(axis=0)
        top = log_e.max(axis=1)
        tops.append(top)
        each.append(tensor.exp(log_e - top[:, None]))  # (people, points)
    n = len(POINTS)
    inner = tensor.dot(prior_weights(r).reshape((n * n, n)), each[2].T).reshape((n, n, people))
    total = ((inner * each[1].T[None]).sum(axis=1) * each[0].T).sum(axis=0)
    return tensor.switch(determinant(r) > SINGULAR, (tensor.log(total) + sum(tops)).sum(), -np.inf)


def prior_weights(r: Tensor) -> Tensor:
    """Normalised N(0, Σ) on the grid, (21, 21, 21)."""
    a, b, c = r[0], r[1], r[2]  # of skills 1 and 0, 2 and 0, 2 and 1
    x, y, z = np.meshgrid(POINTS, POINTS, POINTS, indexing="ij")
    squares = (1 - c**2) * x**2 + (1 - b**2) * y**2 + (1 - a**2) * z**2
    crossed = (b * c - a) * x * y + (a * c - b) * x * z + (a * b - c) * y * z
    weight = tensor.exp(-(0.5 * squares + crossed) / tensor.maximum(determinant(r), SINGULAR))
    return weight / weight.sum()


def determinant(r: Tensor) -> Tensor:
    return 1 + 2 * r[0] * r[1] * r[2] - (r**2).sum()


def tangent(truth: Truth) -> Callable[[Floats], tuple[float, Floats]]:
    """Log density and gradient over x = (log slopes, easinesses, correlations): what a calibration maximises."""
    items = len(truth.items)
    x = tensor.dvector("x")
    log_slope, easiness, r = x[:items], x[items : 2 * items], x[2 * items :]
    prior = pm.logp(pm.Normal.dist(PRIOR.log_slope, PRIOR.slope_sd), log_slope).sum()
    prior += pm.logp(pm.Normal.dist(PRIOR.threshold, PRIOR.threshold_sd), easiness).sum()
    total = prior + log_likelihood(truth, log_slope, easiness, r)
    compiled = pm.compile([x], [total, tensor.grad(total, x)])

    def height(at: Floats) -> tuple[float, Floats]:
        value, slope = compiled(at)
        return float(value), np.asarray(slope)

    return height


def of_fit(fit: Fit) -> Floats:
    """The calibration as x."""
    return np.concatenate([np.log(fit.items.slope[:, 0]), fit.items.threshold[:, 0], fit.covariance[PAIRS]])


def curvature(height: Height, x: Floats) -> Floats:
    """H = -∂² log density by differences of gradients."""
    rows = [(height(x - STEP * e)[1] - height(x + STEP * e)[1]) / (2 * STEP) for e in np.eye(len(x))]
    return (np.array(rows) + np.array(rows).T) / 2


def climbed(height: Height, x: Floats) -> Floats:
    """The mode, by PyMC's gradients and SciPy's quasi-Newton alone."""
    found = minimize(lambda at: (-height(at)[0], -height(at)[1]), x, jac=True, method="BFGS", options={"gtol": 1e-5})
    return np.asarray(found.x)


def lifted(height: Height, x: Floats, covariance: Floats) -> Floats:
    """The mean of a posterior whose mode is x: x + ½ Σ Σ_jk (∂³ log density)_ijk Σ_jk, to the order of 1/people.

    Third derivatives along the columns c of a root of Σ: gradient(x + c) + gradient(x - c) - 2 gradient(x).
    """
    here = height(x)[1]
    bent = sum(height(x + c)[1] + height(x - c)[1] - 2 * here for c in np.linalg.cholesky(covariance).T)
    return x + 0.5 * covariance @ bent


def reported(x: Floats) -> Floats:
    """Slopes instead of their logarithms; x is (..., parameters)."""
    items = (x.shape[-1] - 3) // 2
    return np.concatenate([np.exp(x[..., :items]), x[..., items:]], axis=-1)


def drawn(posterior: Tensor) -> Floats:
    """Draws (chains, draws, parameters) of x."""
    return np.concatenate([posterior[name].to_numpy() for name in ("log_slope", "easiness", "correlation")], axis=-1)


@dataclass(frozen=True, eq=False)
class Verdict:
    """One comparison with the chains (or the judge's mode): all parameters as reported."""

    name: str
    found: Floats
    judged: Floats
    mcse: Floats
    sd: Floats

    @property
    def apart(self) -> Floats:
        return np.abs(self.found - self.judged)

    def figures(self) -> dict[str, Any]:
        items = (len(self.found) - 3) // 2
        parts = {"slopes": slice(0, items), "intercepts": slice(items, 2 * items), "correlations": slice(-3, None)}
        by_value = self.apart <= 3 * self.mcse + SHARE * np.abs(self.judged)
        by_sd = self.apart <= 3 * self.mcse + SHARE * self.sd
        told: dict[str, Any] = {"of value": int(by_value.sum()), "of sd": int(by_sd.sum()), "all": len(by_sd)}
        for name, part in parts.items():
            told[name] = {
                "worst": float(self.apart[part].max()),
                "worst, posterior sds": float((self.apart / self.sd)[part].max()),
                "within 3 mcse + 5 % of value": int(by_value[part].sum()),
                "within 3 mcse + 5 % of sd": int(by_sd[part].sum()),
                "parameters": len(by_sd[part]),
            }
        return told


def chains(model: pm.Model, chosen: argparse.Namespace) -> Tensor:
    """ArviZ draws of the judge."""
    with model, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # r-hat, sizes and divergences are printed
        return pm.sample(
            chosen.draws, tune=chosen.tune, chains=chosen.chains, cores=1, random_seed=chosen.seed, progressbar=False
        )


def health(x: Floats, divergent: Tensor) -> dict[str, float]:
    """What says whether draws x (chains, draws, parameters) may be believed."""
    arviz: Any = az
    names = arviz.convert_to_dataset({"x": x})
    return {
        "r-hat, worst": float(arviz.rhat(names)["x"].max()),
        "effective draws, fewest": float(arviz.ess(names)["x"].min()),
        "divergent": int(divergent.to_numpy().sum()),
    }


def mcse(x: Floats) -> Floats:
    arviz: Any = az
    return arviz.mcse(arviz.convert_to_dataset({"x": x}))["x"].to_numpy()


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    truth = simulate(Workload(3, chosen.items, chosen.people), np.random.default_rng(chosen.seed))
    clock = time.process_time()
    fit = calibrate(truth.answers, truth.design, prior=PRIOR)
    fitted = time.process_time() - clock
    near, exact = of_fit(fit), of_fit(calibrate(truth.answers, truth.design, prior=PRIOR, exact=True))
    height, clock = tangent(truth), time.process_time()
    draws = chains(judge(truth), chosen)
    sampled = time.process_time() - clock
    x = drawn(draws.posterior)
    told = health(reported(x), draws.sample_stats["diverging"])
    found = {"fit_cpu_s": fitted, "chains_cpu_s": sampled, **told, "comparisons": {}}
    for one in verdicts(height, near, exact, reported(x)):
        found["comparisons"][one.name] = one.figures()
    if chosen.engine:
        found["engine"] = engine(truth, fit, chosen, reported(x))
    return found


def verdicts(height: Height, near: Floats, exact: Floats, x: Floats) -> list[Verdict]:
    mean, sd, error = x.mean((0, 1)), x.std((0, 1)), mcse(x)
    mode = climbed(height, exact)
    covariance = np.linalg.inv(curvature(height, mode))
    told = []
    for name, at in (("EP", near), ("exact", exact)):
        told += [
            Verdict(f"{name}: mode against the judge's mode", reported(at), reported(mode), 0 * error, sd),
            Verdict(f"{name}: mode against the chains' mean", reported(at), mean, error, sd),
            Verdict(f"{name}: moved to the mean, against it", mean_of(height, at, covariance), mean, error, sd),
        ]
    return told


def mean_of(height: Height, x: Floats, covariance: Floats) -> Floats:
    """Posterior means of what is reported: E[exp(log a)] = exp(mean + variance / 2)."""
    mean, items = lifted(height, x, covariance), (len(x) - 3) // 2
    mean[:items] += np.diag(covariance)[:items] / 2
    return reported(mean)


def engine(truth: Truth, fit: Fit, chosen: argparse.Namespace, x: Floats) -> dict[str, Any]:
    """`irt.bayes`, as `assay fit --bayes` runs it, against the judge's chains."""
    clock = time.process_time()
    draws = bayes.sample(fit.answers(truth.answers), fit, chosen.seed, prior=PRIOR, draws=chosen.draws)
    post = draws.posterior
    row, col = PAIRS
    own = np.concatenate(
        [post["slope"].to_numpy()[..., 0], post["threshold"].to_numpy()[..., 0],
         post["covariance"].to_numpy()[..., row, col]], axis=-1,
    )  # fmt: skip
    name = "irt.bayes: mean against the chains' mean"
    one = Verdict(name, own.mean((0, 1)), x.mean((0, 1)), np.hypot(mcse(own), mcse(x)), x.std((0, 1)))
    told = {"cpu_s": time.process_time() - clock, **health(own, draws.sample_stats["diverging"])}
    return {**told, "comparisons": {one.name: one.figures()}}


def shown(found: dict[str, Any]) -> str:
    lines = [
        (
            f"{found['fit_cpu_s']:.2f} CPU s to calibrate, {found['chains_cpu_s']:.0f} for the chains: r-hat "
            f"{found['r-hat, worst']:.4f}, fewest effective draws {found['effective draws, fewest']:.0f}, "
            f"{found['divergent']} divergent"
        ),
        "worst difference (in posterior sds), parameters within 3 mcse + 5 % of value / of sd",
    ]
    for name, one in found["comparisons"].items():
        cells = [
            f"{part} {one[part]['worst']:.4f} ({one[part]['worst, posterior sds']:.3f})"
            for part in ("slopes", "intercepts", "correlations")
        ]
        lines.append(f"  {name:42} {', '.join(cells)}; {one['of value']} / {one['of sd']} of {one['all']}")
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Print how far the calibration is from the judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=30)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--draws", type=int, default=1500)
    parser.add_argument("--tune", type=int, default=500)
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", action="store_true", help="run irt.bayes too (some minutes)")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(argv)
    found = run(chosen)
    if chosen.json:
        print(json.dumps(found, indent=1))
        return 0
    print(shown(found))
    if chosen.engine:
        print("irt.bayes:", shown({"fit_cpu_s": 0.0, "chains_cpu_s": found["engine"]["cpu_s"], **found["engine"]}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
