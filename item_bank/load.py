"""From a folder of YAML to a bank. Every fault is named at once: file, line, field, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from item_bank.probe import Probe
from item_bank.schema import Item

HOME = Path(__file__).resolve().parent
ITEM: TypeAdapter[Item] = TypeAdapter(Item)
PROBE: TypeAdapter[Probe] = TypeAdapter(Probe)
FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it was compiled in


class Skill(BaseModel):
    """A leaf of the skill tree: one axis of theta."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    about: str
    general: float | None = Field(default=None, ge=0, le=0.9)


class Domain(BaseModel):
    """Leaves that go together, and how strongly they do until a calibration says otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    general: float = Field(ge=0, le=0.9)
    shared: float = Field(ge=0, le=0.9)
    skills: dict[str, Skill] = Field(min_length=1)


class SkillTree(BaseModel):
    """All domains and their leaves."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    domains: dict[str, Domain] = Field(min_length=1)

    @property
    def skills(self) -> dict[str, Skill]:
        return {key: skill for domain in self.domains.values() for key, skill in domain.skills.items()}

    @property
    def domain_of(self) -> dict[str, str]:
        return {key: name for name, domain in self.domains.items() for key in domain.skills}


@dataclass(frozen=True)
class Bank:
    """A skill tree and the items and probes written for it, in order of their ids."""

    tree: SkillTree
    items: Mapping[str, Item]
    probes: Mapping[str, Probe] = field(default_factory=dict)

    @cached_property
    def version(self) -> str:
        """A digest of the whole content: equal banks have equal versions."""
        said = "\n".join(item.model_dump_json() for item in self.items.values()) + self.tree.model_dump_json()
        said += "\n".join(probe.model_dump_json() for probe in self.probes.values())
        return sha256(said.encode()).hexdigest()[:16]


class BankFaultError(ValueError):
    """The bank cannot be used; `faults` says everything that is wrong with it."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


def load(folder: Path | None = None, *, shelf: str = "items") -> Bank:
    """The bank in a folder that holds `skills.yaml`, `items/` and maybe `probes/`; by default the one shipped.

    The shelf `practice` holds one item of each kind that nobody is scored on, and no probe.

    Raises BankFaultError with every fault of every file, so that nothing is loaded by halves.
    """
    folder = folder or HOME
    tree_file = folder / "skills.yaml"
    if not tree_file.is_file():
        raise BankFaultError(
            [f"{tree_file}: no such file. Maybe {folder} is not a bank: it holds skills.yaml and items/."]
        )
    faults: list[str] = []
    tree, _ = read(tree_file, TypeAdapter(SkillTree), faults)
    files: dict[str, Path] = {}
    items = shelved(folder / shelf, ITEM, tree, files, faults)
    probes = shelved(folder / "probes", PROBE, tree, files, faults) if shelf == "items" else {}
    for key, one in (items | probes).items():
        faults += [
            f"{files[key]}: enemies: there is no item or probe {enemy!r}{maybe(enemy, files)}"
            for enemy in one.enemies
            if enemy not in files
        ]
    if not items and not probes and not faults:
        faults.append(f"{folder / shelf}: holds no item, nor is there a probe. Maybe the files do not end in .yaml.")
    if faults or tree is None:
        raise BankFaultError(faults)
    return Bank(tree, items, probes)


def shelved(
    shelf: Path, kind: TypeAdapter[Any], tree: SkillTree | None, files: dict[str, Path], faults: list[str]
) -> dict[str, Any]:
    """Everything of one kind on one shelf, in order of ids; where each stands is added to `files`."""
    found: dict[str, Any] = {}
    for file in sorted(shelf.rglob("*.yaml")):
        one, lines = read(file, kind, faults)
        if one is None:
            continue
        if tree is not None:
            faults += skill_faults(file, lines, one, tree)
        where = at(file, lines, ("id",))
        if one.id != file.stem:
            faults.append(f"{where}: id is {one.id!r}, but the file is named {file.stem!r}. Maybe rename it.")
        if one.id in files:
            faults.append(f"{where}: id {one.id!r} is taken by {files[one.id]}.")
        found[one.id], files[one.id] = one, file
    return dict(sorted(found.items()))


def skill_faults(file: Path, lines: Lines, one: Item | Probe, tree: SkillTree) -> Iterator[str]:
    for place in skill_places(one):
        skill = str(place[-1])
        if skill not in tree.skills:
            yield f"{at(file, lines, place)}: skills: there is no skill {skill!r}{maybe(skill, tree.skills)}"


def skill_places(one: Item | Probe) -> Iterator[Where]:
    if isinstance(one, Probe):
        for number, criterion in enumerate(one.criteria):
            yield from (("criteria", number, "skills", skill) for skill in criterion.skills)
    else:
        yield from (("skills", skill) for skill in one.skills)


# -- YAML with line numbers --------------------------------------------------------------------------

Where = tuple[str | int, ...]
Lines = dict[Where, int]


def read(file: Path, kind: TypeAdapter[Any], faults: list[str]) -> tuple[Any, Lines]:
    """The file's content as `kind`, or None with its faults added."""
    try:
        text = file.read_text(encoding="utf-8")
        lines, content = parsed(text)
    except UnicodeDecodeError as wrong:
        faults.append(f"{file}: is not UTF-8 text ({wrong.reason} at byte {wrong.start}).")
        return None, {}
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        faults.append(
            f"{file}:{mark.line + 1 if mark else 1}: not YAML: {wrong.problem}. Maybe a quote or indent is missing."
        )
        return None, {}
    except (yaml.YAMLError, ValueError) as wrong:
        faults.append(f"{file}: not YAML: {wrong}")
        return None, {}
    if not isinstance(content, dict):
        faults.append(f"{file}:1: holds {type(content).__name__}, but must hold fields and their values.")
        return None, {}
    try:
        return kind.validate_python(content), lines
    except ValidationError as wrong:
        faults += [f"{at(file, lines, place)}: {said}" for place, said in explained(wrong, content)]
        return None, lines


