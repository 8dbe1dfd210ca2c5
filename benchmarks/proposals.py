"""How often a model would be asked what to ask: simulated interviews on the shipped bank, and on a small one.

People answer as the start values say and talk in the bank's own examples. After everything that is said it is looked
at whether the best that a model could propose would be worth more a minute than all else that could come
(`vetting.interviews.proposing.due`). `--probes` keeps so few probes that a role can use: a house that begins its own
bank.

    python -m benchmarks.proposals [--people 20] [--probes 2] [--seed 1] [--json]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy.orm import Session

from irt.simulation import respond
from item_bank.load import Bank, load
from item_bank.schema import Item, Response
from vetting import scale as scales
from vetting import store
from vetting.interviews import interview, proposing
from vetting.interviews.interview import Move
from vetting.messages import RoleForm
from vetting.records import Question, Role, Sitting
from vetting.rehearsals import mock_interview
from vetting.scale import Scale
from vetting.sittings import sitting

ROLES = (
    ("computing.python", "computing.algorithms"), ("math.proof", "stats.inference"),
    ("society.law", "society.economics"), ("language.english",),
)  # fmt: skip
MINUTES, TALK = 45.0, 25.0
MOST = 8  # proposals that a role may allow in one interview
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class Tally:
    """What was counted."""

    interviews: int = 0
    choices: int = 0  # moments between an answer and what comes next
    asked: int = 0  # of these, those at which a model would be asked
    talks_with_one: int = 0


def begin(db: Session, skills: tuple[str, ...], seed: int) -> Sitting:
    form = RoleForm.model_validate({
        "name": f"A role on {skills[0]}", "skills": {skill: {"target": 0.3} for skill in skills}, "minutes": MINUTES,
        "interview_minutes": TALK, "model_proposals": MOST, "price": 0.0, "stop_when_decided": False,
    })  # fmt: skip
    role = Role(at=NOON, name=form.name, body=form.model_dump(mode="json"))
    db.add(role)
    db.flush()
    rng = np.random.default_rng(seed)
    link = sitting.invite(db, role, now=NOON)
    return sitting.begin(db, link, name="", extra_time=1.0, demand={}, now=NOON, rng=rng, simulated=True)


def walk(db: Session, seat: Sitting, bank: Bank, scale: Scale, rng: np.random.Generator, tally: Tally) -> None:
    """One simulated person through one sitting."""
    theta = scale.population.draw(1, rng)
    levels = dict(zip(scale.items.ids, respond(theta, scale.parameters, rng)[0], strict=True))
    truth = mock_interview.talk(scale.probes.parameters, theta, np.zeros(1), scale, rng)

    def graded(item: Item, _said: Response) -> int:
        return int(levels[item.id])

    now = NOON
    while isinstance(question := sitting.next_step(db, seat, bank, now), Question):
        if interview.is_interview(question, bank):
            now = talk(db, question, bank, scale, truth, now, tally)
            continue
        now += timedelta(minutes=float(np.exp(scale.intensity[scale.items.position[question.item_id]])))
        request = f"simulated-{question.id}"
        sitting.answer(db, seat, question, {}, request_id=request, bank=bank, now=now, grade=graded, rater="simulated")


def talk(
    db: Session, question: Question, bank: Bank, scale: Scale, truth: mock_interview.Talk, now: datetime, tally: Tally
) -> datetime:
    """One interview; when it is over."""
    probe, place = bank.probes[question.item_id], scale.probes.ids.position[question.item_id]
    rows = scale.probes.of(probe.id)
    levels = dict(zip((scale.probes.criterion(row) for row in rows), truth.levels(0, rows), strict=True))
    before = tally.asked
    while (step := interview.step(db, question, bank, now)) is not None:
        if isinstance(step, Move):
            step = interview.ask(db, question, step, step.text, wording="own", now=now)
        act, said = mock_interview.reply(probe, levels, question, [])
        minutes = truth.opening if len(question.turns) == 1 else truth.follow_up
        now += timedelta(minutes=float(minutes[0, place]))
        request = f"simulated-{question.id}-{step.number}"
        interview.say(db, question, said, act=act, to=step.number, request_id=request, now=now)
        tally.choices += 1
        tally.asked += proposing.due(question, bank)
    tally.interviews += 1
    tally.talks_with_one += tally.asked > before
    return now


def few(bank: Bank, skills: tuple[str, ...], most: int) -> Bank:
    """The bank with so many probes on some skills."""
    mine = [key for key, probe in bank.probes.items() if set(probe.skills) & set(skills)]
    return replace(bank, probes={key: bank.probes[key] for key in mine[:most]})


def measured(bank: Bank, people: int, most: int | None, seed: int) -> Tally:
    tally = Tally()
    for number, skills in enumerate(ROLES):
        own = bank if most is None else few(bank, skills, most)
        engine = store.connect("sqlite://")
        store.migrate(engine)
        with store.writing(engine) as db:
            scale = scales.read(scales.keep_up(db, own, NOON).body)
            for person in range(people):
                rng = np.random.default_rng([seed, number, person])
                walk(db, begin(db, skills, person), own, scale, rng, tally)
        engine.dispose()
    return tally


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench proposals", description=__doc__)
    parser.add_argument("--people", type=int, default=20, help="people of each of four roles")
    parser.add_argument("--probes", type=int, default=2, help="probes of the small bank, for each role")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    bank = load()
    found = {
        "shipped bank": measured(bank, options.people, None, options.seed),
        f"{options.probes} probes": measured(bank, options.people, options.probes, options.seed),
    }
    if options.json:
        print(json.dumps({name: vars(tally) for name, tally in found.items()}))
        return
    for name, one in found.items():
        print(
            f"{name}: {one.interviews} interviews, {one.choices} choices; a model would be asked at {one.asked} "
            f"({one.asked / max(one.choices, 1):.1%}), in {one.talks_with_one} interviews"
        )


if __name__ == "__main__":
    main()
