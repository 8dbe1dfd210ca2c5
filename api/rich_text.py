"""Markdown of items, sources and answers as safe HTML.

Three walls, one behind the other: raw HTML is never parsed as HTML, what comes out is cleaned against
a short list of tags, and the pages forbid foreign and inline scripts anyway. Mathematics between
dollar signs is left as written, in elements of class `math` that static/app.js hands to KaTeX.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin

TAGS = {
    "p", "br", "hr", "strong", "em", "s", "del", "code", "pre", "blockquote", "ul", "ol", "li", "a", "span", "div",
    "table", "thead", "tbody", "tr", "th", "td", "sub", "sup",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "code": {"tabindex"}, "div": {"tabindex"}, "ol": {"start"}}
CLASSES = {
    "span": {"math"},
    "div": {"math", "scroll"},
    "p": {"heading"},
    "td": {"right", "middle"},
    "th": {"right", "middle"},
}
SCHEMES = {"http", "https", "mailto"}


def render(markdown: str) -> Markup:
    """A text of paragraphs, lists, tables, code and mathematics."""
    return clean(READER.render(markdown))


def render_phrase(markdown: str) -> Markup:
    """The same, but a text of one paragraph comes without its <p>: it may stand in a label or a legend."""
    tokens = READER.parse(markdown)
    if [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]:
        tokens = tokens[1:2]
    return clean(READER.renderer.render(tokens, READER.options, {}))


def clean(html: str) -> Markup:
    safe = nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        allowed_classes=CLASSES,
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow",
        clean_content_tags={"script", "style"},
    )
    return Markup(safe)  # noqa: S704 -- this is the one place where cleaned text becomes markup


# -- how the reader is set up ------------------------------------------------------------------------

Env = MutableMapping[str, Any]


class Page(RendererHTML):
    """HTML that sits inside a page which has its own headings, and that the keyboard can scroll."""

    def heading_open(self, _tokens: Sequence[Token], _at: int, _options: OptionsDict, _env: Env) -> str:
        return '<p class="heading">'

    def heading_close(self, _tokens: Sequence[Token], _at: int, _options: OptionsDict, _env: Env) -> str:
        return "</p>\n"

    def fence(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: Env) -> str:
        return code(tokens[idx].content)

    def code_block(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: Env) -> str:
        return code(tokens[idx].content)

    def table_open(self, _tokens: Sequence[Token], _at: int, _options: OptionsDict, _env: Env) -> str:
        return '<div class="scroll" tabindex="0"><table>\n'

    def table_close(self, _tokens: Sequence[Token], _at: int, _options: OptionsDict, _env: Env) -> str:
        return "</table></div>\n"

    def th_open(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: Env) -> str:
        return f"<th{alignment(tokens[idx])}>"

    def td_open(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: Env) -> str:
        return f"<td{alignment(tokens[idx])}>"

    def math_inline(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: Env) -> str:
        return f'<span class="math">{escapeHtml(tokens[idx].content)}</span>'

    def math_block(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: Env) -> str:
        return f'<div class="math">{escapeHtml(tokens[idx].content)}</div>\n'


def code(text: str) -> str:
    return f'<pre><code tabindex="0">{escapeHtml(text)}</code></pre>\n'


def alignment(cell: Token) -> str:
    """Markdown's column alignment as a class: the pages allow no style attributes."""
    word = str(cell.attrGet("style") or "").partition("text-align:")[2]
    return {"right": ' class="right"', "center": ' class="middle"'}.get(word, "")


def reader() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}, renderer_cls=Page)
    markdown.enable(["table", "strikethrough"]).disable("image")
    # "$5 and $10" is money: no space inside, no digit outside a pair of dollar signs
    dollarmath_plugin(markdown, allow_labels=False, allow_space=False, allow_digits=False)
    markdown.add_render_rule("math_inline", Page.math_inline)
    markdown.add_render_rule("math_block", Page.math_block)
    return markdown


READER = reader()
