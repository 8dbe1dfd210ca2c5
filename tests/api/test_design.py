"""The pages: rich text is safe, vendored files are what they claim, every page passes in a real browser."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import threading
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from tests.api.design_samples import PAGES
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import Environment, FileSystemLoader

from api import pictures
from api.rich_text import render, render_phrase

API = Path(pictures.__file__).parent
VENDOR = API / "static" / "vendor"
POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self'"


# -- rich text ---------------------------------------------------------------------------------------


class Elements(HTMLParser):
    """Every element with its attributes, as a browser would see it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(str(html))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


HARMLESS = {"href", "title", "rel", "class", "tabindex", "start"}
pieces = st.sampled_from([
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[a](javascript:alert(1))", "[a](JaVaScRiPt&colon;alert(1))", "</textarea>",
    "<svg/onload=alert(1)>", "![a](http://a.b/c.png)", "$", "$$", "\n\n", "`", "```", "|a|b|\n|-|-:|\n|1|2|\n", "<a href='data:text/html,x'>",
    "[x]: javascript:alert(1)\n[x]", "<style>*{}</style>", "**", "_", "# ", "<!--", "&lt;script&gt;", '"onmouseover="x', "\x00", "\\",
])  # fmt: skip


@given(st.lists(pieces | st.text(max_size=12), max_size=12).map("".join))
@example("$</span><script>alert(1)</script>$")
@example("$$\n</div><img src=x onerror=alert(1)>\n$$")
def test_no_text_brings_a_script_a_handler_or_a_foreign_scheme(text):
    for html in (render(text), render_phrase(text)):
        for tag, attributes in Elements(html).found:
            assert tag not in {"script", "style", "img", "svg", "textarea", "iframe", "form", "input"}
            assert set(attributes) <= HARMLESS
            assert (attributes.get("href") or "https:").split(":")[0].lower() in {"https", "http", "mailto"} or ":" not in attributes["href"]


@pytest.mark.parametrize("formula", ["a_1 + b_1 * c * d", "4! = 24", "x < y \\& z", "\\frac{1}{2}", "**not bold**"])
def test_mathematics_is_handed_on_as_written(formula):
    html = render(f"So ${formula}$ holds.\n\n$$\n{formula}\n$$")

    class Texts(HTMLParser):
        shown = ""

        def handle_data(self, data: str) -> None:
            self.shown += data

    texts = Texts()
    texts.feed(str(html))
    assert texts.shown.count(formula) == 2
    assert html.count('class="math"') == 2
    assert "<strong>" not in html


def test_two_prices_are_no_formula():
    assert "math" not in render("It costs $5 today and $10 tomorrow.")


def test_one_paragraph_may_stand_in_a_label():
    assert render_phrase("a **b** $c$") == 'a <strong>b</strong> <span class="math">c</span>'
    assert "<p>" in render_phrase("a\n\nb")


def test_code_can_be_scrolled_by_keyboard():
    assert '<pre><code tabindex="0">x &lt; 1\n</code></pre>' in render("```python\nx < 1\n```")


# -- numbers as words and places ---------------------------------------------------------------------


@given(st.floats(-9, 9), st.floats(0, 5), st.floats(0, 5), st.none() | st.floats(-9, 9))
def test_a_picture_stays_on_its_axis_and_its_band_holds_its_dot(mean, below, above, bar):
    at = pictures.interval("Proof", mean, mean - below, mean + above, bar)
    assert 0 <= at.left <= at.dot + 1e-9
    assert at.dot <= at.left + at.width + 0.011  # places are rounded to a hundredth of a percent
    assert at.left + at.width <= 101
    assert ("bar" in at.sentence) == (bar is not None)


def test_a_band_without_its_mean_is_refused():
    with pytest.raises(ValueError, match="Maybe low and high are swapped"):
        pictures.interval("Proof", 0.0, 1.0, -1.0)


@pytest.mark.parametrize(("p", "word", "digits"), [(0.94, "clears", ".94"), (0.5, "open", ".50"), (0.1, "below", ".10"), (1.0, "clears", "> .99"), (0.0, "below", "< .01")])
def test_a_probability_is_never_shown_as_certain(p, word, digits):
    assert (pictures.standing(p), pictures.chance(p)) == (word, digits)


@given(st.floats(0, 500), st.floats(0, 500))
def test_a_range_in_words_is_never_narrower_than_it_is(one, other):
    low, high = sorted((one, other))
    shown = [int(word) for word in pictures.span(low, high, "minutes").replace("\u2013", " ").split() if word.isdigit()]
    assert (shown[0] if len(shown) == 2 else 0) <= low or shown == [1]
    assert shown[-1] >= high


# -- vendored files and templates --------------------------------------------------------------------


