r"""The same model by Markov chains: the judge of fast fits, and full uncertainty for small banks.

    log a ~ N(m, s²),  mean threshold ~ N(t, u²),  gaps of thresholds > 0,  Σ ~ LKJ(1) with unit variances
    answers ~ Π_p ∫ Π_j P(y_pj | a_j·θ) N(θ; 0, Σ) dθ

Persons are integrated out, so chains run over items and correlations only. The integral and its gradient come
from `irt.estep`: exactly, on a grid on each person's belief, for up to three skills, or by expectation
propagation. The sample is kept as ArviZ data, and `faults` says why it must not be used.

What is left to sample is nearly normal, and where it is and how wide is known before: chains begin about the fit, apart
by twice the posterior's spread, and move in units of the inverse Hessian there (from differences of the gradient),
along paths of a quarter of an orbit: there a normal density forgets where it began, and how far from the middle that
was. So a draw takes some four passes, and tuning is of the step's length alone. Correlations are drawn as
canonical partial correlations w = tanh z, under LKJ(η) density (1 - w²)^β with β of their column, Jacobian in it.

References: Neal (2011) for Hamiltonian Monte Carlo; Vehtari et al. (2021) for r-hat and effective sample size;
Lewandowski, Kurowicka & Joe (2009) for the prior of Σ and its partial correlations.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

with warnings.catch_warnings():  # both announce their plans when first imported
    warnings.simplefilter("ignore")
    import arviz as az
    import pymc as pm
    import pytensor.tensor as pt
    from pytensor.graph.basic import Apply
    from pytensor.graph.op import Op

from irt.calibration import GRID, Fit
from irt.design import Answers
from irt.estep import Parameters, Statistics, e_step, no_sites, parameters, quadrature, settle
from irt.model import Floats
from irt.mstep import ItemPrior, Priors, priors, real_slopes

RHAT = 1.01  # above it, chains disagree
ENOUGH = 400  # effective draws that every parameter needs
SETTLED = 1e-4  # change of a mean at which expectation propagation ends; the log-likelihood then errs by less than 1e-6
APART = 2.0  # posterior sds that chains begin apart from the fit
DIFFERENCE = 1e-3  # of the gradients that give the Hessian
QUARTER = 2.0  # length of a path, in posterior sds: a quarter of an orbit, rounded down to whole steps
ACCEPTED = 0.8  # share of the paths' ends that are taken
TUNE = 150  # draws that tune the length of a step
WILD = 25.0  # logits; a slope or easiness beyond it is a step of the sampler gone astray
DIVERGENT = 0.001  # share of divergent draws that is too much


class Marginal(Op):
    """Log-likelihood, and its gradients in slopes (I, k), thresholds (I, M) and Σ (D, D)."""

    __props__ = ()

    def __init__(self, answers: Answers, at: Parameters, nodes: int) -> None:
        self.answers, self.at, self.nodes = answers, at, nodes
        self.sites = settle(answers, at, no_sites(answers), tolerance=SETTLED)

    def make_node(self, *inputs: Any) -> Any:  # noqa: ANN401  pytensor's own types
        tensors = [pt.as_tensor_variable(x) for x in inputs]
        return Apply(self, tensors, [pt.dscalar(), pt.dmatrix(), pt.dmatrix(), pt.dmatrix()])

    def perform(self, node: Any, inputs: Sequence[Any], outputs: list[list[Any]]) -> None:  # noqa: ANN401
        del node
        k = self.at.slope.shape[1]
        wild = max(float(np.abs(inputs[0]).max()), float(np.abs(inputs[1][:, 0]).max())) > WILD
        found = self.statistics(self.at.slope, self.at.threshold, self.at.cov) if wild else self.statistics(*inputs)
        if wild or not np.isfinite(found.log_likelihood):  # no belief is near a Gaussian there: to be refused
            found = replace(found, log_likelihood=np.array(-np.inf))
        outputs[0][0] = np.asarray(found.log_likelihood)
        outputs[1][0], outputs[2][0], outputs[3][0] = found.gradient[:, :k], found.gradient[:, k:], found.cov / 2

    def statistics(self, slope: Floats, threshold: Floats, cov: Floats) -> Statistics:
        """Sites begin at the same place each time, so that equal parameters give equal values."""
        threshold = np.where(np.isfinite(self.at.threshold), threshold, -np.inf)
        at = replace(self.at, slope=slope, threshold=threshold, cov=cov)
        sites = settle(self.answers, at, self.sites, tolerance=SETTLED)
        if self.nodes:
            return quadrature(self.answers, at, sites, self.nodes)
        return e_step(self.answers, at, sites)[0]

    def L_op(self, inputs: Any, outputs: Any, grads: Any) -> Any:  # noqa: ANN401, N802  pytensor's name
        """Back from the log-likelihood; its gradients have none of their own."""
        del inputs
        return [grads[0] * part for part in outputs[1:]]


def model(answers: Answers, fit: Fit, prior: Priors, *, exact: bool) -> pm.Model:
    """The model of a fit's items; `fit` gives its shape and the place where chains begin."""
    at = parameters(fit.items, np.zeros(len(fit.mean)), fit.covariance)
    nodes = GRID[len(fit.mean)] if exact else 0
    marginal: Any = Marginal(answers, at, nodes)
    real, used = real_slopes(at), np.isfinite(at.threshold)
    with pm.Model() as built:
        centre, spread = (np.broadcast_to(prior.column(name), real.shape)[real] for name in ("log_slope", "slope_sd"))
        log_slope = pm.Normal("log_slope", centre, spread)
        slope = pm.Deterministic("slope", pt.zeros(real.shape)[np.nonzero(real)].set(pt.exp(log_slope)))
        threshold = pm.Deterministic("threshold", _thresholds(used, prior))
        cov = pm.Deterministic("covariance", _correlations(len(fit.mean), prior.lkj))
        pm.Potential("answers", marginal(slope, threshold, cov)[0])
    return built


