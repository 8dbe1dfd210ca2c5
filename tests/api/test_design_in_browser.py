"""The pages in a real browser, under the application's own policy: accessible, narrow enough, quick to the keyboard."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from api.app import HEADERS
from api.deps import HERE
from tests.api.design_samples import ITEMS, PAGES, html_of
from tests.conftest import free_port

pytestmark = pytest.mark.browser

PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 800}
SHOTS = os.environ.get("ASSAY_SHOTS", "")  # a folder for pictures of every page, in both sizes and schemes
LOOKS = [(DESK, "light"), (PHONE, "dark"), *([(DESK, "dark"), (PHONE, "light")] if SHOTS else [])]
FRAGMENT = "applicant/_question.html"


def sample_app() -> FastAPI:
    """Serves the samples; `answer` is what the next form gets, `came` what the last one held."""
    app = FastAPI()
    app.state.came, app.state.answer = {}, None
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")

    @app.get("/sample/{name}")
    def show(name: str) -> HTMLResponse:
        return HTMLResponse(html_of(name), headers=HEADERS)

    @app.post("/sample/next/any")
    async def take(request: Request) -> Any:
        app.state.came = dict(await request.form())
        return app.state.answer or HTMLResponse(html_of("question-text", FRAGMENT))

    @app.get("/fragment")
    def fragment() -> HTMLResponse:
        return HTMLResponse(html_of("question-text", FRAGMENT))

    return app


@pytest.fixture(scope="module")
def running() -> Iterator[FastAPI]:
    app, port = sample_app(), free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.05)
    app.state.url = f"http://127.0.0.1:{port}"
    yield app
    server.should_exit = True
    thread.join(5)


@pytest.fixture
def site(running: FastAPI) -> FastAPI:
    running.state.came, running.state.answer = {}, None
    return running


@pytest.fixture
def visit(chromium: Any, site: FastAPI) -> Iterator[Any]:
    """Open a sample page; at the end the console may hold no complaint but the one that was expected."""
    complaints: list[str] = []
    contexts = []

    def open_page(name: str, expects: str = "^$", **more: Any) -> Any:
        context = chromium.new_context(**{"viewport": DESK, "reduced_motion": "reduce"} | more)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(f"{site.state.url}/sample/{name}", wait_until="load")
        tab.expected = expects
        return tab

    yield open_page
    expected = [tab.expected for context in contexts for tab in context.pages]
    for context in contexts:
        context.close()
    assert [said for said in complaints if not any(re.search(pattern, said) for pattern in expected)] == []


def too_wide(tab: Any) -> float:
    """Pixels by which the page must be scrolled sideways."""
    return float(tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def hard_to_hit(tab: Any) -> list[str]:
    """Links of a table that take the focus where nobody sees them, or that stand alone and are lower than 24 pixels."""
    return list(
        tab.evaluate("""() => [...document.querySelectorAll("table a, .push")].filter((link) => {
        const head = link.closest("thead"), style = getComputedStyle(link);
        if (style.visibility === "hidden" || !link.checkVisibility()) return false;
        if (head && getComputedStyle(head).clipPath !== "none") return true;
        return link.matches("th > a, .push, td > .flag") && link.getBoundingClientRect().height < 23.9;
    }).map((link) => link.textContent)""")
    )


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_accessible_and_fits_a_phone_in_light_and_dark(visit, name):
    tab = visit(name)
    for screen, scheme in LOOKS:
        tab.set_viewport_size(screen)
        tab.emulate_media(color_scheme=scheme)
        if SHOTS:
            size = "phone" if screen == PHONE else "desk"
            tab.screenshot(path=Path(SHOTS) / f"{name}-{size}-{scheme}.png", full_page=True)
        assert too_wide(tab) <= 0
        faults = Axe().run(tab, options={"resultTypes": ["violations"]}).response["violations"]
        assert [(fault["id"], [node["html"][:200] for node in fault["nodes"]]) for fault in faults] == []


def test_pages_fit_the_narrowest_screens_and_double_zoom(visit, site):
    tab = visit("closed")
    for name in PAGES:
        tab.goto(f"{site.state.url}/sample/{name}")
        for width in (320, 640, 900):
            tab.set_viewport_size({"width": width, "height": 700})
            assert (name, width, max(0.0, too_wide(tab))) == (name, width, 0.0)
            assert (name, width, hard_to_hit(tab)) == (name, width, [])


@pytest.mark.parametrize("name", ["dossier", "dossier-decided"])
def test_a_dossier_is_one_screen(visit, name):
    assert visit(name).evaluate("document.documentElement.scrollHeight") <= DESK["height"]


@pytest.mark.parametrize("name", ["question-claim_check", "question-step_grade", "invitation", "plan"])
def test_targets_on_a_phone_are_large_enough_to_touch(visit, name):
    tab = visit(name, has_touch=True, is_mobile=True, viewport=PHONE)
    targets = tab.locator("button:visible:not(.unseen), label.pick:visible, label.tick:visible, select:visible")
    assert [target.inner_text() for target in targets.all() if target.bounding_box()["height"] < 43.9] == []


# -- a question --------------------------------------------------------------------------------------


def test_mathematics_is_typeset_under_the_policy(visit):
    tab = visit("question-choice")
    assert tab.locator(".math").count() > 0
    assert tab.locator(".math:not(:has(.katex))").count() == 0


@pytest.mark.parametrize("kind", ITEMS)
def test_every_kind_sends_the_fields_that_its_score_reads(visit, site, kind):
    tab = visit(f"question-{kind}")
    for radio in tab.locator("form.answer fieldset").all():
        radio.locator("input").first.check()
    for field in tab.locator("#number, #text").all():
        field.fill("1/2")
    tab.locator("form.answer button.main").click()
    tab.wait_for_selector("#saved:has-text('saved')")
    assert site.state.came["act"] == "answer"
    ITEMS[kind].score(site.state.came)  # raises where a field is missing or misnamed


def test_a_question_is_answered_by_keyboard_alone_and_the_next_one_comes_without_a_new_page(visit, site):
    tab = visit("question-choice")
    tab.evaluate("window.same = true")
    tab.keyboard.press("b")
    assert tab.locator("input[value=b]").is_checked()
    tab.keyboard.press("1")
    assert tab.locator("input[value=a]").is_checked()
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#text")
    assert site.state.came == {"question_id": "q7", "request_id": "r1", "option": "a", "act": "answer"}
    assert tab.evaluate("window.same")
    assert tab.locator("#saved").inner_text() == "saved ✓"
    assert tab.evaluate("document.activeElement.id") == "question-title"


def test_steps_have_digits_and_reasons_have_letters(visit):
    tab = visit("question-step_grade")
    for key in "3b":
        tab.keyboard.press(key)
    assert tab.locator("input[name=step]:checked").get_attribute("value") == "3"
    assert tab.locator("input[name=reason]:checked").get_attribute("value") == "b"
    tab.keyboard.press("0")
    assert tab.locator("input[name=step]:checked").get_attribute("value") == "0"


def test_a_draft_outlives_the_page_until_it_is_sent(visit, site):
    tab = visit("question-follow")
    tab.locator("textarea").press_sequentially("The air? It is a filter.")
    assert tab.locator("#text-count").inner_text() == "6 words"
    tab.reload()
    assert tab.locator("textarea").input_value() == "The air? It is a filter."
    tab.evaluate("localStorage['assay.draft.grading-7-ada'] = '[]'")  # of another family
    tab.goto(f"{site.state.url}/sample/result")
    assert tab.evaluate("Object.keys(localStorage)") == ["assay.draft.grading-7-ada"]


def test_what_is_typed_offline_stays_and_can_be_sent_later(visit, site):
    tab = visit("question-text", expects="ERR_INTERNET_DISCONNECTED|Failed to fetch")
    tab.locator("#text").fill("auf")
    tab.context.set_offline(True)
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#unsent:not([hidden])")
    assert tab.locator("#text").input_value() == "auf"
    tab.context.set_offline(False)
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#saved:has-text('saved')")
    assert site.state.came["text"] == "auf"


def test_a_failing_server_costs_no_answer(visit, site):
    tab = visit("question-text", expects="503")
    tab.locator("#text").fill("auf")
    site.state.answer = HTMLResponse("<h1>Broken</h1>", status_code=503)
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#unsent:not([hidden])")
    assert tab.locator("#text").input_value() == "auf"
    assert tab.locator("#saved").inner_text() == "not sent"


def test_what_is_far_too_long_is_not_told_to_be_sent_again_as_it_is(visit, site):
    tab = visit("question-text", expects="413")
    site.state.answer = HTMLResponse("<h1>Too much</h1>", status_code=413)
    tab.locator("#text").fill("auf")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#unsent:has-text('far too long')")
    site.state.answer = None
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#saved:has-text('saved')")


def test_the_second_half_of_a_double_click_does_not_skip_the_next_question(visit, site):
    tab = visit("question-text")
    with tab.expect_response("**/sample/next/any"):
        tab.get_by_role("button", name="Skip").click()
    tab.wait_for_selector("#saved:has-text('saved')")
    site.state.came = {}
    tab.get_by_role("button", name="Skip").dispatch_event("click", {"detail": 2})
    assert site.state.came == {}
    with tab.expect_response("**/sample/next/any"):
        tab.get_by_role("button", name="Skip").dispatch_event("click", {"detail": 1})
    assert site.state.came["act"] == "skip"


def test_a_form_that_opens_another_page_is_sent_once_however_often_it_is_pressed(visit):
    tab = visit("invitation")
    count = "event => { window.sent = (window.sent || 0) + !event.defaultPrevented; event.preventDefault(); }"
    tab.evaluate(f"() => addEventListener('submit', {count})")  # called after the page's own
    for _ in range(2):
        tab.locator("main button.main").click()
    assert tab.evaluate("window.sent") == 1


def test_a_text_that_grows_too_long_says_by_how_much_before_it_is_sent(visit):
    tab = visit("question-follow")
    tab.locator("#text").fill("🙂 " * 10_002)
    assert tab.locator("#text-count").inner_text() == "10002 words: too long by 4 letters"


def test_a_refused_answer_comes_back_as_typed_with_the_focus_on_the_fault(visit, site):
    tab = visit("question-numeric", expects="422")
    site.state.answer = HTMLResponse(html_of("question-refused", FRAGMENT), status_code=422)
    tab.locator("#number").fill("four")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#errors")
    assert tab.evaluate("document.activeElement.id") == "errors"
    assert tab.locator("#number").input_value() == "four"
    assert tab.locator("#unsent").is_hidden()


def test_a_redirect_to_the_next_question_stays_on_the_page(visit, site):
    tab = visit("question-choice")
    tab.evaluate("window.same = true")
    site.state.answer = RedirectResponse("/fragment", status_code=303)
    tab.keyboard.press("a")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#saved:has-text('saved')")
    assert tab.evaluate("window.same")


def test_a_redirect_to_a_whole_page_opens_it(visit, site):
    tab = visit("question-text")
    site.state.answer = RedirectResponse("/sample/paused", status_code=303)
    tab.get_by_role("button", name="I need a minute").click()
    tab.wait_for_url("**/sample/paused")
    assert site.state.came["act"] == "pause"
    assert tab.locator("h1").inner_text() == "The clock has stopped"


def test_without_scripts_enter_sends_the_answer_and_does_not_pause(visit, site):
    tab = visit("question-numeric", expects="404", java_script_enabled=False)  # a fragment alone names no icon
    tab.locator("#number").fill("4.92")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#text")
    assert (site.state.came["number"], site.state.came["act"]) == ("4.92", "answer")


def test_a_question_mark_shows_the_shortcuts_and_they_can_be_turned_off(visit):
    tab = visit("question-choice")
    tab.keyboard.press("?")
    assert tab.locator("dialog[open]").count() == 1
    tab.locator("#help-keys").uncheck()
    tab.keyboard.press("Escape")
    tab.keyboard.press("b")
    assert not tab.locator("input[value=b]").is_checked()
