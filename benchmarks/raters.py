"""Raters on four public sets: the corrected panel against the raw average and the best single rater, over splits.

    python3 dev.py bench raters [SET ...] [--seeds 4] [--json]

Sets: short-answers, essays, conversations, translations (all if none is named); read from ASSAY_DATA, else from
../shared/data beside the project. A quarter of the answers is kept back in each split; log-loss of a kept-back grade
and its correlation with what each rule expects, both as means over splits. The mean difference of log-loss between raw
average and each rule comes with its standard error over splits.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from vetting.agreement.rating_baselines import HeldOut, compare
from vetting.agreement.rating_table import read

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("ASSAY_DATA", ROOT.parent / "shared" / "data"))
SHARE = 0.25
Row = tuple[str, str, str, str, str]  # answer, criterion, rater, level, person


def rows_of(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def short_answers(folder: Path) -> Iterator[Row]:
    """Right or wrong: three people; fifteen models, each with three rubrics, by the majority of its three runs."""
    for row in rows_of(folder / "human_labels.csv"):
        for name in ("human_1", "human_2", "human_3"):
            yield row["response_id"], row["item"], name, row[name], ""
    for row in rows_of(folder / "llm_labels.csv"):
        yield row["response_id"], row["item"], f"{row['model_name']} / {row['rubric_type']}", row["llm_avg"], ""


def essays(folder: Path) -> Iterator[Row]:
    """Set (b): five criteria of an essay; the n-th row of a rater on a topic is the person's n-th essay on it."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for row in rows_of(folder / "ratings_4raters_5criteria.csv"):
        key = row["pid"], row["topic"], row["rater"]
        seen[key] += 1
        for criterion in ("spe", "coh", "str", "gra", "con"):
            yield f"{row['pid']}/{row['topic']}/{seen[key]}", criterion, row["rater"], row[criterion], row["pid"]


def conversations(folder: Path) -> Iterator[Row]:
    """Nine questions, answers 1 to 4 (0 is no answer), a judge's first time; the model as it answered and expected."""
    questions = [f"Q{n}" for n in range(9)]
    seen: set[tuple[str, str]] = set()
    for row in rows_of(folder / "human_ratings.csv"):
        again = (row["text"], row["judge"]) in seen
        seen.add((row["text"], row["judge"]))
        for question in questions:
            if row[question] != "0" and not again:
                yield row["text"], question, f"judge {row['judge']}", row[question], ""
    for row in rows_of(folder / "llm_ratings.csv"):
        yield row["text"], row["criterion"], "llm sampled", row["llm_score"], ""
        yield row["text"], row["criterion"], "llm expected", row["expected_llm"], ""


def translations(folder: Path) -> Iterator[Row]:
    """Error scores in five levels: none, up to 1, up to 4, below 10, more; fewer errors are better."""
    for row in rows_of(folder / "ratings.csv"):
        segment = f"{row['doc']}/{row['segment']}"
        level = -int(np.searchsorted([0.0, 1.0, 4.0, 9.99], float(row["mqm"])))
        yield f"{segment}/{row['system']}", "", row["rater"], str(level), segment


SETS: dict[str, tuple[str, Callable[[Path], Iterator[Row]], Callable[[str], bool]]] = {
    "short-answers": ("llm_saq_scoring_a", short_answers, lambda rater: rater.startswith("human")),
    "essays": ("writing_ratings", essays, lambda _: False),
    "conversations": ("llm_rubric_synth", conversations, lambda rater: rater.startswith("judge")),
    "translations": ("mt_expert_ratings_ende", translations, lambda _: False),
}


def measured(name: str, seeds: Iterable[int]) -> list[HeldOut]:
    """One comparison a split."""
    folder, rows, is_person = SETS[name]
    if not (DATA / folder).is_dir():
        raise SystemExit(f"bench raters: {DATA / folder} is not here. Maybe set ASSAY_DATA to the folder of data sets.")
    kept = [row for row in rows(DATA / folder) if row[3]]
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "ratings.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            sheet = csv.writer(out)
            width = 5 if kept[0][4] else 4
            sheet.writerow(("answer", "criterion", "rater", "level", "person")[:width])
            sheet.writerows(row[:width] for row in kept)
        people = tuple(sorted({row[2] for row in kept if is_person(row[2])}))
        table = read(file, reference=people, split=name == "conversations")
    found = []
    for seed in seeds:
        found.append(compare(table, SHARE, seed))
        print(f"  {name}, split {seed} done", file=sys.stderr, flush=True)
    return found


def summary(found: list[HeldOut], part: str) -> dict[str, dict[str, float]]:
    """Means over splits, by rule."""
    table: dict[str, dict[str, float]] = {}
    for rule in [one.rule for one in getattr(found[0], part)]:
        mine = [next(one for one in getattr(split, part) if one.rule == rule) for split in found]
        base = [next(one for one in getattr(split, part) if one.rule == "raw average") for split in found]
        gain = np.array([b.log_loss - m.log_loss for b, m in zip(base, mine, strict=True)])
        table[rule] = {
            "log_loss": float(np.mean([one.log_loss for one in mine])),
            "r": float(np.mean([np.nan if one.r is None else one.r for one in mine])),
            "gain": float(gain.mean()), "gain_se": float(gain.std(ddof=1) / len(gain) ** 0.5) if len(gain) > 1 else 0.0,
            "grades": float(np.mean([one.grades for one in mine])),
        }  # fmt: skip
    return table


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench raters", description=__doc__.split("\n")[0])
    parser.add_argument("sets", nargs="*", choices=[*SETS, []], help="which sets")
    parser.add_argument("--seeds", type=int, default=4, help="splits")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(argv)
    report = {}
    for name in asked.sets or SETS:
        found = measured(name, range(1, asked.seeds + 1))
        report[name] = {"all": summary(found, "all"), "beside the best single rater": summary(found, "single")}
    if asked.json:
        print(json.dumps(report, indent=2))
        return 0
    for name, parts in report.items():
        for part, table in parts.items():
            print(f"{name}, {part} ({table['raw average']['grades']:.0f} grades a split)")
            for rule, row in table.items():
                said = f"  {rule:26} log-loss {row['log_loss']:.4f}  r {row['r']:.3f}"
                print(f"{said}  better than the raw average by {row['gain']:+.4f} ± {row['gain_se']:.4f}")
    return 0
