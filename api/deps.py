"""What every door needs: settings, bank, a unit of work, pages. All of it hangs on the app, nothing is global."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import jinja2
import numpy as np
from fastapi import Depends, Path, Request
from fastapi.templating import Jinja2Templates
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from starlette.responses import Response

from api import pictures
from api.rich_text import render, render_phrase
from item_bank.load import Bank
from vetting import store
from vetting.settings import Settings

HERE = pathlib.Path(__file__).resolve().parent


@dataclass(frozen=True, eq=False)
class House:
    """What the process was started with."""

    settings: Settings
    engine: Engine
    bank: Bank
    practice: Bank
    pages: Jinja2Templates
    rng: np.random.Generator

    @property
    def key(self) -> str:
        return self.settings.signing_key


def templates() -> Jinja2Templates:
    """Pages, with escaping everywhere."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.globals.update(pictures.GLOBALS)
    environment.filters.update(pictures.FILTERS, rich=render, rich_phrase=render_phrase)
    return Jinja2Templates(env=environment)


def house(request: Request) -> House:
    found: House = request.app.state.house
    return found


def unit_of_work(request: Request) -> Iterator[Session]:
    """A session that is committed once, after the route and before its answer is sent."""
    open_session = store.reading if request.method in {"GET", "HEAD"} else store.writing
    with open_session(house(request).engine) as db:
        yield db


def writing_work(request: Request) -> Iterator[Session]:
    """The same for a page whose showing is itself a fact: a question is asked when it is first shown."""
    with store.writing(house(request).engine) as db:
        yield db


def now() -> datetime:
    return datetime.now(UTC)


DB = Annotated[Session, Depends(unit_of_work, scope="function")]
WritingDB = Annotated[Session, Depends(writing_work, scope="function")]
Ours = Annotated[House, Depends(house)]
Now = Annotated[datetime, Depends(now)]
Number = Annotated[int, Path(ge=0, lt=2**31)]  # of a record, in an address


def page(request: Request, name: str, context: dict[str, Any], status: int = 200) -> Response:
    """A page from a template; what every page shows comes along."""
    return house(request).pages.TemplateResponse(request, name, context, status_code=status)
