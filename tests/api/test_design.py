"""The pages: rich text is safe, vendored files are what they claim, every page passes in a real browser."""

from __future__ import annotations

import hashlib
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api import pictures
from api.rich_text import render, render_phrase
from tests.api.design_samples import PAGES, html_of

API = Path(pictures.__file__).parent
VENDOR = API / "static" / "vendor"


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
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[a](javascript:alert(1))", "</textarea>",
    "[a](JaVaScRiPt&colon;alert(1))", "<svg/onload=alert(1)>", "![a](http://a.b/c.png)", "<style>*{}</style>",
    "$", "$$", "\n\n", "`", "```", "|a|b|\n|-|-:|\n|1|2|\n", "<a href='data:text/html,x'>", "**", "_", "# ", "\\",
    "[x]: javascript:alert(1)\n[x]", "<!--", "&lt;script&gt;", '"onmouseover="x', "\x00",
])  # fmt: skip


@given(st.lists(pieces | st.text(max_size=12), max_size=12).map("".join))
@example("$</span><script>alert(1)</script>$")
@example("$$\n</div><img src=x onerror=alert(1)>\n$$")
def test_no_text_brings_a_script_a_handler_or_a_foreign_scheme(text):
    for html in (render(text), render_phrase(text)):
        for tag, attributes in Elements(html).found:
            assert tag not in {"script", "style", "img", "svg", "textarea", "iframe", "form", "input"}
            assert set(attributes) <= HARMLESS
            assert (attributes.get("href") or "https:").split(":")[0].lower() in {
                "https",
                "http",
                "mailto",
            } or ":" not in attributes["href"]


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


@pytest.mark.parametrize(
    ("p", "word", "digits"),
    [
        (0.94, "clears", ".94"),
        (0.5, "open", ".50"),
        (0.1, "below", ".10"),
        (1.0, "clears", "> .99"),
        (0.0, "below", "< .01"),
    ],
)
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
    listed = {
        f"{package['folder']}/{file}": digest for package in packages for file, digest in package["sha256"].items()
    }
    found = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file()
    }
    found.pop("MANIFEST.toml")
    assert found == listed
    assert all(f"{package['folder']}/LICENSE" in listed for package in packages)


@pytest.mark.parametrize("name", PAGES)
def test_no_page_needs_an_inline_script_or_style(name):
    for tag, attributes in Elements(html_of(name)).found:
        assert "style" not in attributes
        assert not any(word.startswith("on") for word in attributes)
        assert tag != "style"
        assert tag != "script" or attributes.get("src", "").startswith("/static/")


@pytest.mark.parametrize("name", PAGES)
def test_ids_are_unique_and_every_field_has_a_label(name):
    found = Elements(html_of(name)).found
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(
        attributes["for"] in ids for tag, attributes in found if tag in {"label", "output"} and "for" in attributes
    )
