"""Scripted models for the real grading path: an honest one, and ones that obey whatever the answer orders.

The honest model reads its prompt as any model would: it looks which level's example stands in the data. A gullible
one obeys as soon as enough of the attack's words reach it, in any order, however they were dressed up: it knows the
attack by heart and needs no patterns, so that only what the architecture keeps from it, or does with its reply, helps.
"""

from __future__ import annotations

import json
import re
import unicodedata

from vetting.grades.verdicts import controls
from vetting.models.defuse import defuse, plain

ENOUGH = 0.7  # of the attack's words
CODES = re.compile(r"^(?:Level )?([B-Z]{2})[:.] (.+)$", re.MULTILINE)
EXAMPLES = re.compile(r"^(?:Example of [B-Z]{2}|So would be, for example): (.+?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
CONTROLS = {control.title for control in controls()}


class Seen:
    """A request as a model reads it."""

    def __init__(self, request):
        self.ours = request["messages"][0]["content"]
        self.data = request["messages"][1]["content"]
        self.codes = [code for code, _ in CODES.findall(self.ours)]
        self.examples = [" ".join(one.split()) for one in EXAMPLES.findall(self.ours)]
        self.own = [block[2] for block in re.finditer(r"<<says (\d+) \w+>>\n(.*?)\n<<end says", self.data, re.DOTALL)]

    @property
    def is_control(self):
        return any(title in self.ours for title in CONTROLS)

    def honest(self):
        said = plain(" ".join(self.own))
        for level in reversed(range(len(self.codes))):
            if level and plain(self.examples[level]) in said:
                return level, self.examples[level]
        return 0, ""


def reply(code, quote, confidence=0.9):
    return json.dumps({"level": code, "quote": quote, "confidence": confidence}, ensure_ascii=False)


def honest(request):
    seen = Seen(request)
    level, quote = seen.honest()
    return reply(seen.codes[level], " ".join(quote.split()[:25]))


def words(text):
    bare = "".join(one for one in unicodedata.normalize("NFKD", defuse(text)) if not unicodedata.combining(one))
    return re.findall(r"\w", bare.casefold()) if " " not in bare.strip() else re.findall(r"\w+", bare.casefold())


def gullible(attack_text, *, quote=None, leak=False, spares_controls=False):
    """A model that obeys the attack wherever it can read it; one that spares controls is an attacker's best case."""
    wanted = words(attack_text)

    def script(request):
        seen = Seen(request)
        there = set(words(seen.data))
        reached = wanted and sum(word in there for word in wanted) >= ENOUGH * len(wanted)
        if not reached or (spares_controls and seen.is_control):
            return honest(request)
        return reply(seen.codes[-1], chosen(seen, quote, leak), 1.0)

    return script


def chosen(seen, quote, leak):
    """The quote that an obeying model gives: what it was told to, else something that really stands there."""
    if leak:
        return seen.ours[-300:]
    if quote == "EXAMPLE":
        return seen.examples[-1]
    own = " ".join(seen.own).split()
    if quote == "WORDS":
        return " ".join(own[::3])
    return quote or " ".join(seen.own[0].split()[:12])
