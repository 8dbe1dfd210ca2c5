"""How work goes: where units stand, whether forecasts hold, and at checkpoints an advice: scale, change or stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from scipy.stats import binomtest, norm
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assignment.agreement import Estimate, gwet
from vetting.learning import Settled, settled
from vetting.quality import gate
from vetting.records import Json, Program
from vetting.scope import QueueForm
from vetting.units import ledger, work
from vetting.work_records import Checkpoint, Outcome, Submission, Unit, deliverable

RECENT = 50  # units that a drift is looked for in
DRIFT = 2.576  # sds below the forecast: 1 false alarm in 200 looks
LEAST_FOR_DRIFT = 20
NOTHING = Estimate(np.nan, np.nan, np.nan, np.nan, 0)
WINDOWS = 8  # points of a learning curve
SATURATED = 0.1  # a gain below this share of the first one is not worth another checkpoint


def states(units: Sequence[Unit], now: datetime) -> Counter[str]:
    return Counter(work.state(unit, now) for unit in units)


def share(hits: int, of: int) -> Json:
    """A share with its 95 % interval (Wilson); all None without any."""
    if not of:
        return {"of": 0, "share": None, "low": None, "high": None}
    low, high = binomtest(hits, of).proportion_ci(method="wilson")
    return {"of": of, "share": hits / of, "low": float(low), "high": float(high)}


def forecast(told: Sequence[Settled]) -> Json:
    """Predicted beside realised, of first submissions: the share accepted, and the minutes."""
    if not told:
        return {"units": 0, "predicted": None, "accepted": share(0, 0), "expected_minutes": None, "minutes": None,
                "drift": None, "drifts": False, "calibration": []}  # fmt: skip
    score = drift(told)
    return {
        "units": len(told),
        "predicted": float(np.mean([one.predicted for one in told])),
        "accepted": share(sum(one.accepted for one in told), len(told)),
        "expected_minutes": float(np.median([one.expected for one in told])),
        "minutes": float(np.median([one.minutes for one in told])),
        "drift": score,
        "drifts": score is not None and score < -DRIFT,
        "calibration": calibration(told),
    }


def drift(told: Sequence[Settled]) -> float | None:
    """How many sds the recent share accepted lies above what was predicted; None while there are too few."""
    recent = told[-RECENT:]
    if len(recent) < LEAST_FOR_DRIFT:
        return None
    p = np.array([one.predicted for one in recent])
    hits = np.array([one.accepted for one in recent], dtype=float)
    return float((hits - p).sum() / np.sqrt(max((p * (1 - p)).sum(), 1e-9)))


def calibration(told: Sequence[Settled]) -> list[Json]:
    """Units in thirds by what was predicted, and how many of each third came true."""
    ordered = sorted(told, key=lambda one: one.predicted)
    parts = [part for part in np.array_split(np.arange(len(ordered)), min(3, len(ordered))) if len(part)]
    return [
        {"predicted": float(np.mean([ordered[i].predicted for i in part])),
         **share(sum(ordered[i].accepted for i in part), len(part))}
        for part in parts
    ]  # fmt: skip


def agreement(units: Sequence[Unit], queue: QueueForm) -> Estimate:
    """Gwet's AC1 over all judgements of first submissions."""
    told = [gate.judgements(unit.submissions[0]) for unit in units if unit.submissions]
    told = [one for one in told if len(one) >= 2]
    if not told:
        return NOTHING
    return gwet(gate.labels_of(told, gate.categories_of(queue))).analytic()


def figures(seen: Estimate) -> Json:
    """An estimate as JSON can hold it."""
    numbers = {"value": seen.value, "low": seen.low, "high": seen.high}
    return {name: float(x) if np.isfinite(x) else None for name, x in numbers.items()} | {"units": seen.units}


# -- checkpoints -------------------------------------------------------------------------------------


