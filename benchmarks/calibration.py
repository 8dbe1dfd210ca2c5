"""How fast and how exact a calibration is: fixed simulated workloads, CPU seconds on one thread.

    python3 dev.py bench calibration [W1 W2 W3 W4 S20 S50] [--seed 1] [--json]

Recipe: a = exp(N(.25, .3)) clipped to [.5, 2.8], times .75 on items of two skills; b ~ N(0, 1), d = -|a| b; cut
points of five-level items near (-1.5, -.5, .5, 1.5) |a|; θ ~ N(0, Σ), unit variances.
W1-W3 dense; W4 leaves 30 % of answers out, the likelier the further an item is from what a router of 4 items a skill
says. S20 and S50 are sparse: 30 answers a person at random, 30 % of items on two skills; S50 has 450 answers an
item and is fitted with the hierarchical prior. Compilation is not counted: every kernel runs once before.

Beside the figures stand the floor (error of slopes if the skills were known) and the ratio to the CPU seconds
that mirt took on workloads of the same recipe on one thread of a busy machine of its own (calibration plus scoring): a
comparison across machines, good to a factor of two. girth, where it is installed, runs on the same answers in
the same process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402  threads are chosen before NumPy starts

from benchmarks import peers  # noqa: E402
from irt.calibration import Fit, calibrate  # noqa: E402
from irt.design import Answers, Design, Flags, answers_from_rows  # noqa: E402
from irt.model import Floats, Ints, Items, probability, projection  # noqa: E402
from irt.mstep import ItemPrior  # noqa: E402
from irt.scoring import score  # noqa: E402

BATCH = 2_000  # persons simulated at a time


@dataclass(frozen=True)
class Workload:
    """One simulated calibration."""

    skills: int
    items: int
    people: int
    asked: int | None = None  # answers a person; all items if absent
    two_skills: float = 0.0  # share of items
    graded: int = 0
    routed: bool = False
    correlation: tuple[float, float] = (0.6, 0.6)
    prior: bool = False
    mirt: float | None = None  # CPU s of mirt's best method, calibration plus scoring


WORKLOADS = {
    "W1": Workload(3, 90, 2_000, mirt=63 + 38),
    "W2": Workload(5, 100, 5_000, two_skills=0.1, correlation=(0.3, 0.7), mirt=174 + 113),
    "W3": Workload(10, 200, 10_000, correlation=(0.3, 0.7), mirt=844 + 703),
    "W4": Workload(4, 80, 2_500, graded=20, routed=True, mirt=139 + 44),
    "S20": Workload(20, 1_000, 100_000, asked=30, two_skills=0.3),
    "S50": Workload(50, 2_000, 30_000, asked=30, two_skills=0.3, prior=True),
}


@dataclass(frozen=True, eq=False)
class Truth:
    """What was simulated."""

    items: Items
    design: Design
    correlation: Floats
    theta: Floats
    answers: Answers


def simulate(work: Workload, rng: np.random.Generator) -> Truth:
    """A bank, people and answers by the recipe."""
    correlation = population(work, rng)
    items, design = bank(work, rng)
    theta = rng.multivariate_normal(np.zeros(work.skills), correlation, work.people, method="cholesky")
    parts = [asked(work, items, theta[b : b + BATCH], rng) for b in range(0, work.people, BATCH)]
    person = np.concatenate([p + n * BATCH for n, (p, _, _) in enumerate(parts)])
    item, level = (np.concatenate([part[n] for part in parts]) for n in (1, 2))
    return Truth(items, design, correlation, theta, answers_from_rows(person, item, level, work.people))


def population(work: Workload, rng: np.random.Generator) -> Floats:
    low = np.tril(rng.uniform(*work.correlation, (work.skills, work.skills)), -1)
    value, vector = np.linalg.eigh(low + low.T + np.eye(work.skills))
    cov = (vector * np.maximum(value, 0.05)) @ vector.T
    sd = np.sqrt(np.diag(cov))
    return cov / np.outer(sd, sd)


def bank(work: Workload, rng: np.random.Generator) -> tuple[Items, Design]:
    rows = work.items
    skill = np.full((rows, 2), -1)
    skill[:, 0] = np.arange(rows) % work.skills
    both = rng.random(rows) < work.two_skills
    skill[both, 1] = (skill[both, 0] + 1 + rng.integers(0, work.skills - 1, both.sum())) % work.skills
    slope = np.exp(rng.normal(0.25, 0.3, (rows, 2))).clip(0.5, 2.8) * np.where(both[:, None], 0.75, 1.0)
    slope[~both, 1] = 0.0
    length = np.linalg.norm(slope, axis=1)
    graded = np.arange(rows) >= rows - work.graded
    threshold = np.full((rows, 4 if work.graded else 1), -np.inf)
    threshold[:, 0] = -length * rng.standard_normal(rows)
    if work.graded:
        cuts = np.sort(np.array([-1.5, -0.5, 0.5, 1.5]) + rng.normal(0, 0.2, (graded.sum(), 4)), axis=1)
        threshold[graded] = -cuts * length[graded, None]
    levels = np.isfinite(threshold).sum(1) + 1
    return Items(np.maximum(skill, 0), slope, threshold, np.zeros(rows)), Design(
        work.skills, skill, levels, np.zeros(rows)
    )


def asked(work: Workload, items: Items, theta: Floats, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Person, item and level of each answer."""
    people, rows = len(theta), len(items)
    if work.asked is not None:
        item = np.argpartition(rng.random((people, rows)), work.asked, axis=1)[:, : work.asked].ravel()
        person = np.repeat(np.arange(people), work.asked)
        s = (theta[person[:, None], items.skill[item]] * items.slope[item]).sum(1)
        chance = probability(s, items.rows(item))
        return person, item, (rng.random((len(item), 1)) > chance.cumsum(-1)[:, :-1]).sum(-1)
    chance = probability(projection(theta, items), items)
    level = (rng.random((people, rows, 1)) > chance.cumsum(-1)[..., :-1]).sum(-1)
    keep = routed(work, items, level, rng) if work.routed else np.ones_like(level, dtype=bool)
    person, item = np.nonzero(keep)
    return person, item, level[keep]


