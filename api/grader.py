"""Work beside the web pages: while the server runs, interviews that wait are graded by the operator's raters.

Once an hour names whose time is over are removed, and conversations whose link has run out are closed for grading.

What waits is derived from the records, so a server that was killed goes on where it was; nobody waits for a model
before a page is shown. Where many servers share a database, one of them grades (the others have no raters set).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from item_bank.load import Bank
from vetting import store
from vetting.decisions import decision
from vetting.grades import hearings, rater_readings
from vetting.grades.grading import Panel, panel_of
from vetting.interviews import interview
from vetting.settings import Settings

EVERY, HOUR = 3.0, 3600.0  # seconds between two looks at what waits, and between two times of tidying up
log = logging.getLogger(__name__)


@contextmanager
def beside(engine: Engine, bank: Bank, settings: Settings) -> Iterator[None]:
    """Tidy up, and grade where there are raters, beside what is done meanwhile."""
    by, over = panel_of(settings), Event()
    threads = [Thread(target=keep_tidy, args=(engine, bank, over), daemon=True, name="tidy")]
    if by.raters or by.offline:
        threads.append(Thread(target=keep_grading, args=(engine, bank, by, over), daemon=True, name="grader"))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(1)  # a model that still thinks is not waited for: the answer is on record and waits


def keep_tidy(engine: Engine, bank: Bank, over: Event) -> None:
    while not over.wait(HOUR):
        try:
            with store.writing(engine) as db:
                tidy(db, bank, datetime.now(UTC))
        except Exception:
            log.exception("nothing was tidied up; another try follows in an hour")


def tidy(db: Session, bank: Bank, now: datetime) -> None:
    """What time alone brings about."""
    decision.erase_expired(db, now)
    interview.close_left(db, bank, now)


def keep_grading(engine: Engine, bank: Bank, by: Panel, over: Event) -> None:
    """Look and grade until it is over; an answer that breaks the grader is left alone by this process."""
    broken: set[int] = set()
    account(engine)
    while True:
        todo = [one for one in what_waits(engine, bank) if one not in broken]
        for answer in todo:
            if over.is_set():
                return
            try:
                hearings.grade_kept(engine, answer, bank, by, datetime.now(UTC))
            except Exception:
                broken.add(answer)
                log.exception("answer %s could not be graded; it waits for people", answer)
        if todo:
            account(engine)
        if over.wait(EVERY):
            return


def account(engine: Engine) -> None:
    """What is known of the raters, measured anew once enough verdicts came since."""
    try:
        rater_readings.keep_up(engine, datetime.now(UTC))
    except Exception:
        log.exception("raters could not be measured; the page shows the figures from before")


def what_waits(engine: Engine, bank: Bank) -> list[int]:
    try:
        with store.reading(engine) as db:
            return hearings.waiting(db, bank)
    except Exception:
        log.exception("the database could not be read; another look follows")
        return []