def test_vendored_files_are_the_published_ones_and_carry_their_licence():
    packages = tomllib.loads((VENDOR / "MANIFEST.toml").read_text())["package"]
    listed = {f"{package['folder']}/{file}": digest for package in packages for file, digest in package["sha256"].items()}
    found = {path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.rglob("*") if path.is_file()}
    found.pop("MANIFEST.toml")
    assert found == listed
    assert all(f"{package['folder']}/LICENSE" in listed for package in packages)


def templates() -> Environment:
    environment = Environment(loader=FileSystemLoader(API / "templates"), autoescape=True)
    environment.globals |= pictures.GLOBALS
    environment.filters |= pictures.FILTERS | {"rich": render, "rich_phrase": render_phrase}
    return environment


def page(name: str) -> str:
    template, context = PAGES[name]
    return templates().get_template(template).render(context)


@pytest.mark.parametrize("name", PAGES)
def test_no_page_needs_an_inline_script_or_style(name):
    for tag, attributes in Elements(page(name)).found:
        assert "style" not in attributes
        assert not any(word.startswith("on") for word in attributes)
        assert tag != "style"
        assert tag != "script" or attributes.get("src", "").startswith("/static/")


@pytest.mark.parametrize("name", PAGES)
def test_ids_are_unique_and_every_field_has_a_label(name):
    found = Elements(page(name)).found
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(attributes["for"] in ids for tag, attributes in found if tag in {"label", "output"} and "for" in attributes)


# -- in a browser ------------------------------------------------------------------------------------

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
SCREENS = {"phone": {"width": 360, "height": 740}, "desk": {"width": 1280, "height": 800}}
LOOKS = [("desk", "light"), ("phone", "dark")] + [("desk", "dark"), ("phone", "light")] * ("ASSAY_SHOTS" in os.environ)


def sample_app() -> FastAPI:
    app = FastAPI()
    app.state.came, app.state.answer = {}, None
    app.mount("/static", StaticFiles(directory=API / "static"), name="static")

    @app.get("/sample/{name}")
    def show(name: str) -> HTMLResponse:
        return HTMLResponse(page(name), headers={"Content-Security-Policy": POLICY})

    @app.post("/sample/next/{kind}")
    async def next_question(kind: str, request: Request) -> HTMLResponse:
        form = await request.form()
        app.state.came = {"kind": kind, **form}
        _, context = PAGES["question-text"]
        if app.state.answer is not None:
            return app.state.answer
        return HTMLResponse(templates().get_template("applicant/_question.html").render(context))

    return app


@pytest.fixture(scope="module")
def site() -> Iterator[Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = sample_app()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.05)
    app.state.url = f"http://127.0.0.1:{port}"
    yield app
    server.should_exit = True
    thread.join(5)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        if "browser" in os.environ.get("ASSAY_REQUIRE", ""):
            pytest.fail("no chromium, but ASSAY_REQUIRE asks for the browser tests")
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 -- slow to import, and only here

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, site) -> Iterator[Any]:
    """Open a sample page; at the end the console may hold no complaint but the one that was expected."""
    complaints: list[str] = []
    contexts = []

    def open_page(name: str, expects: str = "^$", **more: Any) -> Any:
        context = browser.new_context(viewport=SCREENS["desk"], reduced_motion="reduce", **more)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: message.type in {"error", "warning"} and not re.search(expects, message.text) and complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(f"{site.state.url}/sample/{name}", wait_until="load")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def too_wide(tab: Any) -> float:
    return tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.browser
def test_pages_fit_the_narrowest_screens_and_double_zoom(visit, site):
    tab = visit("closed")
    for name in PAGES:
        tab.goto(f"{site.state.url}/sample/{name}")
        for width in (320, 640, 900):
            tab.set_viewport_size({"width": width, "height": 700})
            assert (name, width, max(0, too_wide(tab))) == (name, width, 0)


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_accessible_and_fits_a_phone_in_light_and_dark(visit, name):
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 -- as above

    tab = visit(name)
    for screen, scheme in LOOKS:
        tab.set_viewport_size(SCREENS[screen])
        tab.emulate_media(color_scheme=scheme)
        if folder := os.environ.get("ASSAY_SHOTS"):
            tab.screenshot(path=Path(folder) / f"{name}-{screen}-{scheme}.png", full_page=True)
        assert too_wide(tab) <= 0
        faults = Axe().run(tab, options={"resultTypes": ["violations"]}).response["violations"]
        assert [(fault["id"], [node["html"][:200] for node in fault["nodes"]]) for fault in faults] == []


@pytest.mark.browser
def test_mathematics_is_typeset_under_the_policy(visit):
    tab = visit("question-choice")
    assert tab.locator(".katex").count() >= 9
    assert tab.locator(".math:not([data-set])").count() == 0