def routed(work: Workload, items: Items, level: Ints, rng: np.random.Generator) -> Flags:
    """Flags (P, I): the first 4 items a skill are asked of all, others the likelier the nearer they are."""
    keep = np.ones(level.shape, dtype=bool)
    place = -items.threshold[:, 0] / np.linalg.norm(items.slope, axis=1)
    for d in range(work.skills):
        mine = np.nonzero(items.skill[:, 0] == d)[0]
        ability = (level[:, mine[:4]] > 0).mean(1) * 3 - 1.5
        far = np.abs(place[mine[4:]] - ability[:, None])
        share = 0.30 * len(mine) / (len(mine) - 4)
        keep[:, mine[4:]] = rng.random(far.shape) > np.clip(share * far / far.mean(), 0, 0.95)
    return keep


def run(work: Workload, seed: int) -> dict[str, Any]:
    """Calibrate and score; figures of one workload."""
    truth = simulate(work, np.random.default_rng(seed))
    begun = time.process_time()
    fit = calibrate(truth.answers, truth.design, prior=ItemPrior() if work.prior else None)
    fitted = time.process_time()
    mean, sd = score(fit.items, fit.mean, fit.covariance, fit.answers(truth.answers))
    scored = time.process_time()
    figures = {"fit_cpu_s": fitted - begun, "score_cpu_s": scored - fitted, **errors(fit, truth)}
    figures["theta_rmse"] = rms(mean - truth.theta)
    figures["coverage_95"] = float(np.mean(np.abs(mean - truth.theta) < 1.96 * sd))
    figures["floor_a_rmse"] = floor(truth) if work.asked is None and not work.graded else None
    figures["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures["mirt_ratio"] = None if work.mirt is None else work.mirt / (scored - begun)
    other = None if peers.missing("girth") else peers.girth(truth)
    figures["girth"] = other
    figures["girth_ratio"] = None if other is None else other["fit_cpu_s"] / (fitted - begun)
    return {**asdict(work), **figures}


def errors(fit: Fit, truth: Truth) -> dict[str, Any]:
    rows = fit.kept_items
    real = truth.items.slope[rows] > 0
    a = (fit.items.slope - truth.items.slope[rows])[real]
    used = np.isfinite(truth.items.threshold[rows])
    d = fit.items.threshold[used] - truth.items.threshold[rows][used]
    off = (fit.covariance - truth.correlation)[np.tril_indices(len(fit.mean), -1)]
    return {
        "passes": fit.iterations, "converged": fit.converged, "refused": len(fit.refused),
        "a_rmse": rms(a), "a_bias": float(a.mean()), "d_rmse": rms(d), "d_bias": float(d.mean()),
        "corr_rmse": rms(off), "corr_bias": float(off.mean()), "corr_max": float(np.abs(off).max()),
        "a_se_rms": rms(fit.slope_se[real]), "z_a_sd": float((a / fit.slope_se[real]).std()),
    }  # fmt: skip


def floor(truth: Truth) -> float:
    """Error of slopes by logistic regression on the true skills: what no calibration can pass."""
    off = []
    for i in range(len(truth.items)):
        mine = truth.answers.item == i
        wide = int((truth.items.slope[i] > 0).sum())
        x = np.c_[truth.theta[truth.answers.person[mine]][:, truth.items.skill[i, :wide]], np.ones(mine.sum())]
        beta = np.r_[truth.items.slope[i, :wide], truth.items.threshold[i, 0]]
        for _ in range(8):
            p = 1 / (1 + np.exp(-x @ beta))
            beta += np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x, x.T @ (truth.answers.level[mine] - p))
        off.append(beta[:wide] - truth.items.slope[i, :wide])
    return rms(np.concatenate(off))