def parsed(text: str) -> tuple[Lines, object]:
    """Where every field stands, and what the text holds; read once, for most of loading a bank is reading YAML."""
    loader = FAST(text)
    try:
        node = loader.get_single_node()
        return (dict(positions(node)), loader.construct_document(node)) if node else ({}, None)
    finally:
        loader.dispose()


def positions(node: yaml.Node, place: Where = ()) -> Iterator[tuple[Where, int]]:
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in names:  # YAML would keep the last without a word
                raise yaml.MarkedYAMLError(problem=f"{name!r} stands twice", problem_mark=key.start_mark)
            names.add(name)
            yield from positions(value, (*place, name))
            yield (*place, name), key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from positions(value, (*place, number))


def explained(wrong: ValidationError, content: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
    for error in wrong.errors():
        place = tuple(part for part in error["loc"] if part != content.get("kind"))
        field = ".".join(str(part) for part in place) or "file"
        if error["type"] == "incoherent":
            yield from error["ctx"]["faults"]
        elif error["type"] == "extra_forbidden":
            yield place, f"{field}: unknown field{maybe(str(place[-1]), KNOWN_FIELDS)}"
        elif error["type"] == "missing":
            yield place[:-1], f"{field}: is missing."
        else:
            yield place, f"{field}: {error['msg'].removeprefix('Value error, ')}"


def fields_of(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for part in schema.values():
            yield from fields_of(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from fields_of(part)


KNOWN_FIELDS = sorted({*fields_of(ITEM.json_schema()), *fields_of(PROBE.json_schema())})


def at(file: Path, lines: Lines, place: Where) -> str:
    while place and place not in lines:
        place = place[:-1]
    return f"{file}:{lines.get(place, 1)}"


def maybe(word: str, known: Mapping[str, Any] | list[str]) -> str:
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f". Maybe {near[0]!r}." if near else "."
