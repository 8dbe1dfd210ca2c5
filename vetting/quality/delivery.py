"""What a customer gets: units with their labels and how sure they are, the log of disputes, the report of quality."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from io import StringIO
from itertools import chain

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from assignment.agreement import alpha, fleiss, gwet, nominal
from assignment.raters import dawid_skene
from vetting.judges import CUSTOMER
from vetting.programs import queues_of
from vetting.quality import gate, gold, progress, repeats, reviewers
from vetting.quality.chains import chain_valid, error_codes, resolution_of, step_agreement, step_status
from vetting.records import Json, Program
from vetting.scope import QueueForm
from vetting.tables import cell
from vetting.units import ledger, work
from vetting.work_records import Dispute, Resolution, Review, Submission, Unit, deliverable

STEADY = 2.0  # labels of the crowd's kind lent to each rater, so that few labels make nobody perfect
COLUMNS = ("program", "queue", "unit", "state", "settled", "label", "confidence", "judges", "distribution", "steps",
           "valid", "errors", "sent_back", "guideline", "maker", "content", "language", "part", "tags", "text",
           "final_at")  # fmt: skip


# -- units -------------------------------------------------------------------------------------------


def export(
    db: Session, program: Program, now: datetime, *, least: float = 0.0, unfinished: bool = False
) -> Generator[Json]:
    """The units that are accepted, each with all its labels; those surer than `least`. With `unfinished`, all.

    One after another: the texts of a long queue are never in memory together.
    """
    for queue in queues_of(program):
        units = ledger.entries(db, program, queue.name, now)
        sure = {unit: round(p, 4) for unit, p in confidence(units, queue).items()}
        kept = [
            unit for unit in units
            if (unfinished or work.state(unit, now) == "accepted") and (least <= 0 or sure.get(unit.id, 0.0) >= least)
        ]  # fmt: skip
        for unit in ledger.with_texts(db, kept):
            yield unit_row(unit, queue, sure.get(unit.id), now)


def unit_row(unit: Unit, queue: QueueForm, sure: float | None, now: datetime) -> Json:
    last = unit.submissions[-1] if unit.submissions else None
    outcome = last.outcome if last else None
    told = [said for _, said in all_judgements(last)] if last else []
    return {
        "program": unit.program.name, "queue": unit.queue, "unit": unit.number, "state": work.state(unit, now),
        "settled": outcome.settled if outcome else "", "label": label_of(last, queue) if last else "",
        "confidence": sure, "judges": len(told),
        "distribution": dict(Counter(told)), "steps": step_status(last) if last else [],
        "valid": chain_valid(last) if last else None, "errors": error_codes(last) if last else {},
        "sent_back": sum(one.outcome is not None and one.outcome.verdict == "sent back" for one in unit.submissions),
        "guideline": last.queue_id if last else None, "maker": f"expert {last.offer.applicant_id}" if last else "",
        "content": unit.content, **source_of(unit), "text": last.text if last else "",
        "final_at": outcome.at.isoformat() if outcome else None,
    }  # fmt: skip


def source_of(unit: Unit) -> Json:
    """What the file said of a unit beside its text."""
    if unit.source is None:
        return {"language": "", "part": "", "tags": []}
    return {"language": unit.source.language, "part": unit.source.part, "tags": unit.source.tags}


def all_judgements(submission: Submission) -> list[tuple[int, str]]:
    """Everybody's verdict, the third person's last; disagreement is kept, never collapsed."""
    told = gate.judgements(submission)
    told += [(one.offer.applicant_id, one.verdict) for one in submission.reviews if one.offer.task == "again"]
    third = resolution_of(submission)
    if third is None or third.resolution is None or third.resolution.verdict == work.AMBIGUOUS:
        return told
    return [*told, (third.resolution.offer.applicant_id, third.resolution.verdict)]


def label_of(submission: Submission, queue: QueueForm) -> str:
    """What holds: the third person's word, else what all agree on; "ambiguous" where experts differ for good."""
    third = resolution_of(submission)
    if third is not None and third.resolution is not None:
        return third.resolution.verdict
    told = [said for _, said in gate.judgements(submission)]
    if submission.outcome is None or not told:
        return submission.label if queue.judging and submission.outcome else ""
    return told[0] if len(set(told)) == 1 else ""


