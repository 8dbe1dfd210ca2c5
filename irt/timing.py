r"""How long an answer takes: log-normal, with a person's pace.

    t_pj = κ + exp(β_j - τ_p + ε),   ε ~ N(0, σ_j²),   τ_p ~ N(0, ω²)

β_j  time intensity of item j: log of its median minutes
τ_p  speed of person p; an accommodation of e.g. 1.5 times moves the clock, not τ
κ    minutes every question takes whatever it asks: the page, the click
The expected minutes of the next answer, over all that is not known, are κ + exp(β - τ̂ + (σ² + var τ)/2).

Some recorded times are no work on the item: rapid guesses (a few seconds, whatever the item) and absences (many
times what the item takes). `fit_times` treats every time as a mixture of the three, so that neither is averaged in.

References: van der Linden (2006), A lognormal model for response times on test items, JEBS 31; Wise & Kong (2005) and
Wang & Xu (2015), British J. Math. Stat. Psych. 68, for rapid guesses as a mixture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from irt.model import Floats, Ints

OMEGA = 0.3  # sd of people's log pace: one in six takes 1.35 times as long as the median
SIGMA = 0.45  # sd of one answer's log time around its person and item


@dataclass(frozen=True)
class Pace:
    """What is known of one person's speed."""

    mean: float = 0.0
    variance: float = OMEGA**2


def pace(
    log_minutes: Floats, intensity: Floats, sigma: Floats | float = SIGMA, omega: float = OMEGA, overhead: float = 0.0
) -> Pace:
    """Speed after some answers, by conjugate normal updating; (n,) log minutes against β (n,); nan: not taken.

    Times shorter than a tenth or longer than ten times what the item asks (a guess, an absence) say
    nothing about speed and are left out, and so are times below the overhead κ.
    """
    if log_minutes.shape != intensity.shape:
        raise ValueError(f"pace: {log_minutes.size} times of {intensity.size} items. Maybe a time is missing: use nan.")
    net = np.exp(log_minutes) - overhead
    gap = intensity - np.log(np.where(net > 0, net, np.nan))
    usable = np.abs(gap) < np.log(10.0)  # False for nan
    gap, weight = np.where(usable, gap, 0.0), np.where(usable, 1.0 / np.broadcast_to(sigma, gap.shape) ** 2, 0.0)
    precision = 1 / omega**2 + weight.sum()
    return Pace(float((weight * gap).sum() / precision), float(1 / precision))


def expected_minutes(
    intensity: Floats, pace: Pace, sigma: Floats | float = SIGMA, spread: Floats | float = 0.0, overhead: float = 0.0
) -> Floats:
    """Mean minutes of each item for this person; `spread` is the sd of β where it is uncertain, `overhead` is κ."""
    return overhead + np.exp(intensity - pace.mean + 0.5 * (np.square(sigma) + pace.variance + np.square(spread)))


def simulate_minutes(intensity: Floats, speed: Floats, sigma: Floats | float, rng: np.random.Generator) -> Floats:
    """Minutes of people (P,) at items (I,): (P, I)."""
    noise = rng.standard_normal((len(speed), len(intensity))) * sigma
    return np.exp(intensity - speed[:, None] + noise)


# -- from recorded seconds ---------------------------------------------------------------------------

RAPID = (np.log(3 / 60), 0.5)  # mean and sd of the log minutes of a guess, to begin with
SLOWEST_GUESS = np.log(8 / 60)  # the mean of the guesses' log minutes stays below this
ABSENT = (np.log(15.0), 1.0)  # mean and sd of how much longer, in logs, an absence is than work
PULL = 20.0  # answers that the noise common to all items is worth in an item's own
MOST_SWEEPS, STILL = 200, 1e-5


@dataclass(frozen=True, eq=False)
class Times:
    """A calibration of times."""

    intensity: Floats  # (I,) β; of an item without times: the items' mean
    intensity_sd: Floats  # (I,) how surely
    sigma: Floats  # (I,)
    speed: Floats  # (P,) τ
    speed_variance: Floats  # (P,)
    omega: float
    middle: float  # mean and sd of β over items
    spread: float
    overhead: float  # κ, minutes
    share: Floats  # (3,) of work, rapid guesses, absences
    rapid: tuple[float, float]  # mean and sd of the guesses' log minutes
    work: Floats  # (N,) probability that each time was work on the item; nan where no time was taken
    log_likelihood: float  # lower bound
    settled: bool


