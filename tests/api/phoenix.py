"""A server that may be killed and is back in a moment: each life is forked from a process that has all code loaded.

    python -m tests.api.phoenix      reads ports from its input, one a line, and prints the process it forked for each

A life is a process of its own on a socket of its own: kill -9 takes from it what it would take from any other.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache

from tests.api.front import SECRET
from tests.conftest import ROOT, free_port, wait_for


class Phoenix:
    """The forking process and the server's present life."""

    def __init__(self, database: str, **settings: str) -> None:
        environment = os.environ | {"ASSAY_DATABASE": database, "PYTHONPATH": str(ROOT)} | settings
        self.parent = subprocess.Popen(
            [sys.executable, "-m", "tests.api.phoenix"], cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        assert self.parent.stdout.readline() == "ready\n"
        self.rise()

    def rise(self) -> None:
        self.parent.stdin.write(f"{self.port}\n")
        self.parent.stdin.flush()
        self.pid = int(self.parent.stdout.readline())
        wait_for(f"{self.url}/health", self.parent)

    def kill(self) -> None:
        """Kill -9, and wait until the process and with it its socket is gone: the next life needs the port."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
            while True:
                os.kill(self.pid, 0)
                time.sleep(0.01)

    def end(self) -> None:
        self.kill()
        self.parent.kill()
        self.parent.wait()
        self.parent.stdin.close()
        self.parent.stdout.close()


def warm(create_app, settings):
    """One question of one sitting on a database that is thrown away, so that nothing is compiled in a short life."""
    from tests.vetting.story import begin, role_form
    from vetting import scale as scales
    from vetting import store
    from vetting.sittings import choice

    with tempfile.TemporaryDirectory() as folder:
        app = create_app(settings(database=f"sqlite:///{folder}/warm.db", secret=SECRET, _env_file=None))
        house = app.state.house
        with store.writing(house.engine) as db:
            seat = begin(db, role_form("computing.python", minutes=30, interview_minutes=29.9), now=datetime.now(UTC))
            choice.choose(seat, scales.latest(db) and scales.of(seat.calibration), house.bank)
        house.engine.dispose()


def main() -> None:
    import uvicorn

    import api.app
    from vetting.models.llm import library
    from vetting.settings import Settings

    api.app.load = cache(api.app.load)  # the same content for every life, read once
    library()
    warm(api.app.create_app, Settings)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            app = api.app.create_app(Settings(_env_file=None))
            uvicorn.run(app, port=int(line), log_level="critical")
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
