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
# # How many minutes does correlation save?
#
# Skills go together: someone good at algebra is rarely lost in statistics. A test that knows this can ask about one
# skill and learn a little about the others. How much is that worth, in minutes? Everything here is **simulated**, with
# the truth known: six skills in one domain, 300 questions that differ in difficulty and length. The same people sit
# the same test twice; only what the engine knows of correlations differs.

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np

from irt.model import Items
from irt.population import Population, from_covariance
from irt.replay import POLICIES, Record, Ruler, Times, estimates, finished, replay
from irt.simulation import random_items, respond

SKILLS, ITEMS, PEOPLE = 6, 300, 80
CLOCK = np.array([1, 2, 3, 5, 10, 15, 20, 30, 40, 60, 90.0])
ALONE = from_covariance(np.zeros(SKILLS), np.eye(SKILLS))


World = tuple[Items, Population, Times, np.ndarray, list[Record]]


def world(correlation: float, rng: np.random.Generator) -> World:
    cov = np.full((SKILLS, SKILLS), correlation) + (1 - correlation) * np.eye(SKILLS)
    population = from_covariance(np.zeros(SKILLS), cov)
    items = random_items(ITEMS, SKILLS, rng, graded=0.0, two=0.0)
    intensity = rng.normal(np.log(1.2), 0.4, ITEMS)
    theta = population.draw(PEOPLE, rng)
    level = respond(theta, items, rng)
    minutes = np.exp(intensity + rng.normal(0, 0.3, (PEOPLE, ITEMS)))
    shown = [rng.permutation(ITEMS)[:100] for _ in range(PEOPLE)]  # a person could be asked a third of the bank
    records = [Record(rows, level[p, rows], minutes[p, rows]) for p, rows in enumerate(shown)]
    return items, population, Times(intensity, np.full(ITEMS, 0.3)), theta, records


def errors(
    items: Items, believed: Population, times: Times, theta: np.ndarray, records: list[Record], policy: str
) -> np.ndarray:
    """Root mean square error of a skill's estimate along the clock."""
    ruler = Ruler(items, believed, times)
    orders = [replay(ruler, one, POLICIES[policy], np.random.default_rng(1)) for one in records]
    found = []
    for minute in CLOCK:
        answers = finished(records, orders, minute)
        found.append(np.sqrt(np.mean((estimates(ruler, answers) - theta) ** 2)))
    return np.array(found)


# %% [markdown]
# ## The same people, with and without correlations

# %%
rng = np.random.default_rng(11)
curves = {}
for rho in (0.3, 0.6, 0.8):
    items, population, times, theta, records = world(rho, rng)
    curves[rho] = {
        "engine, correlations known": errors(items, population, times, theta, records, "engine"),
        "engine, each skill alone": errors(items, ALONE, times, theta, records, "engine"),
        "binary search, each skill alone": errors(items, ALONE, times, theta, records, "binary-search"),
    }

# %%
COLOURS = {
    "engine, correlations known": "#0b6e4f",
    "engine, each skill alone": "#d08c1d",
    "binary search, each skill alone": "#8a8f98",
}
figure, panels = plt.subplots(1, 3, figsize=(12, 4), sharey=True, layout="constrained")
for panel, (rho, found) in zip(panels, curves.items(), strict=True):
    for name, values in found.items():
        panel.plot(CLOCK, values, marker="o", ms=4, lw=2, color=COLOURS[name], label=name)
    panel.set(title=f"correlation {rho}", xlabel="minutes", xlim=(0, 92))
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25)
panels[0].set_ylabel("error of a skill (sd of people)")
panels[0].legend(frameon=False, fontsize=9)
figure.suptitle("The more skills go together, the sooner all of them are known")
plt.show()

# %% [markdown]
# ## In minutes
#
# Read across instead of down: where the curve without correlations stands after 20, 30 and 60 minutes, how long does
# the curve with correlations need?

# %%
share = {}
for rho, found in curves.items():
    known, alone = found["engine, correlations known"], found["engine, each skill alone"]
    share[rho] = [np.interp(-alone[m == CLOCK][0], -known, CLOCK) / m for m in (20, 30, 60)]
figure, panel = plt.subplots(figsize=(7, 3.6), layout="constrained")
place = np.arange(3)
for n, (rho, values) in enumerate(share.items()):
    bars = panel.bar(
        place + 0.27 * (n - 1),
        np.array(values) * 100,
        0.25,
        label=f"correlation {rho}",
        color=plt.cm.viridis(0.25 + 0.25 * n),
    )
    panel.bar_label(bars, fmt="%.0f %%", fontsize=8)
panel.axhline(100, color="#555", lw=1)
panel.set_xticks(place, ["as exact as 20 min alone", "30 min alone", "60 min alone"])
panel.set_ylabel("minutes needed, %")
panel.set_ylim(0, 125)
panel.legend(frameon=False, loc="upper center", ncols=3)
panel.spines[["top", "right"]].set_visible(False)
plt.show()
print({rho: np.round(values, 2).tolist() for rho, values in share.items()})

# %% [markdown]
# What to take from it. Strong correlations save more than half of the minutes, weak ones a little. Borrowed
# knowledge has a ceiling, since what a skill has for itself can only be learnt by asking about it: the curves draw
# together as answers pile up. And the correlations were taken as known here: they come from a calibration, with
# errors of their own, which is what *What a calibration can and cannot know* is about. Few people make these shares
# unsteady by ten points or so; the benchmark `minutes` has more people and more baselines.
