"""The web application: doors, errors as pages, headers that keep strangers' content out."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import numpy as np
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from sqlalchemy import text
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import (
    applicant,
    candidates,
    conversation,
    desk,
    experience,
    lead,
    papers,
    quality,
    raters,
    recruiter,
    result,
    reviewers,
    rounds,
    running,
    scoping,
    uploads,
    weights,
    worker,
)
from api.auth import from_own_pages
from api.deps import DB, HERE, House, now, page, templates
from api.grader import tidy
from api.links import closed_page
from item_bank.load import load
from vetting import scale as scales
from vetting import store
from vetting.settings import Settings
from vetting.sittings import resume
from vetting.sittings.sitting import ClosedError

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",  # personal links stay personal
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
LARGEST_BODY, LARGEST_FILE = 1_000_000, 20_000_000  # bytes of a form; of a file of units
LARGEST_RESUME = resume.LARGEST + LARGEST_BODY  # with what is typed beside it
DOORS = (
    applicant, experience, conversation, result, worker, recruiter, candidates, desk, papers, scoping, running, uploads,
    quality, raters, reviewers, weights, rounds, lead,
)  # fmt: skip
SESSION_SECONDS = 14 * 24 * 3600


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application on its database, which is brought up to date first."""
    settings = settings or Settings()
    engine = store.connect(settings.database)
    store.migrate(engine)
    bank = load(settings.bank)
    with store.writing(engine) as db:
        scales.keep_up(db, bank, now())
        tidy(db, bank, now())
    app = FastAPI(title="Assay", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.house = House(settings, engine, bank, load(shelf="practice"), templates(), np.random.default_rng())
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    for door in DOORS:
        app.include_router(door.router)
    app.add_api_route("/", lambda: RedirectResponse("/recruiter", HTTPStatus.SEE_OTHER), include_in_schema=False)
    app.add_api_route("/health", health, include_in_schema=False)
    app.add_middleware(Counted)
    app.middleware("http")(guard)
    app.add_middleware(SessionMiddleware, secret_key=settings.signing_key, max_age=SESSION_SECONDS, same_site="lax")
    app.add_exception_handler(StarletteHTTPException, refused)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(ClosedError, closed)
    app.add_exception_handler(Exception, broken)
    return app


def health(db: DB) -> JSONResponse:
    db.execute(text("SELECT 1"))
    return JSONResponse({"status": "ok"})


def largest(path: str) -> int:
    by_end = {"units": LARGEST_FILE, "experience": LARGEST_RESUME}
    return by_end.get(path.rpartition("/")[2], LARGEST_BODY)


def too_much(path: str) -> tuple[str, str]:
    if path.endswith("/experience"):
        return "This file cannot be taken", resume.TOO_LARGE
    most = f"at most {largest(path) // 1_000_000} million characters are taken"
    return "This is too much text", f"Maybe shorten it, or send it in parts; {most}."


class Counted:
    """Ends the reading of a body that is larger than may be, where no header has said how large it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, seen = scope["path"], 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > largest(path):
                what, maybe = too_much(path)
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"what": what, "maybe": maybe})
            return message

        await self.app(scope, counted, send)


async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse what does not come from our own pages or is too large; set the headers of every answer."""
    length = request.headers.get("content-length", "0")
    if not from_own_pages(request):
        answer = error(
            request, 403, "This form was sent from another site", "Maybe open the page again and send it from there."
        )
    elif not length.isdigit() or int(length) > largest(request.url.path):
        answer = error(request, 413, *too_much(request.url.path))
    else:
        answer = await go_on(request)
    answer.headers.update(HEADERS)
    if not request.url.path.startswith("/static"):
        answer.headers["Cache-Control"] = "no-store"
    return answer


def error(request: Request, status: int, what: str, maybe: str, where: str = "") -> Response:
    begun = re.match(r"/[is]/[^/]+", request.url.path)
    context: dict[str, object]
    if begun and status != HTTPStatus.NOT_FOUND:
        context = {"audience": "applicant", "home_url": begun[0], "home_label": "Back to your test"}
    else:
        staff = request.scope.get("session", {}).get("staff")
        context = {"audience": "applicant" if begun else "staff", "home_url": "/recruiter" if staff else ""}
    context |= {"status": status, "what": what, "where": where, "maybe": maybe}
    return page(request, "error.html", context, status)


async def refused(request: Request, wrong: Exception) -> Response:
    status = wrong.status_code if isinstance(wrong, HTTPException | StarletteHTTPException) else 500
    said: dict[str, str] = wrong.detail if isinstance(wrong, HTTPException) and isinstance(wrong.detail, dict) else {}
    what = said.get(
        "what",
        {400: "This form cannot be read", 404: "There is nothing here", 405: "This page takes no forms"}.get(
            status, "This is not possible"
        ),
    )
    cut_off = "Maybe the link was cut off when it was copied. Check it, or ask whoever sent it."
    maybe = said.get("maybe", "Maybe open the page again and send it once more." if status == 400 else cut_off)
    return error(request, status, what, maybe, request.url.path if status == 404 else "")


async def malformed(request: Request, wrong: Exception) -> Response:
    errors = wrong.errors() if isinstance(wrong, RequestValidationError) else []
    if any(error["loc"][0] == "path" for error in errors):
        return await refused(request, HTTPException(HTTPStatus.NOT_FOUND))
    fields = sorted({str(error["loc"][-1]) for error in errors})
    return error(request, 422, "This form is not complete", f"Maybe fill in {', '.join(fields)} and send it again.")


async def closed(request: Request, wrong: Exception) -> Response:
    return closed_page(request, wrong)


async def broken(request: Request, wrong: Exception) -> Response:  # noqa: ARG001 -- the server logs it
    return error(
        request, 500, "Something broke on our side", "Everything you sent before is kept. Maybe try again in a minute."
    )