def _thresholds(used: Any, prior: Priors) -> Any:  # noqa: ANN401
    """Thresholds (I, M) from each item's first and the gaps below it, with the prior on their mean."""
    items, most = used.shape
    first = pm.Flat("first", shape=items)
    tensor: Any = pt
    lower = first[:, None]
    if most > 1:
        gap = pm.HalfFlat("gap", shape=int(used[:, 1:].sum()))
        gaps = pt.zeros((items, most - 1))[np.nonzero(used[:, 1:])].set(gap)
        lower = first[:, None] - tensor.concatenate([pt.zeros((items, 1)), tensor.cumsum(gaps, axis=1)], axis=1)
    centre = (lower * used).sum(1) / used.sum(1)
    expected = pm.Normal.dist(prior.column("threshold")[:, 0], prior.column("threshold_sd")[:, 0])
    pm.Potential("centre", pm.logp(expected, centre).sum())
    return lower


def _correlations(skills: int, eta: float) -> Any:  # noqa: ANN401
    """Σ from partial correlations w, of skill i with j given those before j: its root holds w times what is left."""
    if skills == 1:
        return pt.ones((1, 1))
    row, col = np.tril_indices(skills, -1)
    z = pm.Flat("partial", shape=len(row))
    w: Any = pt.tanh(z)
    pm.Potential("lkj", ((eta + (skills - 2 - col) / 2) * _log_left(z)).sum())
    root: Any = pt.zeros((skills, skills))
    left = [pt.constant(1.0)] * skills
    for n, (i, j) in enumerate(zip(row, col, strict=True)):
        root = root[i, j].set(w[n] * left[i])
        left[i] = left[i] * pt.exp(0.5 * _log_left(z[n]))
    root = root[np.arange(skills), np.arange(skills)].set(pt.stack(left))
    return (root[:, None, :] * root[None, :, :]).sum(-1)  # a matrix product would look for a BLAS of its own


def _log_left(z: Any) -> Any:  # noqa: ANN401
    """Log(1 - tanh² z), without cancellation."""
    tensor: Any = pt
    return 2 * (np.log(2.0) - z - tensor.softplus(-2 * z))


def _partial(cov: Floats) -> Floats:
    """Z of a correlation matrix, the inverse of the above."""
    root = np.linalg.cholesky(cov)
    row, col = np.tril_indices(len(cov), -1)
    used = np.cumsum(np.concatenate([np.zeros((len(cov), 1)), root**2], axis=1), axis=1)
    return np.arctanh(np.clip(root[row, col] / np.sqrt(1 - used[row, col]), -0.999, 0.999))