def fit_times(person: Ints, item: Ints, minutes: Floats, people: int, items: int) -> Times:
    """Intensities, speeds, noise and overhead from recorded minutes (N,), nan where none was taken.

    Variational EM: normal factors for every β and τ, a mixture for every time, empirical priors throughout, so that
    items with few times stay near the others. The overhead is what makes the times likeliest.
    """
    check_times(person, item, minutes, people, items)
    timed = np.isfinite(minutes)
    rows = Rows(person[timed], item[timed], minutes[timed])
    state = {"fit": settle(rows, beginning(rows, people, items))}

    def loss(overhead: float) -> float:
        state["fit"] = settle(rows, replace(state["fit"], overhead=overhead))  # each search step starts from the last
        return -state["fit"].log_likelihood

    worked = rows.minutes[state["fit"].work > 0.5]
    most = 0.95 * float(np.quantile(worked if len(worked) else rows.minutes, 0.005))
    found = minimize_scalar(loss, bounds=(0.0, most), method="bounded", options={"xatol": 0.003, "maxiter": 15})
    fit = settle(rows, replace(state["fit"], overhead=float(found.x)))
    work = np.full(len(minutes), np.nan)
    work[timed] = fit.work
    return replace(fit, work=work)


def check_times(person: Ints, item: Ints, minutes: Floats, people: int, items: int) -> None:
    if not person.shape == item.shape == minutes.shape:
        raise ValueError(f"fit_times: person {person.shape}, item {item.shape} and minutes {minutes.shape} must match.")
    if (minutes <= 0).any() or np.isinf(minutes).any():
        row = int(np.argmax((minutes <= 0) | np.isinf(minutes)))
        raise ValueError(f"fit_times: row {row} took {minutes[row]} minutes. Maybe a missing time was written as 0.")
    if np.isfinite(minutes).sum() < 2:
        raise ValueError("fit_times: fewer than two times were taken.")
    if person.min() < 0 or person.max() >= people or item.min() < 0 or item.max() >= items:
        raise ValueError(f"fit_times: a person or item is not among the {people} people and {items} items.")


@dataclass(frozen=True, eq=False)
class Rows:
    """The times that were taken, (N,) each."""

    person: Ints
    item: Ints
    minutes: Floats


def beginning(rows: Rows, people: int, items: int) -> Times:
    logs = np.log(rows.minutes)
    middle = float(np.median(logs))
    count = np.bincount(rows.item, minlength=items)
    mean = (np.bincount(rows.item, logs, items) + middle) / (count + 1)
    return Times(
        intensity=mean, intensity_sd=np.full(items, 0.3), sigma=np.full(items, SIGMA),
        speed=np.zeros(people), speed_variance=np.full(people, OMEGA**2), omega=OMEGA,
        middle=middle, spread=0.5, overhead=0.0, share=np.array([0.94, 0.03, 0.03]), rapid=RAPID,
        work=np.ones(len(logs)), log_likelihood=-np.inf, settled=False,
    )  # fmt: skip


def settle(rows: Rows, fit: Times) -> Times:
    """Sweep until the likelihood stays, at the overhead given."""
    fit = replace(fit, log_likelihood=-np.inf)
    for _ in range(MOST_SWEEPS):
        before = fit.log_likelihood
        kinds, fit = classify(rows, fit)
        if abs(fit.log_likelihood - before) < STILL * len(rows.minutes):
            return replace(fit, settled=True)
        fit = learn(rows, fit, kinds)
    return fit