def rms(x: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(x))))


def warm_up() -> None:
    """Compile or load every kernel."""
    for work in (Workload(2, 12, 300), Workload(2, 12, 300, graded=4), Workload(4, 24, 300, asked=8)):
        truth = simulate(work, np.random.default_rng(0))
        fit = calibrate(truth.answers, truth.design, passes=5, prior=ItemPrior())
        score(fit.items, fit.mean, fit.covariance, fit.answers(truth.answers))


def shown(name: str, f: dict[str, Any]) -> str:
    table = f", {f['mirt_ratio']:.0f}x faster than mirt's table" if f["mirt_ratio"] else ""
    least = "" if f["floor_a_rmse"] is None else f" (floor {f['floor_a_rmse']:.3f})"
    return (
        f"{name}: {f['skills']} skills, {f['items']} items, {f['people']} people: fit {f['fit_cpu_s']:.2f} s, "
        f"{f['passes']} passes{'' if f['converged'] else ' NOT CONVERGED'}, score {f['score_cpu_s']:.2f} s{table}\n"
        f"    a rmse {f['a_rmse']:.3f}{least} bias {f['a_bias']:+.3f} se {f['a_se_rms']:.3f}; "
        f"d rmse {f['d_rmse']:.3f} "
        f"bias {f['d_bias']:+.3f}; corr rmse {f['corr_rmse']:.3f} bias {f['corr_bias']:+.3f} max {f['corr_max']:.3f}; "
        f"theta rmse {f['theta_rmse']:.3f} cover {f['coverage_95']:.3f}; peak {f['peak_mib']:.0f} MiB{beside(f)}"
    )


def beside(f: dict[str, Any]) -> str:
    """The peer's line, if it ran."""
    other = f["girth"]
    if other is None:
        return ""
    return (
        f"\n    girth {other['version']}, one skill at a time: fit {other['fit_cpu_s']:.2f} s "
        f"({f['girth_ratio']:.1f}x ours), score {other['score_cpu_s']:.2f} s; a rmse {other['a_rmse']:.3f} bias "
        f"{other['a_bias']:+.3f}; d rmse {other['d_rmse']:.3f}; corr rmse {other['corr_rmse']:.3f}; "
        f"theta rmse {other['theta_rmse']:.3f}"
    )


def main(argv: list[str]) -> int:
    """Run the workloads named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(WORKLOADS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(argv)
    if words := peers.how("girth"):
        print(words, file=sys.stderr)
    warm_up()
    results = {}
    for name in chosen.names:
        results[name] = run(WORKLOADS[name], chosen.seed)
        if not chosen.json:
            print(shown(name, results[name]), flush=True)
    if chosen.json:
        print(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
