"""Long lists a page at a time, each under a name of its own, so that several lists share one page."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import Request

from api.forms import page_of
from api.views import Pager


@dataclass(frozen=True)
class Part:
    """Which rows of a long list are shown, and the way to the others."""

    rows: slice
    pager: Pager


def part(request: Request, count: int, size: int, name: str = "page", anchor: str = "") -> Part:
    """The part of a list of `count` that the address asks for by `name`; links keep what else the address says."""
    pages = max(1, -(-count // size))
    at = min(max(page_of(request, name), 1), pages)
    others = {key: said for key, said in request.query_params.items() if key != name}

    def to(page: int) -> str:
        return f"{request.url.path}?{urlencode(others | {name: str(page)})}{anchor}" if 1 <= page <= pages else ""

    return Part(slice((at - 1) * size, at * size), Pager(at, pages, to(at - 1), to(at + 1)))