def classify(rows: Rows, fit: Times) -> tuple[Floats, Times]:
    """Probabilities (N, 3) of work, guess and absence for every time, and the likelihood's bound."""
    logs, net = np.log(rows.minutes), np.maximum(rows.minutes - fit.overhead, 1e-4)
    gap, unsure = residual(rows, fit, net)
    sigma = fit.sigma[rows.item]
    mean, sd = fit.rapid
    logp = np.stack([
        -0.5 * (gap**2 + unsure) / sigma**2 - np.log(sigma) + logs - np.log(net),
        -0.5 * ((logs - mean) / sd) ** 2 - np.log(sd),
        -0.5 * ((gap - ABSENT[0]) / ABSENT[1]) ** 2 - np.log(ABSENT[1]),
    ], axis=1) + np.log(np.maximum(fit.share, 1e-12))  # fmt: skip
    total = logsumexp(logp, axis=1)
    kinds = np.exp(logp - total[:, None])
    bound = total.sum() - divergence(fit.speed, fit.speed_variance, 0.0, fit.omega)
    bound -= divergence(fit.intensity, fit.intensity_sd**2, fit.middle, fit.spread)
    return kinds, replace(fit, work=kinds[:, 0], log_likelihood=float(bound))


def residual(rows: Rows, fit: Times, net: Floats) -> tuple[Floats, Floats]:
    """log(t - κ) - (β - τ), and the variance it has from not knowing β and τ."""
    gap = np.log(net) - fit.intensity[rows.item] + fit.speed[rows.person]
    return gap, fit.intensity_sd[rows.item] ** 2 + fit.speed_variance[rows.person]


def divergence(mean: Floats, variance: Floats, middle: float, spread: float) -> float:
    """KL divergence of normal factors from their common prior."""
    return float(0.5 * ((variance + (mean - middle) ** 2) / spread**2 - 1 - np.log(variance / spread**2)).sum())


def learn(rows: Rows, fit: Times, kinds: Floats) -> Times:
    """Speeds, then intensities, then noise and what is common to all, each given the rest."""
    people, items = len(fit.speed), len(fit.intensity)
    y = np.log(np.maximum(rows.minutes - fit.overhead, 1e-4))
    weight = kinds[:, 0] / fit.sigma[rows.item] ** 2
    precision = 1 / fit.omega**2 + np.bincount(rows.person, weight, people)
    speed = np.bincount(rows.person, weight * (fit.intensity[rows.item] - y), people) / precision
    speed -= speed.mean()
    sharp = 1 / fit.spread**2 + np.bincount(rows.item, weight, items)
    pulled = fit.middle / fit.spread**2 + np.bincount(rows.item, weight * (y + speed[rows.person]), items)
    fit = replace(
        fit, speed=speed, speed_variance=1 / precision, intensity=pulled / sharp, intensity_sd=1 / np.sqrt(sharp)
    )
    return common(rows, fit, kinds)


def common(rows: Rows, fit: Times, kinds: Floats) -> Times:
    """Noise of each item, spread of people and items, shares of the three kinds, and the guesses' own times."""
    gap, unsure = residual(rows, fit, np.maximum(rows.minutes - fit.overhead, 1e-4))
    work, items = kinds[:, 0], len(fit.intensity)
    square = work * (gap**2 + unsure)
    pooled = square.sum() / max(work.sum(), 1.0)
    variance = (np.bincount(rows.item, square, items) + PULL * pooled) / (np.bincount(rows.item, work, items) + PULL)
    middle = float(fit.intensity.mean())
    return replace(
        fit,
        sigma=np.sqrt(np.maximum(variance, 1e-4)),
        omega=float(np.sqrt((fit.speed**2 + fit.speed_variance).mean())),
        middle=middle,
        spread=float(np.sqrt(((fit.intensity - middle) ** 2 + fit.intensity_sd**2).mean())),
        share=(kinds.sum(0) + np.array([1.0, 0.1, 0.1])) / (len(kinds) + 1.2),
        rapid=guesses(np.log(rows.minutes), kinds[:, 1]),
    )


def guesses(logs: Floats, share: Floats) -> tuple[float, float]:
    """Mean and sd of the guesses' log minutes, held near RAPID while guesses are few."""
    count = share.sum() + PULL
    mean = min((share @ logs + PULL * RAPID[0]) / count, SLOWEST_GUESS)
    square = (share @ (logs - mean) ** 2 + PULL * RAPID[1] ** 2) / count
    return float(mean), float(np.clip(np.sqrt(square), 0.2, 0.8))
