"""A real browser through quality: gold is marked, work is given back, judged blind; a round is held and talked over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from tests.api.front import Front, running
from tests.api.test_walk import page, shoot
from tests.api.test_walk_of_work import fits, press
from tests.vetting.story import expert
from vetting import programs, store
from vetting.offers import offering
from vetting.plans import staffing
from vetting.scope import ProgramForm
from vetting.work_records import Look, Offer, QueueDecision

__all__ = ["page"]  # the fixture that fails on any console error
pytestmark = [pytest.mark.browser, pytest.mark.slow]
QUEUE = {"name": "Checks", "kind": "verification", "skills": {"math.algebra": 1.0}, "units": 20, "value": 300,
         "gold": 0.3}  # fmt: skip
ROWS = "content,verdict,because,told\n" + "".join(f"Gold {n},valid,By hand.,yes\n" for n in range(6))


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, bank: Any) -> Iterator[Front]:
    """Two experts before a queue of judgements that may scale."""
    with running(f"sqlite:///{tmp_path_factory.mktemp('quality') / 'assay.db'}") as made:
        now = datetime.now(UTC)
        with store.writing(made.house.engine) as db:
            for name in ("Ada", "Bea"):
                expert(db, bank, ["math.algebra", "math.proof"], name=name, now=now)
            form = ProgramForm.model_validate({"name": "A program", "queues": [QUEUE]})
            program = programs.keep_program(db, form, now)
            staffing.make_plan(db, program, now)
            offering.add_units(db, program, form.queues[0], [f"Is {n} prime?" for n in range(20)], now)
            said = {"verdict": "scale", "reason": "test", "by": "test", "evidence": {}}
            db.add(QueueDecision(at=now, program_id=program.id, queue="Checks", **said))
        yield made


def test_a_lead_and_two_experts_walk_through_quality(front: Front, page: Page) -> None:
    with front.staff() as client:
        page.context.add_cookies([{"name": "session", "value": client.cookies["session"], "url": front.url}])
    page.goto(f"{front.url}/lead/1/run")
    ada, bea = (page.get_by_role("link", name=name).get_attribute("href") for name in ("Ada", "Bea"))
    with page.expect_navigation():
        page.get_by_role("link", name="Quality").click()
    mark_gold(page)
    begin_round(page)
    for link, label in ((ada, "valid"), (bea, "invalid")):
        judge_the_round(front, page, f"{front.url}{link}", label)
    talk(front, page, f"{front.url}{ada}")
    meet_gold(front, page, f"{front.url}{ada}")


def mark_gold(page: Page) -> None:
    page.get_by_text("Mark one gold unit in Checks").click()
    page.get_by_label("Why it is right").fill("x")
    press(page, "Mark it")
    expect(page.locator("#errors")).to_contain_text("because")
    expect(page.get_by_label("Why it is right")).to_have_value("x")
    page.get_by_text("Gold units of Checks from a file").click()
    page.get_by_label("File").set_input_files(
        files=[{"name": "gold.csv", "mimeType": "text/csv", "buffer": ROWS.encode()}]
    )
    press(page, "Mark them all")
    page.get_by_text("The 6 gold units of Checks").click()
    expect(page.get_by_text("0 of 30, in use").first).to_be_visible()
    shoot(page, "quality-gold")
    fits(page)


def begin_round(page: Page) -> None:
    page.get_by_text("Begin a round of Checks").click()
    page.get_by_label("Units", exact=True).first.fill("2")
    page.get_by_label("Taken from").select_option("gold")
    press(page, "Begin the round")
    expect(page.locator("#errors")).to_contain_text("Name 2 to 12 people")
    page.get_by_role("checkbox", name="Ada").check()
    page.get_by_role("checkbox", name="Bea").check()
    press(page, "Begin the round")
    expect(page.get_by_text(re.compile("Ada 0 of 2"))).to_be_visible()


def judge_the_round(front: Front, page: Page, link: str, label: str) -> None:
    for n in range(2):
        page.goto(link)
        expect(page.get_by_text("A calibration round").first).to_be_attached()
        press(page, "Take it")
        if n == 0 and label == "valid":
            shoot(page, "quality-round-judging")
            fits(page)
        page.get_by_role("radio", name=label, exact=True).check()
        page.get_by_label("Reasons").fill(f"I find it {label}.")
        press(page, "Send")
    assert len(front.facts(select(Look.id))) in {2, 4}


def talk(front: Front, page: Page, link: str) -> None:
    page.goto(link)
    with page.expect_navigation():
        page.get_by_role("link", name="What everybody said").click()
    expect(page.get_by_text("Person 2: invalid").first).to_be_visible()
    expect(page.get_by_text("they differ").first).to_be_visible()
    page.get_by_label(re.compile("Say something about")).first.fill("The guideline leaves it open.")
    press(page, "Say it")
    expect(page.get_by_text("The guideline leaves it open.")).to_be_visible()
    shoot(page, "quality-round")
    fits(page)
    page.goto(f"{front.url}/lead/1/rounds/1")
    expect(page.get_by_text("The guideline leaves it open.")).to_be_visible()
    shoot(page, "quality-round-lead")


def meet_gold(front: Front, page: Page, link: str) -> None:
    page.goto(link)
    press(page, "Take it")
    press(page, "Give it back")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Would you")
    for _ in range(18):
        press(page, "Take it")
        page.get_by_role("radio", name="valid", exact=True).check()
        press(page, "Send")
        if front.facts(select(Look.id).join(Offer).where(Offer.task == "gold")):
            break
    expect(page.get_by_text("its answer was known")).to_be_visible()
    shoot(page, "quality-told")
    fits(page)
    page.goto(f"{front.url}/lead/1/quality")
    expect(page.get_by_text("Right on gold, all together")).to_be_visible()
    shoot(page, "quality")
    fits(page)