def confidence(units: Sequence[Unit], queue: QueueForm) -> dict[int, float]:
    """{unit: P(its label holds)}, from all judgements of the queue: who is how often right is learnt beside it."""
    last = [unit.submissions[-1] for unit in units if unit.submissions]
    told = [(one.unit_id, all_judgements(one), label_of(one, queue)) for one in last]
    names = gate.categories_of(queue)
    used = [(unit, said, label) for unit, said, label in told if any(k in names for _, k in said) and label in names]
    if not used:
        return {}
    labels = gate.labels_of([said for _, said, _ in used], names)
    posterior = dawid_skene(labels, steadiness=STEADY).posterior
    return {unit: float(posterior[row, names.index(label)]) for row, (unit, _, label) in enumerate(used)}


def as_jsonl(rows: Iterable[Json]) -> Iterator[str]:
    """The rows as lines of JSON."""
    return (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def as_csv(rows: Iterable[Json]) -> Iterator[str]:
    """The rows as lines of a table; what is nested is JSON, and no cell is taken for a formula by a spreadsheet."""
    lines = chain([COLUMNS], ([cell(row[name]) for name in COLUMNS] for row in rows))
    for line in lines:
        text = StringIO()
        csv.writer(text, lineterminator="\n").writerow(line)
        yield text.getvalue()


# -- disputes ----------------------------------------------------------------------------------------


def adjudications(db: Session, program: Program, part: slice = slice(None)) -> list[Json]:
    """Every dispute, or a part of them, by queue and unit: what was said, who decided, why."""
    made = joinedload(Dispute.submission)
    asked = select(Dispute).options(
        joinedload(Dispute.unit), joinedload(Dispute.resolution).joinedload(Resolution.offer),
        made.joinedload(Submission.offer), made.selectinload(Submission.reviews).joinedload(Review.offer),
    )  # fmt: skip
    wanted = disputed(db, program)[part]
    some = (wanted[n : n + ledger.BATCH] for n in range(0, len(wanted), ledger.BATCH))
    found = {one.id: one for ids in some for one in db.scalars(asked.where(Dispute.id.in_(ids)))}
    return [dispute_row(found[key]) for key in wanted]


def disputed(db: Session, program: Program) -> list[int]:
    """The disputes of a program by queue and unit."""
    place = {queue.name: n for n, queue in enumerate(queues_of(program))}
    asked = select(Dispute.id, Unit.queue, Unit.number).join(Unit, Unit.id == Dispute.unit_id)
    rows = db.execute(asked.where(Unit.program_id == program.id, deliverable(), Unit.queue.in_(place)))
    return [key for key, *_ in sorted(rows, key=lambda row: (place[row[1]], row[2], row[0]))]


def dispute_row(dispute: Dispute) -> Json:
    done, made = dispute.resolution, dispute.submission
    return {
        "queue": dispute.unit.queue, "unit": dispute.unit.number, "opened": dispute.at.isoformat(), "by": dispute.by,
        "reason": dispute.reason, "maker": f"expert {made.offer.applicant_id}",
        "verdicts": [{"by": f"expert {person}", "said": said} for person, said in gate.judgements(made)],
        "decided": done.at.isoformat() if done else None,
        "decided_by": f"expert {done.offer.applicant_id}" if done else None,
        "verdict": done.verdict if done else None, "because": done.because if done else None,
        "edge_case": done.edge_case if done else "",
    }  # fmt: skip


# -- the report --------------------------------------------------------------------------------------


def report(db: Session, program: Program, now: datetime) -> Json:
    """The quality of a program's work in figures, with a digest that a later copy can be checked against."""
    queues = [queue_report(db, program, queue, now) for queue in queues_of(program)]
    body: Json = {
        "program": program.name, "at": now.isoformat(), "queues": queues, **log_in_short(db, program),
        "open_checks": [fault for queue in queues for fault in queue["open_checks"]],
        "reviewers": [unnamed(row) for row in reviewers.account(db, program, now)],
    }  # fmt: skip
    return body | {"digest": digest(body)}


def log_in_short(db: Session, program: Program) -> Json:
    """How many disputes there were, and the edge cases they brought."""
    order = disputed(db, program)
    asked = select(Resolution.dispute_id, Resolution.edge_case).join(Dispute).join(Unit, Unit.id == Dispute.unit_id)
    decided = {row.dispute_id: row.edge_case for row in db.execute(asked.where(Unit.program_id == program.id))}
    return {
        "disputes": {"opened": len(order), "open": sum(key not in decided for key in order)},
        "edge_cases": [decided[key] for key in order if decided.get(key)],
    }


def unnamed(row: Json) -> Json:
    """A reviewer as a customer may know them: by number."""
    who = row["id"] if row["id"].startswith(CUSTOMER) else f"expert {row['id']}"
    return {name: value for name, value in row.items() if name not in {"id", "name"}} | {"reviewer": who}


def digest(body: Json) -> str:
    """sha256 of the report without its digest, keys sorted."""
    plain = {name: value for name, value in body.items() if name != "digest"}
    return sha256(json.dumps(plain, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def queue_report(db: Session, program: Program, queue: QueueForm, now: datetime) -> Json:
    units = ledger.entries(db, program, queue.name, now)
    stand = progress.states(units, now)
    first = [unit.submissions[0] for unit in units if unit.submissions]
    last = [unit.submissions[-1] for unit in units if unit.submissions]
    errors = Counter(error for one in first for review in one.reviews for error in review.errors)
    outcomes = [one.outcome for one in last if one.outcome is not None and work.state(one.unit, now) == "accepted"]
    sure = list(confidence(units, queue).values())
    passed = gate.gate(db, program, queue)
    return {
        "name": queue.name, "kind": queue.kind, "asked": queue.units, "phase": gate.phase(db, program, queue.name),
        "states": dict(stand), "settled": dict(Counter(one.settled for one in outcomes)), "errors": dict(errors),
        "labels": dict(Counter(label_of(one, queue) for one in last if one.outcome)),
        "agreement": coefficients(first, queue), **steps(db, units),
        "pilot": {"judged": passed.judged, "wanted": passed.wanted, "threshold": passed.threshold,
                  "agreement": progress.figures(passed.agreement), "faults": passed.faults()},
        "confidence": {"median": float(np.median(sure)), "above_90": float(np.mean(np.array(sure) >= 0.9))}
        if sure else None,
        "suspicions": Counter(flag.kind for one in units for made in one.submissions for flag in made.suspicions),
        "attested": sum(bool(one.attested) for one in last) if queue.human_only else None,
        "checkpoints": [{"units": one.units, "at": one.at.isoformat(), **one.body}
                        for one in progress.checkpoints(db, program, queue.name)],
        "decisions": [{"verdict": one.verdict, "reason": one.reason, "by": one.by, "at": one.at.isoformat()}
                      for one in gate.decisions(db, program, queue.name)],
        "open_checks": open_checks(queue, stand, passed), **judges(db, program, queue, now),
        **progress.outlook(db, program, queue, units) | {"agreement": coefficients(first, queue)},
    }  # fmt: skip


def steps(db: Session, units: Sequence[Unit]) -> Json:
    """How steps stand, and how far those who judged them agree; steps are in texts, with which units pass by once."""
    seen: Counter[str] = Counter()

    def first() -> Iterator[Submission]:
        for unit in ledger.with_texts(db, units):
            seen.update(step["status"] for one in unit.submissions[-1:] for step in step_status(one))
            yield from unit.submissions[:1]

    agreed = step_agreement(first())
    return {"steps": dict(seen), "step_agreement": progress.figures(agreed)}


def judges(db: Session, program: Program, queue: QueueForm, now: datetime) -> Json:
    """How well whoever judges is known to judge: against gold, and against themselves."""
    known, again = gold.results(db, program, queue.name, now), repeats.self_agreement(db, program, queue)
    return {
        "gold": {"units": len(known["units"]), "people": len(known["people"]), **known["all"]},
        "repeats": {"people": len(again["people"]), **again["all"]},
    }


def coefficients(submissions: Sequence[Submission], queue: QueueForm) -> Json:
    """Agreement of everybody who judged the same, with 95 % intervals."""
    told = [judged for one in submissions if len(judged := gate.judgements(one)) >= 2]
    if not told:
        return {}
    names = gate.categories_of(queue)
    labels = gate.labels_of(told, names)
    found = {"gwet": gwet(labels), "fleiss": fleiss(labels), "krippendorff": alpha(labels, nominal(len(names)))}
    return {name: progress.figures(statistic.analytic()) for name, statistic in found.items()}


def open_checks(queue: QueueForm, stand: Counter[str], passed: gate.Gate) -> list[str]:
    """What stands against a release; empty when nothing does."""
    said = [f"{queue.name}: {fault}" for fault in passed.faults()]
    for state, what in (("disputed", "disputes are open"), ("held", "units are held for a person to look at")):
        if stand[state]:
            said.append(f"{queue.name}: {stand[state]} {what}.")
    return said