@pytest.mark.browser
def test_a_question_is_answered_by_keyboard_alone_and_the_next_one_comes_without_a_new_page(visit, site):
    tab = visit("question-choice")
    tab.evaluate("window.same = true")
    tab.keyboard.press("b")
    assert tab.locator("input[value=b]").is_checked()
    tab.keyboard.press("1")
    assert tab.locator("input[value=a]").is_checked()
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#text")
    assert site.state.came == {"kind": "choice", "question_id": "q-choice", "request_id": "r1", "option": "a", "act": "answer"}
    assert tab.evaluate("window.same")
    assert tab.locator("#saved").inner_text() == "saved ✓"
    assert tab.evaluate("document.activeElement.id") == "question-title"


@pytest.mark.browser
def test_steps_have_digits_and_reasons_have_letters(visit):
    tab = visit("question-step_grade")
    for key in "3b":
        tab.keyboard.press(key)
    assert tab.locator("input[name=step]:checked").get_attribute("value") == "3"
    assert tab.locator("input[name=reason]:checked").get_attribute("value") == "b"
    tab.keyboard.press("0")
    assert tab.locator("input[name=step]:checked").get_attribute("value") == "0"


@pytest.mark.browser
def test_a_draft_outlives_the_page_until_the_next_question(visit, site):
    tab = visit("question-follow")
    tab.locator("textarea").press_sequentially("The air? It is a filter.")
    assert tab.locator("#text-count").inner_text() == "6 words"
    tab.reload()
    assert tab.locator("textarea").input_value() == "The air? It is a filter."
    tab.locator("form.answer button.main").click()
    tab.wait_for_selector("input#text")
    assert tab.evaluate("Object.keys(localStorage)") == []
    assert site.state.came["text"] == "The air? It is a filter."


@pytest.mark.browser
def test_what_is_typed_offline_stays_and_says_so(visit):
    tab = visit("question-text", expects="ERR_INTERNET_DISCONNECTED|Failed to fetch")
    tab.locator("#text").fill("auf")
    tab.context.set_offline(True)
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#unsent:not([hidden])")
    assert tab.locator("#text").input_value() == "auf"
    tab.context.set_offline(False)
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#saved:has-text('saved')")


@pytest.mark.browser
def test_a_failing_server_loses_no_answer(visit, site):
    tab = visit("question-text", expects="503")
    tab.locator("#text").fill("auf")
    site.state.answer = HTMLResponse("<h1>Broken</h1>", status_code=503)
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#unsent:not([hidden])")
    site.state.answer = None
    assert tab.locator("#text").input_value() == "auf"


@pytest.mark.browser
def test_a_redirect_after_an_answer_leads_to_its_page(visit, site):
    tab = visit("question-text")
    site.state.answer = RedirectResponse("/sample/paused", status_code=303)
    tab.locator("form.answer button[value=pause]").click()
    tab.wait_for_url("**/sample/paused")
    site.state.answer = None
    assert site.state.came["act"] == "pause"
    assert tab.locator("h1").inner_text() == "The clock has stopped"


@pytest.mark.browser
def test_a_refused_answer_comes_back_as_typed_with_the_focus_on_the_fault(visit, site):
    tab = visit("question-numeric", expects="422")
    _, context = PAGES["question-error"]
    site.state.answer = HTMLResponse(templates().get_template("applicant/_question.html").render(context), status_code=422)
    tab.locator("#number").fill("four")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#errors")
    site.state.answer = None
    assert tab.evaluate("document.activeElement.id") == "errors"
    assert tab.locator("#number").input_value() == "four"
    assert tab.locator("#unsent").is_hidden()


@pytest.mark.browser
def test_without_scripts_a_form_sends_the_answer_that_enter_means(visit, site):
    tab = visit("question-numeric", expects="404", java_script_enabled=False)  # a fragment alone names no icon
    tab.locator("#number").fill("4.92")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#text")
    assert (site.state.came["number"], site.state.came["act"]) == ("4.92", "answer")


@pytest.mark.browser
def test_a_question_mark_shows_the_shortcuts_and_they_can_be_turned_off(visit):
    tab = visit("question-choice")
    tab.keyboard.press("?")
    assert tab.locator("dialog[open]").count() == 1
    tab.locator("#help-keys").uncheck()
    tab.keyboard.press("Escape")
    tab.keyboard.press("b")
    assert not tab.locator("input[value=b]").is_checked()


@pytest.mark.browser
@pytest.mark.parametrize("name", ["dossier", "dossier-decided"])
def test_a_dossier_is_one_screen(visit, name):
    tab = visit(name)
    assert tab.evaluate("document.documentElement.scrollHeight") <= SCREENS["desk"]["height"]


@pytest.mark.browser
@pytest.mark.parametrize("name", ["question-claim_check", "question-step_grade", "invitation"])
def test_targets_on_a_phone_are_large_enough_to_touch(visit, name):
    tab = visit(name, has_touch=True, is_mobile=True)
    tab.set_viewport_size(SCREENS["phone"])
    small = tab.evaluate("""() => [...document.querySelectorAll("button:not(.unseen), label.pick, select, input:not([type=radio], [type=checkbox], [type=hidden])")]
        .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 43.9).map((one) => one.outerHTML.slice(0, 90))""")
    assert small == []
