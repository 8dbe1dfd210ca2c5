"""What a sitting is for: settled from the role and the demand when it begins, and read as arrays from then on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from irt.selection import Aim
from irt.verdict import Bars
from vetting.messages import Content, RoleForm
from vetting.records import Json
from vetting.scale import Scale

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
        "interview": form.interview_minutes, "proposals": form.model_proposals,
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
