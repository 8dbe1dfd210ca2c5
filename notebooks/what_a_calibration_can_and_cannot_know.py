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
# # What a calibration can and cannot know
#
# A calibration learns from answers how hard and how telling questions are, and how skills go together. What it learns
# depends on how many people answered, and some things no number of answers can tell. All people here are **simulated**:
# what the calibration finds is laid beside what made the answers.

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np

from irt.calibration import calibrate
from irt.design import answers_from_table, design_from_table
from irt.model import Items
from irt.mstep import ItemPrior
from irt.population import from_covariance
from irt.simulation import respond

SKILLS, ITEMS = 3, 45
TRUE = np.array([[1.0, 0.7, 0.4], [0.7, 1.0, 0.5], [0.4, 0.5, 1.0]])
rng = np.random.default_rng(9)
asks = np.eye(SKILLS, dtype=bool)[np.arange(ITEMS) % SKILLS]
bank = Items(
    (np.arange(ITEMS) % SKILLS)[:, None],
    np.exp(rng.normal(0.25, 0.35, (ITEMS, 1))),
    rng.normal(0, 1.2, (ITEMS, 1)),
    np.zeros(ITEMS),
)
population = from_covariance(np.zeros(SKILLS), TRUE)


def answered(people: int) -> np.ndarray:
    return respond(population.draw(people, rng), bank, rng).astype(float)


# %% [markdown]
# ## It knows difficulty soon, discrimination late

# %%
sizes, fits = (150, 600, 4000), {}
for people in sizes:
    fits[people] = calibrate(answers_from_table(answered(people)), design_from_table(asks))

figure, panels = plt.subplots(2, 3, figsize=(11, 7), layout="constrained")
for column, (people, fit) in enumerate(fits.items()):
    parts = (
        (bank.threshold[fit.kept_items, 0], fit.items.threshold[:, 0], fit.threshold_se[:, 0], "easiness", "#2a6f97"),
        (bank.slope[fit.kept_items, 0], fit.items.slope[:, 0], fit.slope_se[:, 0], "discrimination", "#c05621"),
    )
    for panel, (truth, found, error, name, colour) in zip(panels[:, column], parts, strict=True):
        reach = (min(truth.min(), found.min()) - 0.2, max(truth.max(), found.max()) + 0.3)
        panel.plot(reach, reach, color="#999", lw=1)
        panel.errorbar(
            truth, found, 1.96 * error, fmt="o", ms=4, color=colour, ecolor=colour, elinewidth=0.8, alpha=0.75
        )
        panel.set(title=f"{name}, {people:,} people", xlabel="true", ylabel="found")
        panel.spines[["top", "right"]].set_visible(False)
        inside = np.mean(np.abs(found - truth) <= 1.96 * error)
        panel.annotate(
            f"rmse {np.sqrt(np.mean((found - truth) ** 2)):.2f}\n95 % bars hold {inside:.0%}",
            (0.05, 0.82),
            xycoords="axes fraction",
            fontsize=9,
        )
plt.show()

# %% [markdown]
# ## With few people, a prior saves it from its own enthusiasm
#
# The steepest items a small calibration reports are partly steep by luck, and a test that picks steep items picks that
# luck. A prior over items, learnt from the same items, pulls them back.

# %%
few = answers_from_table(answered(150))
plain, shrunk = (calibrate(few, design_from_table(asks), prior=prior) for prior in (None, ItemPrior()))
figure, panel = plt.subplots(figsize=(8, 4), layout="constrained")
told = {}
for name, fit, colour, shift in (
    ("maximum likelihood", plain, "#c05621", -0.12),
    ("with a prior", shrunk, "#0b6e4f", 0.12),
):
    top = np.argsort(-fit.items.slope[:, 0])[:10]
    excess = fit.items.slope[top, 0] / bank.slope[fit.kept_items[top], 0] - 1
    told[name] = float(excess.mean())
    panel.bar(
        np.arange(10) + 1.6 * shift,
        100 * excess,
        0.36,
        color=colour,
        label=f"{name}: {100 * excess.mean():+.0f} % on average",
    )
panel.axhline(0, color="#555", lw=1)
panel.set(
    xlabel="the ten items each calls most telling",
    ylabel="discrimination overstated, %",
    xticks=[],
    title="150 people: winners are overstated",
)
panel.legend(frameon=False)
panel.spines[["top", "right"]].set_visible(False)
plt.show()
print({name: round(value, 3) for name, value in told.items()})

# %% [markdown]
# ## Correlations come from people who were asked about both skills
#
# Thirty samples of 300 people each; each person answers 9, 18 or all 45 questions.

# %%
PAIRS = [(0, 1), (0, 2), (1, 2)]
spread = {}
for count in (9, 18, 45):
    rows = []
    for _ in range(30):
        table = answered(300)
        for row in table:
            row[rng.permutation(ITEMS)[count:]] = np.nan
        cov = calibrate(
            answers_from_table(table), design_from_table(asks), prior=ItemPrior(), exact=False, tolerance=1e-3
        ).covariance
        rows.append([cov[pair] for pair in PAIRS])
    spread[count] = np.array(rows)

figure, panel = plt.subplots(figsize=(8, 4), layout="constrained")
for n, pair in enumerate(PAIRS):
    panel.hlines(TRUE[pair], n - 0.42, n + 0.42, color="#555", lw=1.5, label="true" if n == 0 else None)
    for k, (count, rows) in enumerate(spread.items()):
        place = n + 0.26 * (k - 1) + rng.uniform(-0.06, 0.06, len(rows))
        panel.scatter(
            place,
            rows[:, n],
            s=16,
            alpha=0.7,
            color=plt.cm.viridis(0.15 + 0.35 * k),
            label=f"{count} answers a person" if n == 0 else None,
        )
panel.set_xticks(range(3), [f"skills {a + 1} and {b + 1}" for a, b in PAIRS])
panel.set_ylabel("correlation found")
panel.legend(frameon=False, ncols=2, fontsize=9)
panel.spines[["top", "right"]].set_visible(False)
plt.show()
print({count: np.round(rows.std(0), 3).tolist() for count, rows in spread.items()})

# %% [markdown]
# ## What it refuses
#
# An item that everybody gets right tells nobody apart; a skill whose every question also asks another skill cannot be
# told from it; booklets that share nobody cannot be put on one scale. No number of answers helps, so the calibration
# says so instead of returning a number.

# %%
table = answered(400)
table[:, 4] = 1
table[:200, 30:], table[200:, :30] = np.nan, np.nan
for refused in calibrate(answers_from_table(table), design_from_table(asks), passes=60).refused[:6]:
    print(f"{refused.what}: {refused.why}")

# %% [markdown]
# What to take from it. Easiness is known from a hundred people, discrimination from many hundreds, correlations from
# people who answered about both skills. Standard errors tell the first two honestly. What a calibration cannot know is
# whether the scale means what its name says, or whether the people it saw are like those to come: that takes outcomes,
# not answers.
