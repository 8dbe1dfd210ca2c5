# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Can we trust the intervals?
#
# An estimate with a 95 % interval makes a promise: nineteen times in twenty the truth lies inside. Here people are
# **simulated**, so the truth is known and the promise can be checked: first where the engine knows everything it
# assumes, then where something it assumes is wrong.

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import ndtri

from irt.calibration import calibrate
from irt.design import answers_from_table, design_from_table
from irt.model import Items
from irt.population import from_covariance
from irt.scoring import score
from irt.simulation import random_items, respond

PEOPLE, SKILLS = 3000, 3
LEVELS = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])


def even(correlation: float) -> np.ndarray:
    return np.full((SKILLS, SKILLS), correlation) + (1 - correlation) * np.eye(SKILLS)


def covered(theta: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Share of intervals of each level that hold the truth."""
    z = np.abs(theta - mean) / sd
    return np.array([(z <= ndtri(0.5 + level / 2)).mean() for level in LEVELS])


def asked(level: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Each person answers `count` questions, drawn for them."""
    table = level.astype(float)
    for row in table:
        row[rng.permutation(len(row))[count:]] = np.nan
    return table


# %% [markdown]
# ## Where everything assumed is true

# %%
rng = np.random.default_rng(4)
population, items = from_covariance(np.zeros(SKILLS), even(0.6)), random_items(90, SKILLS, rng)
theta = population.draw(PEOPLE, rng)
level = respond(theta, items, rng)
true_case = {}
for count in (5, 15, 40):
    mean, sd = score(items, np.zeros(SKILLS), even(0.6), answers_from_table(asked(level, count, rng)))
    true_case[count] = covered(theta, mean, sd)

# %%
figure, panel = plt.subplots(figsize=(5.4, 5), layout="constrained")
panel.plot([0.45, 1], [0.45, 1], color="#999", lw=1, label="the promise")
for n, (count, shares) in enumerate(true_case.items()):
    panel.plot(LEVELS, shares, "o-", ms=5, color=plt.cm.viridis(0.15 + 0.35 * n), label=f"{count} answers")
panel.set(
    xlabel="promised",
    ylabel="held",
    xlim=(0.45, 1.01),
    ylim=(0.45, 1.01),
    title="Intervals hold what they promise,\nfrom five answers on",
)
panel.legend(frameon=False)
panel.spines[["top", "right"]].set_visible(False)
plt.show()
print({count: f"95 % intervals hold {shares[5]:.3f}" for count, shares in true_case.items()})

# %% [markdown]
# ## Where something is wrong
#
# Four ways to be wrong, all scored from 15 answers: correlations believed too high, questions calibrated on few
# people, guessing that nobody told the engine of, and a fact the model does not know: answers that hang together.

# %%
COUNT = 15
wrong = {"all as assumed": true_case[COUNT][5]}
far = from_covariance(np.zeros(SKILLS), even(0.2))
theta_far = far.draw(PEOPLE, rng)
table = asked(respond(theta_far, items, rng), COUNT, rng)
mean, sd = score(items, np.zeros(SKILLS), even(0.8), answers_from_table(table))
wrong["correlations .8 believed, .2 true"] = covered(theta_far, mean, sd)[5]

two_level = random_items(90, SKILLS, rng, graded=0.0, two=0.0)
clear = Items(two_level.skill[:, :1], two_level.slope[:, :1], two_level.threshold[:, :1], np.zeros(90))
asks = np.eye(SKILLS, dtype=bool)[clear.skill[:, 0]]
for few in (150, 1000):
    learners = population.draw(few, rng)
    fit = calibrate(answers_from_table(respond(learners, clear, rng).astype(float)), design_from_table(asks))
    answers = answers_from_table(asked(respond(theta, clear, rng), COUNT, rng))
    mean, sd = score(fit.items, fit.mean, fit.covariance, fit.answers(answers))
    wrong[f"items learnt from {few} people"] = covered(theta, mean, sd)[5]

guessed = Items(clear.skill, clear.slope, clear.threshold, np.full(90, 0.25))
table = asked(respond(theta, guessed, rng), COUNT, rng)
mean, sd = score(clear, np.zeros(SKILLS), even(0.6), answers_from_table(table))
wrong["guessing .25 not told"] = covered(theta, mean, sd)[5]

mood = rng.standard_normal((PEOPLE, 30))[:, np.arange(90) % 30]  # three questions share an effect of the day
pushed = np.stack([clear.threshold[:, 0] + 1.5 * row for row in mood])
logit = (theta[:, clear.skill[:, 0]] * clear.slope[:, 0]) + pushed
together = (rng.random(logit.shape) < 1 / (1 + np.exp(-logit))).astype(float)
blocks = np.array(
    [np.isin(np.arange(90) % 30, rng.permutation(30)[:5]) for _ in range(PEOPLE)]
)  # whole clusters of three
mean, sd = score(clear, np.zeros(SKILLS), even(0.6), answers_from_table(np.where(blocks, together, np.nan)))
wrong["three answers share an effect"] = covered(theta, mean, sd)[5]

# %%
figure, panel = plt.subplots(figsize=(8, 3.6), layout="constrained")
names, shares = list(wrong)[::-1], np.array(list(wrong.values()))[::-1]
panel.axvspan(0.93, 0.97, color="#0b6e4f", alpha=0.12, lw=0)
panel.axvline(0.95, color="#0b6e4f", lw=1)
panel.hlines(np.arange(len(names)), 0.95, shares, color="#bbb", lw=2)
panel.scatter(
    shares, np.arange(len(names)), s=60, zorder=3, color=np.where(np.abs(shares - 0.95) <= 0.02, "#0b6e4f", "#c0392b")
)
for row, one in enumerate(shares):
    panel.annotate(f"{one:.3f}", (one, row), textcoords="offset points", xytext=(0, 8), ha="center", fontsize=8)
panel.set_yticks(np.arange(len(names)), names)
panel.set(xlabel="share of 95 % intervals that hold the truth", xlim=(min(0.78, shares.min() - 0.02), 1.0))
panel.margins(y=0.15)
panel.spines[["top", "right"]].set_visible(False)
plt.show()
print({name: round(float(value), 3) for name, value in wrong.items()})

# %% [markdown]
# What to take from it. Scoring itself is honest: where the assumptions hold, so do the intervals. What breaks them is
# what was assumed. An interval speaks only of the uncertainty it was told of, so the assumptions have to be checked on
# answers: item fit, answers that hang together, correlations foretold and found. Where criteria of one answer share an
# effect, the engine can be told (`Evidence.cluster`), and items that are not known exactly widen what they say
# (`Evidence.blur`); neither was used here, on purpose.