def accepted_units(db: Session, program: Program, queue: str) -> int:
    of_queue = Unit.program_id == program.id, Unit.queue == queue, deliverable()
    accepted = select(func.count(func.distinct(Submission.unit_id))).join(Outcome).join(Unit, Submission.unit)
    return int(db.scalar(accepted.where(Outcome.verdict == "accepted", *of_queue)) or 0)


def mark(db: Session, program: Program, queue: QueueForm, now: datetime) -> Checkpoint | None:
    """The checkpoint that the queue has just come to, kept once with what was seen and what it advises."""
    reached = accepted_units(db, program, queue.name) // queue.checkpoint * queue.checkpoint
    known = select(Checkpoint.id).where(
        Checkpoint.program_id == program.id, Checkpoint.queue == queue.name, Checkpoint.units == reached
    )
    if not reached or db.scalar(known) is not None:
        return None
    body = outlook(db, program, queue, ledger.entries(db, program, queue.name, now))
    kept = Checkpoint(at=now, program_id=program.id, queue=queue.name, units=reached, body=body)
    db.add(kept)
    db.flush()
    return kept


def checkpoints(db: Session, program: Program, queue: str) -> Sequence[Checkpoint]:
    of_queue = Checkpoint.program_id == program.id, Checkpoint.queue == queue
    return db.scalars(select(Checkpoint).where(*of_queue).order_by(Checkpoint.units)).all()


def outlook(db: Session, program: Program, queue: QueueForm, units: Sequence[Unit]) -> Json:
    """What is seen now and what it advises, with its reasons."""
    told = settled(db, program, queue.name)
    agreed, seen = agreement(units, queue), forecast(told)
    measured = [float(one.evidence["measured"]) for one in gate.decisions(db, program, queue.name)
                if one.evidence.get("measured") is not None]  # fmt: skip
    advice, because = advise(queue, agreed, seen, measured)
    return {"forecast": seen, "agreement": figures(agreed), "curve": curve(told), "measured": measured,
            "advice": advice, "because": because}  # fmt: skip


def curve(told: Sequence[Settled]) -> list[Json]:
    """The share accepted on first pass as units went on, in windows of equal size."""
    parts = [part for part in np.array_split(np.arange(len(told)), min(WINDOWS, max(len(told) // 5, 1))) if len(part)]
    return [
        {"units": int(part[-1]) + 1, **share(sum(told[i].accepted for i in part), len(part)),
         "minutes": float(np.median([told[i].minutes for i in part]))}
        for part in parts
    ]  # fmt: skip


def advise(queue: QueueForm, agreed: Estimate, seen: Json, measured: Sequence[float]) -> tuple[str, list[str]]:
    """Scale, change, stop, or wait where too little was seen, with reasons. People decide; figures only advise."""
    if saturates(measured):
        gains = np.diff(measured)
        return "stop", [f"The last checkpoint gained {gains[-1]:.3g} where the first gained {gains[0]:.3g}."]
    wrong = []
    if agreed.units and not agreed.clears(queue.agreement):
        wrong.append(f"Agreement is {agreed.value:.2f} and may be as low as {agreed.low:.2f}; "
                     f"{queue.agreement:.2f} is needed.")  # fmt: skip
    if seen["drifts"]:
        chance = norm.cdf(seen["drift"])
        wrong.append(f"Of the last units fewer pass than was forecast; by chance {100 * chance:.1g} % of the time.")
    if wrong:
        return "change", wrong
    seen_well = ["People agree."] if agreed.units else []
    seen_well += ["Units pass as forecast."] if seen["drift"] is not None else []
    return ("scale", seen_well) if seen_well else ("wait", ["Too few units are judged or settled to say."])


def saturates(measured: Sequence[float]) -> bool:
    """Whether what the customer measures has stopped rising, by the gains between checkpoints."""
    gains = np.diff(measured)
    return len(gains) >= 2 and gains[0] > 0 and bool(gains[-1] <= SATURATED * gains[0])
