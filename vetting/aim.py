"""What a sitting is for: settled from the role and the demand when it begins, and read as arrays from then on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from irt.selection import Aim, eligible
from irt.verdict import Bars
from vetting.messages import Content, RoleForm
from vetting.records import Json, Question, Sitting
from vetting.scale import Scale

EXPOSURE = 0.35  # no item is shown to a larger share of the people it could be shown to
WINDOW = 500  # latest sittings over which that share is counted
ROOM = 2.0  # minutes of open questions that a sitting must have to choose from, as a multiple of its budget
FEW_MINUTES = 5.0  # of a further sitting, for each skill it looks at
SETTLING = 3.0  # what a nat about a decision is worth in the hinge's units (benchmarks/decisions.py)
SHARPER = 0.25  # its target standard error


def aim_of(form: RoleForm, demand: Json, scale: Scale, focus: Sequence[str] = (), queues: Sequence[Json] = ()) -> Json:
    """What a sitting is for: the role's weights, moved by its stated share towards what plans are short of.

    demand is {skill: share of what is short}, shares adding up to 1, or empty. A skill in demand is also
    wanted more precisely: its target falls from the role's to no less than 0.3. queues are those that are short,
    {"bars", "share"}: whether this person clears them is worth their part of the same share, as far as the bars are
    on skills that are asked about. With a focus the sitting is a short one about those skills alone.
    """
    if focus:
        few = {skill: 1 / len(focus) for skill in focus if skill in scale.skills.position}
        return {
            "target": dict.fromkeys(few, SHARPER),
            "weight": few,
            "bars": {},
            "minutes": FEW_MINUTES * len(few),
            "price": 0.0,
        }
    known = {skill: ask for skill, ask in form.skills.items() if skill in scale.skills.position}
    total = sum(ask.weight for ask in known.values()) or 1.0
    follow = form.follow_demand if demand else 0.0
    weight = {skill: (1 - follow) * ask.weight / total for skill, ask in known.items()}
    target = {skill: ask.target for skill, ask in known.items()}
    for skill, share in demand.items():
        if skill in scale.skills.position and share > 0:
            weight[skill] = weight.get(skill, 0.0) + follow * share
            target[skill] = max(0.3, target.get(skill, 0.45) - 0.15 * share)
    bars = {skill: ask.bar for skill, ask in known.items()} if form.stop_when_decided else {}
    return {
        "target": target, "weight": weight, "bars": bars, "minutes": form.minutes, "price": form.price,
        "decision_price": form.decision_price, "queues": wanted_by(queues, follow, weight) if bars else [],
        "content": {domain: asks.model_dump() for domain, asks in form.content.items()},
        "interview": form.interview_minutes,
    }  # fmt: skip


def wanted_by(queues: Sequence[Json], follow: float, weight: Json) -> list[Json]:
    """Queues whose bars a sitting can tell about, each with its part of the share that follows demand."""
    known = [{skill: bar for skill, bar in queue["bars"].items() if weight.get(skill, 0) > 0} for queue in queues]
    seats = [follow * float(queue["share"]) for queue in queues]
    return [{"bars": bars, "seats": share} for bars, share in zip(known, seats, strict=True) if bars and share > 0]


def decisions(aim: Json, scale: Scale) -> list[Bars]:
    """What is to be decided about the person: the role's bars, then those of queues that are short."""
    queues = aim.get("queues", [])
    own = {"bars": aim["bars"], "seats": 1.0 - sum(queue["seats"] for queue in queues)}
    known = [
        ({skill: bar for skill, bar in one["bars"].items() if skill in scale.skills.position}, one["seats"])
        for one in (own, *queues)
    ]
    return [Bars(scale.skills.rows(bars), np.array(list(bars.values())), seats) for bars, seats in known if bars]


def wished(aim: Json) -> list[str]:
    return [skill for skill, weight in aim["weight"].items() if weight > 0]


def looks_at(scale: Scale, skills: Iterable[str]) -> NDArray[np.bool_]:
    """Items that look straight at one of some skills, (I,)."""
    rows = scale.skills.rows(skill for skill in skills if skill in scale.skills.position)
    seen: NDArray[np.bool_] = np.any(np.isin(scale.parameters.skill, rows) & (scale.parameters.slope > 0), axis=1)
    return seen


def read_aim(aim: Json, scale: Scale) -> Aim:
    return Aim(scale.skills.values(aim["target"], 0.45), scale.skills.values(aim["weight"], 0.0))


def read_content(aim: Json) -> dict[str, Content]:
    """How many questions of each domain; none said where the aim is older than the idea."""
    return {domain: Content.model_validate(asks) for domain, asks in aim.get("content", {}).items()}


# -- security --------------------------------------------------------------------------------------


def closed(db: Session, scale: Scale, aim: Json, rng: np.random.Generator) -> list[str]:
    """Items that are not open to the next sitting, so that none is shown to too many of those it could be shown to.

    Counted over the latest sittings that wanted one of the item's skills. Where that would leave a sitting too
    little to choose from, the items shown least are opened again: a small bank cannot keep its secrets.
    """
    recent = db.execute(select(Sitting.id, Sitting.aim).order_by(Sitting.id.desc()).limit(WINDOW)).all()
    kinds = Counter(frozenset(wished(said.aim)) for said in recent)
    could = np.zeros(len(scale.items.ids), dtype=np.int64)
    for skills, sittings in kinds.items():
        could += sittings * looks_at(scale, skills)
    since = min((said.id for said in recent), default=0)
    asked = db.execute(
        select(Question.item_id, func.count().label("times"))
        .where(Question.sitting_id >= since)
        .group_by(Question.item_id)
    )
    times = {row.item_id: row.times for row in asked}
    shown = np.array([times.get(key, 0) for key in scale.items.ids])
    is_open = eligible(shown, could, EXPOSURE, rng)
    mine = looks_at(scale, wished(aim))
    minutes = np.exp(scale.intensity)
    for row in np.argsort(shown / np.maximum(could, 1), kind="stable"):
        if minutes[is_open & mine].sum() >= ROOM * aim["minutes"]:
            break
        is_open[row] = True
    return [key for key, may in zip(scale.items.ids, is_open, strict=True) if not may]
