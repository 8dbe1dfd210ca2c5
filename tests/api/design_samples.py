"""Every page with a story to show: reads design_samples.yaml into templates and contexts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from api.deps import templates
from item_bank.schema import Item

SAMPLES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
COMMON = {
    "title": "A sample", "skills": {"math.proof": 1.0}, "level": "undergraduate", "explanation": "Because it is so.",
    "provenance": {"author": "tests", "written": "2026-11-20"},
}  # fmt: skip
ITEMS: dict[str, Item] = {
    kind: TypeAdapter[Item](Item).validate_python(
        {**COMMON, **body, "kind": kind, "id": f"sample-{kind.replace('_', '-')}"}
    )
    for kind, body in SAMPLES["items"].items()
}
PAGES: list[str] = list(SAMPLES["pages"])


def context_of(name: str) -> dict[str, Any]:
    context = dict(SAMPLES["pages"][name])
    return context | {"item": ITEMS[context["kind"]]} if "kind" in context else context


def html_of(name: str, template: str = "") -> str:
    """The page, or another template in its context; a name that is missing is an error."""
    context = context_of(name)
    page: str = templates().env.get_template(template or context["template"]).render(context)
    return page
