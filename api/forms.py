"""What came in a form, and how a page goes on from it, with htmx or without."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated
from unicodedata import category

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData

from item_bank.schema import UnreadableResponseError

LONGEST_ANSWER = 20_000  # characters in one field
MOST_FIELDS = 10_000  # a program of 40 queues has some 2,500
LARGEST_PART = 20_000_000  # bytes; how large a whole form may be is looked at before (app.py)
TURNING = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
HOUSEKEEPING = {"act", "question_id", "request_id"}


async def form_of(request: Request) -> AsyncIterator[FormData]:
    """The form, whose files are closed once the page is made."""
    async with request.form(max_fields=MOST_FIELDS, max_part_size=LARGEST_PART) as form:
        yield form


Form = Annotated[FormData, Depends(form_of)]


def text_of(form: FormData, field: str) -> str:
    """What was typed, without the space around it; letters that nobody can see are nothing."""
    value = form.get(field, "")
    tidy = readable(value).strip() if isinstance(value, str) else ""
    return tidy if any(category(letter)[0] not in "CZ" for letter in tidy) else ""


def line_of(form: FormData, field: str, most: int) -> str:
    """What was typed in one line: a name, without letters that turn the text around it or break its line."""
    return " ".join(TURNING.sub(" ", text_of(form, field)).split())[:most].strip()


def readable(text: str) -> str:
    """The text without the one letter that PostgreSQL cannot keep, its lines ended as they were typed."""
    return text.replace("\0", "").replace("\r\n", "\n")


def too_long(form: FormData) -> list[tuple[str, str]]:
    """Fields that hold more than is taken, and by how much: nothing is cut off unseen."""
    over = {field: len(readable(said)) - LONGEST_ANSWER for field, said in form.multi_items() if isinstance(said, str)}
    return [
        (field, f"This is too long: {LONGEST_ANSWER:,} letters are taken. Shorten it by {much:,}.")
        for field, much in over.items()
        if much > 0
    ]


def request_id(number: int, form: FormData) -> str:
    """One a form as shown, about the record of a number: sending the same form again has the same id."""
    return f"{number}-{text_of(form, 'request_id')[:64]}"


def number_of(text: str) -> int | None:
    """A record's or a page's number, or None for whatever else was typed."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def said_of(form: FormData) -> dict[str, str | list[str]]:
    """What was typed, by field: one text, or a list where a field came several times."""
    said: dict[str, str | list[str]] = {}
    for field in form:
        if field in HOUSEKEEPING:
            continue
        values = [readable(value) for value in form.getlist(field) if isinstance(value, str)]
        said[readable(field)] = values[0] if len(values) == 1 else values
    return said


def page_of(request: Request, name: str = "page") -> int:
    """Which page of a list is asked for; the first if that makes no sense."""
    return number_of(request.query_params.get(name, "")) or 1


SKIP = "skip the question"


def trouble(wrong: UnreadableResponseError, instead: str = SKIP) -> tuple[str, str]:
    """A field and a sentence for the applicant, with what they may do instead; "" where there is nothing."""
    field, _, words = str(wrong).partition(": ")
    fill = f"Fill this in, or {instead}." if instead else "Fill this in."
    return field, {"nothing was filled in.": fill}.get(words, words)


def by_htmx(request: Request) -> bool:
    return request.headers.get("hx-request") == "true"


def on_to(request: Request, url: str) -> Response:
    """Another page: a redirect, also where htmx asked for a fragment."""
    if by_htmx(request):
        return Response(headers={"HX-Redirect": url})
    return RedirectResponse(url, HTTPStatus.SEE_OTHER)
