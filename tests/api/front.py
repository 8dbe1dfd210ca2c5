"""The whole application behind a real socket, in this process, and browsers without scripts to visit it with."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser

import httpx
import uvicorn

from api.app import create_app
from api.auth import sign, staff_key
from api.deps import House
from tests.item_bank.responses import right
from tests.vetting.story import role, role_form
from vetting import store
from vetting.records import Invitation
from vetting.settings import Settings
from vetting.sittings import sitting

SECRET = "a secret of the tests"  # noqa: S105 -- of nobody


@dataclass
class Front:
    """A running application."""

    url: str
    house: House
    app: object

    def link(self, kind: str, number: int) -> str:
        return f"/{kind[0]}/{sign(SECRET, kind, number)}"

    def invite(self, *, form=None, name="", uses=1, **others) -> str:
        """The path of a new invitation link."""
        with store.writing(self.house.engine) as db:
            now = datetime.now(UTC)
            made = sitting.invite(db, role(db, form or role_form(), now), now=now, uses=uses, name=name, **others)
            return self.link("invitation", made.id)

    def facts(self, statement) -> list:
        with store.reading(self.house.engine) as db:
            return list(db.execute(statement))

    def visitor(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30)

    @contextmanager
    def staff(self) -> Iterator[httpx.Client]:
        with self.visitor() as client:
            assert client.get(f"/enter/{staff_key(SECRET)}").status_code == httpx.codes.SEE_OTHER
            yield client

    def begin(self, client: httpx.Client, link: str | None = None, name: str = "Ada", **fields) -> str:
        """Accept an invitation; the path of the personal link."""
        answer = client.post(link or self.invite(), data={"consent": "yes", "name": name, **fields})
        assert answer.status_code == httpx.codes.SEE_OTHER, answer.text
        return answer.headers["location"]

    def item_of(self, page: httpx.Response):
        """The item a question's page shows."""
        (number,) = hidden(page.text, "question_id")
        with store.reading(self.house.engine) as db:
            return self.house.bank.items[db.get_one(sitting.Question, int(number)).item_id]

    def sit(self, client: httpx.Client, mine: str, most: int = 100) -> httpx.Response:
        """Answer rightly until the end or `most` questions; the page that follows."""
        page = client.get(mine)
        for _ in range(most):
            if page.status_code != httpx.codes.OK:
                break
            page = client.post(mine, data=fields(page.text) | right(self.item_of(page)) | {"act": "answer"})
            page = client.get(mine)
        return page


def hidden(html: str, name: str) -> list[str]:
    return re.findall(rf'name="{name}" value="([^"]*)"', html)


def fields(html: str) -> dict[str, str]:
    return {name: hidden(html, name)[0] for name in ("question_id", "request_id")}


def text(html: str) -> str:
    """What a reader sees, roughly."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


class Seen(HTMLParser):
    """Elements and links of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def links(self) -> set[str]:
        return {str(attrs["href"]) for tag, attrs in self.tags if tag == "a" and attrs.get("href")}


@contextmanager
def running(database: str) -> Iterator[Front]:
    """The application on a database until the block ends."""
    app = create_app(Settings(database=database, secret=SECRET, _env_file=None))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Front(f"http://127.0.0.1:{port}", app.state.house, app)
    finally:
        server.should_exit = True
        thread.join()
        app.state.house.engine.dispose()


__all__ = ["SECRET", "Front", "Invitation", "Seen", "fields", "hidden", "running", "text"]
