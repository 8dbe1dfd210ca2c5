"""What tests share: the bank, databases (SQLite always, PostgreSQL where it can be started), a server, a browser."""

from __future__ import annotations

import gc
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from io import StringIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import settings
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from api.cli import main
from item_bank.load import Bank, load
from vetting import scale as scales
from vetting import store

ROOT = Path(__file__).resolve().parents[1]
REQUIRED = os.environ.get("ASSAY_REQUIRE", "").split(",")  # what must not be skipped: browser, postgres
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("repeatable")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def lacking(what: str, reason: str) -> None:
    """Skip with a reason; where the run says that it must be there, fail."""
    if what in REQUIRED:
        pytest.fail(f"{what} is required here: {reason}")
    pytest.skip(reason)


def pytest_collection_finish() -> None:
    """What is imported by now stays: a search for garbage that walks it each time costs a seventh of all tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


@pytest.fixture(scope="session")
def bank() -> Bank:
    return load()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260302)


# -- databases -------------------------------------------------------------------------------------


def free_port() -> int:
    """A port that stays ours while its server is dead: below those that systems give to outgoing connections."""
    while True:
        port = secrets.randbelow(12_000) + 18_000
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A private PostgreSQL cluster on loopback, one database a test; its address up to the database's name."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not binaries:
        lacking("postgres", "initdb is not installed")
    folder = Path(tempfile.mkdtemp(prefix="assay-pg-", dir="/tmp"))  # the server's user must reach it
    port, here = free_port(), binaries[-1].parent
    as_user = ["su", "postgres", "-c"] if os.geteuid() == 0 else ["sh", "-c"]
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    folder.chmod(0o700)

    def run(command: str) -> None:
        subprocess.run([*as_user, f"{here}/{command}"], check=True, capture_output=True, timeout=60)

    run(f"initdb -A trust --no-sync -U assay -D {folder}/data")
    options = f"-p {port} -k {folder} -c fsync=off -c listen_addresses=127.0.0.1"
    run(f'pg_ctl -w -D {folder}/data -l {folder}/log -o "{options}" start')
    try:
        yield f"postgresql+psycopg://assay@127.0.0.1:{port}"
    finally:
        run(f"pg_ctl -w -m immediate -D {folder}/data stop")
        shutil.rmtree(folder, ignore_errors=True)


def name_of(request: pytest.FixtureRequest) -> str:
    return f"t{sha256(request.node.nodeid.encode()).hexdigest()[:24]}_{os.getpid()}"


def create_database(cluster: str, name: str, template: str = "template1") -> str:
    """A database in the cluster; its address."""
    admin = create_engine(f"{cluster}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    admin.dispose()
    return f"{cluster}/{name}"


@pytest.fixture
def postgres_url(postgres: str, request: pytest.FixtureRequest) -> str:
    return create_database(postgres, name_of(request))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each test that asks for it runs on both databases."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'assay.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database in its newest form and nothing in it; tests begin with copies."""
    file = tmp_path_factory.mktemp("empty") / "assay.db"
    made(f"sqlite:///{file}").dispose()
    return file


@pytest.fixture(scope="session")
def empty_postgres(postgres: str) -> str:
    """The same in PostgreSQL: the name of a database that is copied."""
    create_database(postgres, "assay_empty")
    made(f"{postgres}/assay_empty").dispose()  # a database that somebody is connected to cannot be copied
    return "assay_empty"


def made(url: str) -> Engine:
    """An engine on a database brought to its newest form."""
    engine = store.connect(url)
    store.migrate(engine)
    return engine


@pytest.fixture
def sqlite_engine(tmp_path: Path, empty_sqlite: Path) -> Iterator[Engine]:
    shutil.copyfile(empty_sqlite, tmp_path / "assay.db")
    engine = store.connect(f"sqlite:///{tmp_path / 'assay.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def postgres_engine(postgres: str, empty_postgres: str, request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = store.connect(create_database(postgres, name_of(request), empty_postgres))
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest) -> Engine:
    """A database in its newest form; each test that asks for it runs on both kinds."""
    return request.getfixturevalue("sqlite_engine" if request.param == "sqlite" else "postgres_engine")


@pytest.fixture
def db(engine: Engine, bank: Bank) -> Iterator[Session]:
    """A session on a database that has a published scale."""
    with store.writing(engine) as session:
        scales.keep_up(session, bank, NOON)
        yield session


# -- a command -------------------------------------------------------------------------------------


@dataclass
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def assay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run the command in an empty folder, with what is typed at it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object, typed: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["assay", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run


# -- a real server ---------------------------------------------------------------------------------


@dataclass
class Server:
    """`assay serve` in a process of its own."""

    url: str
    database: str
    staff_link: str
    applicant_link: str
    process: subprocess.Popen[str]

    def kill(self) -> None:
        """As a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def serve(database: str, port: int | None = None, **settings: str) -> Server:
    """Start the server and wait until it answers."""
    port = port or free_port()
    environment = os.environ | {"PYTHONUNBUFFERED": "1"} | settings
    command = [sys.executable, "-m", "api.cli", "serve", "--database", database, "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/health", process)
    said = read_links(process)
    return Server(url, database, said.get("enter", ""), said.get("i", ""), process)


def wait_for(url: str, process: subprocess.Popen[str], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            said = process.stdout.read() if process.stdout else ""
            raise RuntimeError(f"the server ended with {process.returncode}: {said}")
        try:
            if httpx.get(url, timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer in {seconds} s")


def read_links(process: subprocess.Popen[str]) -> dict[str, str]:
    """The links the server printed before it began to listen, by their kind."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    said = process.stdout.read() or ""
    return {found[2]: found[1] for found in re.finditer(r"(http://\S+/(enter|i)/\S+)", said)}


# -- a real browser --------------------------------------------------------------------------------

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    if CHROMIUM is None:
        lacking("browser", "no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
