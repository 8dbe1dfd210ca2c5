"""What a sitting must, may and must not ask: a role's content by domain, and kin and enemies of what was asked.

`irt.blueprint` knows rows; here ids and domains become rows, and questions to come are reckoned from minutes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from irt.blueprint import ALONE, Blueprint, unrelated, without_enemies
from irt.model import Floats, Ints
from item_bank.load import Bank
from vetting.messages import Content, RoleForm
from vetting.scale import Axis, Scale

Mask = NDArray[np.bool_]
NO_LIMIT = 1_000_000


# -- kin and enemies -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Related:
    """Families and enemies of a bank's items and probes, by row of `ids`."""

    ids: Axis
    family: Ints  # (B,)
    enemies: Ints  # (E, 2)


_related: dict[str, Related] = {}  # equal banks have equal versions


def related(bank: Bank) -> Related:
    """Who is kin and who gives whom away, read once a bank."""
    if bank.version not in _related:
        if len(_related) > 32:
            _related.clear()
        _related[bank.version] = read_related(bank)
    return _related[bank.version]


def read_related(bank: Bank) -> Related:
    ids = Axis.of("items and probes", [*bank.items, *bank.probes])
    names = [one.family for one in (*bank.items.values(), *bank.probes.values())]
    number = {name: row for row, name in enumerate(sorted({name for name in names if name}))}
    pairs = [
        (ids.position[key], ids.position[enemy])
        for key, one in (*bank.items.items(), *bank.probes.items())
        for enemy in one.enemies
        if enemy in ids.position
    ]
    family = np.array([number[name] if name else ALONE for name in names], dtype=np.int64)
    return Related(ids, family, np.array(pairs, dtype=np.int64).reshape(-1, 2))


def unspoilt(asked: Iterable[str], bank: Bank) -> dict[str, bool]:
    """For every item and probe: not asked, not of a family asked before, no enemy of what was asked."""
    kin = related(bank)
    rows = kin.ids.rows(key for key in asked if key in kin.ids.position)
    free = unrelated(kin.family, rows) & without_enemies(kin.enemies, rows, len(kin.ids.ids))
    free[rows] = False
    return dict(zip(kin.ids.ids, free.tolist(), strict=True))


# -- a role's content ------------------------------------------------------------------------------


def check_content(form: RoleForm, bank: Bank) -> None:
    """Refuses a role whose content names a stranger, looks past the role's skills or asks for more than there is."""
    homes = bank.tree.domain_of
    mine = {homes[skill] for skill, ask in form.skills.items() if skill in homes and ask.weight > 0}
    suited = [item.skills for item in bank.items.values() if set(item.skills) & set(form.skills)]
    held = Counter(homes[max(skills, key=lambda skill: skills[skill])] for skills in suited)
    for domain, asks in form.content.items():
        where = f"role {form.name!r}: content.{domain}"
        if domain not in bank.tree.domains:
            raise ValueError(f"{where}: there is no such domain. Maybe one of {', '.join(sorted(mine))} is meant.")
        if domain not in mine:
            raise ValueError(f"{where}: the role has no skill of this domain. Maybe add one under skills.")
        if asks.least > held[domain]:
            raise ValueError(
                f"{where}: {asks.least} questions are asked for, but the bank has {held[domain]} there on its skills. "
                f"Maybe ask for {held[domain]} at least, or write more."
            )


def unasked(form: RoleForm, bank: Bank) -> list[str]:
    """Names of the role's skills of which nothing in the bank asks in such a sitting."""
    talks = bank.probes.values() if form.interview_minutes else ()
    asked = {skill for one in (*bank.items.values(), *talks) for skill in one.skills}
    wanted = [skill for skill, ask in form.skills.items() if ask.weight > 0 and skill not in asked]
    return [known.name if (known := bank.tree.skills.get(skill)) else skill for skill in wanted]


def domains(scale: Scale, bank: Bank) -> list[str]:
    """The domain of the skill that each item of the scale leans on most."""
    main = scale.parameters.skill[np.arange(len(scale.items.ids)), np.argmax(scale.parameters.slope, axis=1)]
    return [bank.tree.domain_of.get(scale.skills.ids[skill], "") for skill in main]


@dataclass(frozen=True, eq=False)
class Fit:
    """Which of the items that may be asked suit the content."""

    may: Mask  # (I,) keep the content within reach
    owed: Mask  # (I,) of a domain that must still have questions


def fit(
    content: Mapping[str, Content], scale: Scale, bank: Bank, asked: Ints, allowed: Mask, expected: Floats, left: float
) -> Fit:
    """Holds `allowed` against a role's content, with `left` minutes to come and `asked` (rows) of this sitting.

    A minimum that the items left cannot reach any more becomes what they can reach. Questions to come are as many as
    fit into the minutes left if each takes what those still owed take on average.
    """
    if not content:
        return Fit(allowed, np.zeros_like(allowed))
    place = {domain: area for area, domain in enumerate(content)}
    area = np.array([place.get(domain, len(place)) for domain in domains(scale, bank)], dtype=np.int64)
    reach = np.bincount(area[asked], minlength=len(place) + 1) + np.bincount(area[allowed], minlength=len(place) + 1)
    least = np.minimum([*(asks.least for asks in content.values()), 0], reach)
    most = np.array([*(NO_LIMIT if asks.most is None else asks.most for asks in content.values()), NO_LIMIT])
    missing = np.bincount(area[asked], minlength=len(least)) < least
    owed = allowed & missing[area]
    typical = float(expected[owed].mean()) if owed.any() else 1.0
    return Fit(allowed & Blueprint(area, least, most).may(asked, int(left / typical)), owed)
