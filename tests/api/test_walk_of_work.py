"""A lead's walk in a real browser: scope, feasibility, plan, pin, plan again, pilot, gate, run, checkpoint, report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from tests.api.front import Front, running
from tests.api.test_walk import PHONE, WIDE, follow, page, shoot
from tests.vetting.story import expert
from vetting import programs, store
from vetting.records import Applicant, Program
from vetting.rehearsals import shift
from vetting.work_records import Checkpoint

__all__ = ["page"]  # the fixture that fails on any console error
pytestmark = [pytest.mark.browser, pytest.mark.slow]
MATHS = ("math.algebra", "math.proof", "math.combinatorics")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, bank: Any) -> Iterator[Front]:
    """An application with five simulated experts and no program."""
    with running(f"sqlite:///{tmp_path_factory.mktemp('work') / 'assay.db'}") as made:
        with store.writing(made.house.engine) as db:
            for name in ("Ada", "Bea", "Cleo", "Dora", "Emmy"):
                expert(db, bank, MATHS, name=name, now=datetime.now(UTC)).simulated = True
        yield made


def press(page: Page, button: str | re.Pattern[str]) -> None:
    """Click and wait for the page behind it."""
    with page.expect_navigation():
        page.get_by_role("button", name=button).first.click()


def enter(page: Page, field: str) -> None:
    """Press Enter in a field and wait for the page behind it."""
    with page.expect_navigation():
        page.get_by_label(field, exact=True).first.press("Enter")


def fits(page: Page) -> None:
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.set_viewport_size(WIDE)


def test_a_lead_walks_from_scope_to_report(front: Front, page: Page) -> None:
    with front.staff() as client:
        page.context.add_cookies([{"name": "session", "value": client.cookies["session"], "url": front.url}])
    scope(front, page)
    plan_and_pin(page)
    units_from_a_file(page)
    pilot_by_hand(page)
    let_the_others_work(front)
    gate_run_and_report(front, page)


def scope(front: Front, page: Page) -> None:
    page.goto(f"{front.url}/lead")
    follow(page, "New program")
    page.get_by_label("Name", exact=True).fill("Proof chains")
    page.get_by_label("Name of the queue").fill("Combinatorics proofs")
    page.get_by_label("Kind of unit").select_option("process_supervision")
    page.get_by_label("Units", exact=True).fill("-5")
    page.get_by_label("Skill 1").select_option("math.combinatorics")
    page.get_by_label("Bar").first.fill("-0.5")
    page.get_by_label("Priority").select_option("high")
    page.get_by_label("Made by people alone").check()
    press(page, "Keep the program")
    expect(page.locator("#errors")).to_contain_text("units")  # named, beside its field, and nothing is kept
    expect(page.get_by_label("Name of the queue")).to_have_value("Combinatorics proofs")
    shoot(page, "work-scope-refused")
    fits(page)
    page.get_by_label("Units", exact=True).fill("12")
    page.get_by_label("A checkpoint every").fill("10")
    press(page, "Add a queue")
    enter(page, "Units")  # keeps, and does not leave out a queue
    expect(page.locator("#errors")).to_contain_text("Queue 2")
    press(page, "Leave out queue 2")
    expect(page.get_by_label("Units", exact=True)).to_have_value("12")
    enter(page, "Units")
    expect(page.get_by_role("heading", name="Can it be done")).to_be_visible()
    expect(page.get_by_text("feasible", exact=True)).to_be_visible()
    shoot(page, "work-feasible")
    fits(page)


def plan_and_pin(page: Page) -> None:
    follow(page, "Plan")
    press(page, "Make a plan")
    expect(page.get_by_role("heading", name="Supply and demand")).to_be_visible()
    page.get_by_label(re.compile("^keep")).first.check()
    press(page, re.compile("Solve again"))
    expect(page.get_by_label(re.compile("^keep")).first).to_be_checked()
    page.get_by_role("button", name="Work it out").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What more would bring")).to_be_focused()
    expect(page.get_by_text(re.compile("1 person like")).first).to_be_visible()
    expect(page.locator("#live")).to_have_text("Worked out. The table is here.")
    shoot(page, "work-plan")
    fits(page)


def units_from_a_file(page: Page) -> None:
    """By the keyboard to the tab; a wrong row is named, a file is added and taken back."""
    page.get_by_role("link", name="Units", exact=True).focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Units", exact=True)).to_have_attribute("aria-current", "page")
    page.get_by_label("Or its rows").fill("text,language\nShow that 7 is prime.,xx1")
    press(page, "Check and add")
    expect(page.locator("#errors")).to_contain_text("line 2: language")
    expect(page.get_by_label("Or its rows")).to_have_value("text,language\nShow that 7 is prime.,xx1")
    page.get_by_label("Or its rows").fill("")
    sent = {
        "name": "wrong.csv",
        "mimeType": "text/csv",
        "buffer": b"text\nShow that 7 is prime.\nShow that 9 is not.\n",
    }
    page.get_by_label("File", exact=True).set_input_files(sent)
    press(page, "Check and add")
    expect(page.get_by_role("status").first).to_contain_text("2 units of wrong.csv added")
    page.get_by_text("Take back").click()
    shoot(page, "work-units")
    fits(page)
    press(page, "Take them back")
    expect(page.get_by_text("taken back", exact=True)).to_be_visible()


def pilot_by_hand(page: Page) -> None:
    follow(page, "Work")
    expect(page.get_by_text("The gate is shut")).to_be_visible()
    with page.expect_navigation():
        page.get_by_role("button", name=re.compile("Record the decision")).click()
    expect(page.locator("#errors")).to_contain_text("Give a reason")
    page.get_by_label("Reason").fill("We are in a hurry.")
    with page.expect_navigation():
        page.get_by_role("button", name=re.compile("Record the decision")).click()
    expect(page.locator("#errors")).to_contain_text("cannot scale yet")
    shoot(page, "work-gate-shut")
    desk = page.url
    maker, judge = (page.get_by_role("link", name=name).get_attribute("href") for name in ("Ada", "Bea"))
    page.goto(f"{desk.partition('/lead')[0]}{maker}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Would you make a unit?")
    shoot(page, "work-offer")
    press(page, "Not this one")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Would you make a unit?")
    press(page, "Take it")
    page.get_by_label("Your unit").fill("1. There are 2 * 3 = 6 pairs.\n2. So 6 + 1 = 8 in all.")
    press(page, "Send")
    expect(page.locator("#errors")).to_contain_text("made it yourself")
    page.get_by_label(re.compile("I made this myself")).check()
    press(page, "Send")
    expect(page.get_by_role("heading", name="What you made")).to_be_visible()
    fits(page)
    page.goto(f"{desk.partition('/lead')[0]}{judge}")
    while "review" not in page.get_by_role("heading", level=1).inner_text():
        press(page, "Not this one")
    press(page, "Take it")
    expect(page.get_by_text("6 + 1 = 8 is not so.")).to_be_visible()
    page.get_by_label("Step 2").check()
    page.get_by_label(re.compile("Send back: ")).check()
    page.get_by_label("minor content").check()
    page.get_by_label("Reasons").fill("Step 2 adds wrongly.")
    shoot(page, "work-review")
    fits(page)
    press(page, "Send")
    page.goto(desk)


def let_the_others_work(front: Front) -> None:
    """The rest of the pilot is made and judged by simulated experts, as the demo does it."""
    with store.writing(front.house.engine) as db:
        program = db.scalars(select(Program)).one()
        done = shift.work_through(
            db, program, datetime.now(UTC) + timedelta(seconds=1), np.random.default_rng(1), people=5
        )
        assert done > 40
        assert programs.queues_of(program)[0].units == 12
        assert db.scalars(select(Checkpoint.units)).all() == [10]
        assert len(db.scalars(select(Applicant)).all()) == 5


def gate_run_and_report(front: Front, page: Page) -> None:
    page.reload()
    expect(page.get_by_text(re.compile("The gate is"))).to_be_visible()
    expect(page.get_by_text(re.compile("^10 units:"))).to_be_visible()  # the checkpoint and its advice
    shoot(page, "work-run")
    fits(page)
    verdict = "scale" if page.get_by_text("The gate is open").count() else "change"
    page.get_by_label("Decide").select_option(verdict)
    page.get_by_label("Reason").fill("As the pilot shows.")
    with page.expect_navigation():
        page.get_by_role("button", name=re.compile("Record the decision")).click()
    expect(page.get_by_role("heading", name="Decided")).to_be_visible()
    follow(page, "Report")
    expect(page.get_by_role("heading", name="Disputes")).to_be_visible()
    shoot(page, "work-report")
    fits(page)
    with page.expect_download() as saved:
        page.get_by_role("link", name="Units (CSV)").click()
    assert saved.value.suggested_filename == "units.csv"
    assert front.url in page.url