def sample(
    answers: Answers,
    fit: Fit,
    seed: int,
    *,
    prior: ItemPrior | Priors | None = None,
    exact: bool = False,
    draws: int = 500,
    tune: int = TUNE,
    chains: int = 2,
    progress: Callable[[int], None] | None = None,
) -> Any:  # noqa: ANN401  az.InferenceData
    """Posterior draws of slopes, thresholds and covariance, as ArviZ data; answers are numbered as in the fit.

    exact: integrate on grids (up to three skills), much slower than expectation propagation.
    progress: called after each draw with how many there have been, of chains * (tune + draws).
    """
    if exact and len(fit.mean) not in GRID:
        raise ValueError(f"sample: {len(fit.mean)} skills cannot be integrated exactly. Maybe leave `exact` out.")
    if (fit.items.slope < 0).any():
        where = int(np.argmax((fit.items.slope < 0).any(1)))
        raise ValueError(f"sample: item {where} has a negative slope; chains keep slopes positive. Maybe a wrong key.")
    expected = priors(prior or fit.prior or ItemPrior(), len(fit.items))
    with model(answers, fit, expected, exact=exact) as built, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # r-hat and divergences are judged by `faults`
        here, spread = _place(built, fit)
        rng = np.random.default_rng(seed)
        begins = [here + APART * np.linalg.cholesky(spread) @ rng.standard_normal(len(here)) for _ in range(chains)]
        return pm.sample(
            draws, tune=tune, chains=chains, cores=1, random_seed=seed, progressbar=False,
            step=pm.HamiltonianMC(path_length=QUARTER, target_accept=ACCEPTED, scaling=spread, is_cov=True),
            initvals=[_named(built, x) for x in begins],
            callback=_counted(progress),
        )  # fmt: skip


def _counted(progress: Callable[[int], None] | None) -> Callable[..., None] | None:
    if progress is None:
        return None
    number = count(1)
    return lambda trace, draw: progress(next(number))  # noqa: ARG005  PyMC calls it by these names


def _place(built: pm.Model, fit: Fit) -> tuple[Floats, Floats]:
    """The fit as the sampler's coordinates (n,), and the posterior's covariance there (n, n)."""
    real, used = fit.items.slope != 0, np.isfinite(fit.items.threshold)
    begin = {"log_slope": np.log(fit.items.slope[real]), "first": fit.items.threshold[:, 0]}
    if used.shape[1] > 1:
        with np.errstate(invalid="ignore"):
            begin["gap_log__"] = np.log(-np.diff(fit.items.threshold, axis=1)[used[:, 1:]])
    if len(fit.mean) > 1:
        begin["partial"] = _partial(fit.covariance)
    here = np.concatenate([begin[one.name] for one in built.continuous_value_vars])
    height = built.logp_dlogp_function(ravel_inputs=True)
    height.set_extra_values({})
    bend = np.array([height(here + step)[1] - height(here - step)[1] for step in DIFFERENCE * np.eye(len(here))])
    value, vector = np.linalg.eigh(-(bend + bend.T) / (4 * DIFFERENCE))
    return here, vector / np.maximum(value, 1e-3 * value[-1]) @ vector.T


def _named(built: pm.Model, x: Floats) -> dict[str, Floats]:
    """The sampler's coordinates by the names of what they stand for."""
    point, first = {}, 0
    for one in built.continuous_value_vars:
        size = int(np.prod(built.eval_rv_shapes()[one.name]))
        part, first = x[first : first + size], first + size
        point[one.name.removesuffix("_log__")] = np.exp(part) if one.name.endswith("_log__") else part
    return point


def faults(draws: Any) -> Iterator[str]:  # noqa: ANN401  ArviZ carries no types
    """Why this sample must not be used; empty when it may."""
    for name, (worst, fewest) in _diagnosed(draws).items():
        if worst > RHAT:
            yield f"chains disagree on {name}: r-hat {worst:.3f}, limit {RHAT}. Maybe draw longer."
        if fewest < ENOUGH:
            yield f"too few effective draws of {name}: {fewest:.0f}, {ENOUGH} are needed. Maybe draw longer."
    divergent = float(draws.sample_stats["diverging"].to_numpy().mean())
    if divergent > DIVERGENT:
        yield f"{divergent:.1%} of the draws diverged. Maybe give a tighter prior."


def health(draws: Any) -> tuple[float, float]:  # noqa: ANN401
    """The worst r-hat and the fewest effective draws of any parameter."""
    worst, fewest = zip(*_diagnosed(draws).values(), strict=True)
    return max(worst), min(fewest)


def _diagnosed(draws: Any) -> dict[str, tuple[float, float]]:  # noqa: ANN401
    """Worst r-hat and fewest effective draws of each kind of parameter."""
    alone = draws.posterior["covariance"].shape[-1] == 1
    names = ["log_slope", "threshold"] if alone else ["log_slope", "threshold", "covariance"]
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):  # what does not vary has no r-hat
        warnings.simplefilter("ignore")
        judge: Any = az
        rhat, size = judge.rhat(draws, var_names=names), judge.ess(draws, var_names=names)
    return {name: (float(np.nanmax(rhat[name])), float(np.nanmin(size[name]))) for name in names}
