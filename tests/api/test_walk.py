"""The whole walk in a real browser: an applicant answers, a recruiter decides, a lead plans."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect
from sqlalchemy import create_engine, text

from tests.conftest import ROOT, Server, serve

SHOTS = Path(os.environ["ASSAY_SHOTS"]) if "ASSAY_SHOTS" in os.environ else None  # where pictures go, if wanted
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 360, "height": 740}

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on the database of a small demo."""
    folder = tmp_path_factory.mktemp("walk")
    command = [sys.executable, "-m", "api.cli", "demo", "--people", "30"]
    subprocess.run(command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    running = serve(f"sqlite:///{folder / 'assay-demo.db'}")
    yield running
    running.kill()


@pytest.fixture
def page(chromium: Any) -> Iterator[Page]:
    """A page that fails the test on any console error or uncaught exception."""
    context = chromium.new_context(viewport=WIDE, bypass_csp=SHOTS is not None)  # taking a picture adds a style
    opened = context.new_page()
    wrong: list[str] = []

    def hear(said: ConsoleMessage) -> None:
        if said.type == "error":
            wrong.append(f"{said.text} at {said.location} on {opened.url}")

    opened.on("console", hear)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    yield opened
    context.close()
    assert not [said for said in wrong if "422" not in said], wrong  # a refused form is reported as 422 by design


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def answer_somehow(page: Page) -> None:
    """Fill in the question on the screen, whatever its kind: the first option of everything."""
    form = page.locator("form.answer")
    for group in set(form.locator("input[type=radio]").evaluate_all("all => all.map(one => one.name)")):
        form.locator(f"input[type=radio][name={group}]").first.check()
    boxes = form.locator("input[type=checkbox]")
    if boxes.count():
        boxes.first.check()
    for field, said in (("number", "1/2"), ("text", "a short answer")):
        if (box := form.locator(f"[name={field}]")).count():
            box.fill(said)
    form.get_by_role("button", name=re.compile("Continue")).last.click()


def test_an_applicant_a_recruiter_and_a_lead_walk_through(server: Server, page: Page) -> None:
    come_and_practise(server, page)
    personal = answer_to_the_end(page)
    decide(server, page)
    page.goto(personal)  # the applicant sees the decision and its reason
    expect(page.get_by_text("Sound on proofs")).to_be_visible()
    look_at_the_plan(server, page)


def come_and_practise(server: Server, page: Page) -> None:
    # the invitation: consent is asked for, and what was typed is kept
    page.goto(server.applicant_link)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    shoot(page, "applicant-invitation")
    page.get_by_label(re.compile("Your name")).fill("Walk Tester")
    page.get_by_role("button", name="Begin").last.click()
    expect(page.locator("#errors")).to_contain_text("Agree")
    expect(page.get_by_label(re.compile("Your name"))).to_have_value("Walk Tester")

    # practice: every kind once, with feedback, nothing kept
    page.get_by_role("button", name="Practise first").click()
    for _ in range(8):
        answer_somehow(page)
        page.get_by_role("link", name="Continue").click()


def answer_to_the_end(page: Page) -> str:
    """The personal link, after the test is done and appealed."""
    page.get_by_label(re.compile("Your name")).fill("Walk Tester")
    page.get_by_label(re.compile("I have read this")).check()
    page.get_by_role("button", name="Begin").last.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Question 1")
    shoot(page, "applicant-question")

    # an answer that cannot be read is mended, not lost; a pause comes back to the same question
    stem = page.locator(".stem").inner_text()
    page.get_by_role("button", name="Continue").last.click()
    expect(page.locator("#errors")).to_be_visible()
    page.get_by_role("button", name="I need a minute").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("clock has stopped")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Question 1")
    assert page.locator(".stem").inner_text() == stem

    personal = page.url
    for number in range(1, 60):
        if not page.locator("form.answer").count():
            break
        if number == 3:
            page.reload()  # nothing is lost by it
        answer_somehow(page)
        page.wait_for_function(
            "n => location.pathname.endsWith('/result') || !document.querySelector('#question-title')"
            " || !document.querySelector('#question-title').textContent.trim().endsWith(' ' + n)",
            arg=number,
        )
    expect(page.get_by_role("heading", level=1)).to_contain_text("What you showed")
    shoot(page, "applicant-result")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    shoot(page, "applicant-result-phone")
    page.set_viewport_size(WIDE)
    page.get_by_label("Ask a person to look again").fill("The third question had a typing mistake.")
    page.get_by_role("button", name="Send the appeal").click()
    expect(page.get_by_text("Your appeal of")).to_be_visible()
    return personal


def decide(server: Server, page: Page) -> None:
    page.goto(server.staff_link)
    expect(page.get_by_role("heading", name="Roles")).to_be_visible()
    shoot(page, "recruiter-roles")
    page.get_by_label("Name").fill("Someone New")
    page.get_by_role("button", name="Make the link").click()
    link = page.get_by_label(re.compile("Invitation link for Someone New")).input_value()
    assert link.startswith(f"{server.url}/i/")
    role = role_of(server, "Walk Tester")
    page.get_by_role("link", name=role, exact=True).click()
    shoot(page, "recruiter-candidates")
    page.locator("tbody th a").first.click()
    expect(page.get_by_role("heading", name="What moved it most")).to_be_visible()
    shoot(page, "recruiter-dossier")
    page.locator(".evidence a").first.click()  # the answer behind the estimate
    expect(page.get_by_role("heading", name="What was asked")).to_be_visible()
    shoot(page, "recruiter-answer")
    page.go_back()
    follow(page, "All candidates")
    while not page.get_by_role("link", name="Walk Tester").count():
        follow(page, "Next")
    page.get_by_role("link", name="Walk Tester").click()
    expect(page.get_by_role("heading", name="What moved it most")).to_be_visible()
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#errors")).to_contain_text("Give a reason")
    page.get_by_label("Advance").check()
    page.get_by_label("Reason").fill("Sound on proofs; the interval lies above the bar where it matters.")
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#decide [role=status]")).to_contain_text("Advance")


def follow(page: Page, link: str) -> None:
    """Click a link and wait for the page behind it: a count taken on the page being left would be of nothing."""
    with page.expect_navigation():
        page.get_by_role("link", name=link).click()


def look_at_the_plan(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/lead")
    page.get_by_role("link", name="Verified reasoning").click()
    expect(page.get_by_role("heading", name="Supply and demand")).to_be_visible()
    shoot(page, "lead-plan")
    follow(page, "Overview")
    shoot(page, "lead-queues")
    follow(page, "Plan")
    keep = page.get_by_label(re.compile("^keep")).first
    keep.check()
    page.get_by_role("button", name=re.compile("Solve again")).click()
    expect(page.get_by_label(re.compile("^keep")).first).to_be_checked()


def role_of(server: Server, name: str) -> str:
    """The role the newest open invitation was for."""
    with create_engine(server.database).connect() as connection:
        found = connection.execute(
            text(
                "SELECT role.name FROM role JOIN invitation ON invitation.role_id = role.id "
                "JOIN sitting ON sitting.invitation_id = invitation.id "
                "JOIN applicant ON applicant.id = sitting.applicant_id WHERE applicant.name = :name"
            ),
            {"name": name},
        )
        return str(found.scalar_one())


def test_a_used_up_invitation_says_so_and_strangers_are_kept_out(server: Server, page: Page) -> None:
    page.goto(server.staff_link)
    page.get_by_label("Name").fill("Only Once")
    page.get_by_role("button", name="Make the link").click()
    link = page.get_by_label(re.compile("Invitation link for Only Once")).input_value()
    page.goto(link)
    page.get_by_label(re.compile("I have read this")).check()
    page.get_by_role("button", name="Begin").last.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Question 1")


def test_keyboard_alone_answers_a_question(server: Server, page: Page) -> None:
    page.goto(server.applicant_link)
    page.get_by_label(re.compile("Your name")).fill("Keyboard Only")
    page.get_by_label(re.compile("I have read this")).check()
    page.get_by_role("button", name="Begin").last.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Question 1")
    kind = page.locator("form.answer").evaluate("form => form.querySelector('[name=option]')?.type || 'other'")
    page.keyboard.press("Tab")
    if kind in {"radio", "checkbox"}:
        page.locator("body").press("a")
        page.keyboard.press("Enter")
    else:
        fields = page.locator("form.answer input:not([type=hidden]), form.answer textarea")
        fields.first.focus()
        page.keyboard.type("1")
        page.keyboard.press("Enter")
    expect(page.locator("#question-title")).to_contain_text("Question 2")
