"""A model finds in a résumé which words name which skill; nothing it says is taken that does not stand there.

    screen      a résumé that gives orders to its reader is read by the simple rule; doubtful passages are left out
    codes       skills travel under codes drawn anew, so that no text can name the skill it wants
    words       each claim stands on words of the résumé, letter by letter, and the same words on few claims
    level       basic or expert needs words of its own near by; without them a claim is solid

What is left are claims as the simple rule makes them: the applicant puts them right, they choose where questions
begin, and no estimate rests on them (resume.py). Where no model answers, or nothing of its reply can be believed, the
rule's reading stands. `reread` gives the same claims again from the kept call.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from random import Random, SystemRandom
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model
from sqlalchemy import Engine

from item_bank.load import SkillTree
from vetting import store
from vetting.grades.verdicts import draw_codes, found
from vetting.messages import ClaimForm, ResumeForm
from vetting.models import calls, llm
from vetting.models.defuse import plain
from vetting.models.llm import Access, Attempt, ModelFaultError, Question
from vetting.models.prompts import Messages, prompt
from vetting.models.screening import screen, without
from vetting.names import without as without_name
from vetting.records import Json, Resume
from vetting.sittings import resume
from vetting.sittings.resume import LEVELS, LONGEST_LINE, MOST_CLAIMS

SECONDS, DEADLINE = 20.0, 25.0  # of one call, and of all tries: somebody waits
LONGEST_REPLY = 2000  # tokens
MOST_SENT = 20_000  # letters, as far as the screen reads
MOST_OF_ONE = 3  # claims that stand on the same words
NEAR = 300  # letters between a claim's words and those of its level
FEWEST_LETTERS = 2  # of the words of a claim or a level
UNSAID = "solid"  # the level of a claim that says none
CONTACTS = re.compile(r"\S+@\S+|(?:https?://|www\.)\S+|(?<!\w)(?:\+|00?)\d[\d ()/.-]{6,}\d")


@dataclass(frozen=True)
class Tagged:
    """What came of a résumé: the form, if any of the reply could be believed, and all that was tried."""

    form: ResumeForm | None
    attempts: tuple[Attempt, ...] = ()
    about: Json | None = None  # what reading the reply again needs
    why: str = ""  # the rule's reading stands, because


def read_again(engine: Engine, number: int, sitting_id: int, tree: SkillTree, access: Access, now: datetime) -> Tagged:
    """Read an upload on record by a model too. No transaction is open while it is asked.

    What it finds takes the place of the rule's reading, unless the applicant has gone on meanwhile.
    """
    with store.reading(engine) as db:
        access = calls.within_budget(db, access, sitting_id)
        upload = db.get_one(Resume, number)
        text = without_name(upload.text, upload.applicant.name)
    found = tag(text, tree, access)
    with store.writing(engine) as db:
        upload = db.get_one(Resume, number)
        if upload.applicant.erasure is not None:
            return found
        about = {**(found.about or {}), "resume": number, "why": found.why}
        calls.keep(db, found.attempts, purpose=calls.RESUME_READ, now=now, sitting_id=sitting_id, about=about)
        if found.form is not None and upload.applicant.resumes[-1] is upload:
            resume.keep_upload(db, upload.applicant, "", found.form, now)
    return found


# -- asking ----------------------------------------------------------------------------------------


def tag(text: str, tree: SkillTree, access: Access, draw: Random | None = None) -> Tagged:
    """The claims that a model finds. Nothing is raised: what it cannot do, the simple rule has done."""
    if not access.models:
        return Tagged(None, why="no model is set")
    sent = sendable(text)
    if not sent:
        return Tagged(None, why="the text speaks to whoever reads it")
    codes = dict(zip(draw_codes(len(tree.skills), draw or SystemRandom()), tree.skills, strict=True))
    hurried = replace(
        access, seconds=min(access.seconds, SECONDS), deadline=min(access.deadline, DEADLINE),
        longest_reply=LONGEST_REPLY,
    )  # fmt: skip
    try:
        reply = llm.ask(hurried, request(sent, tree, codes))
    except ModelFaultError as wrong:
        return Tagged(None, wrong.attempts, {"codes": codes}, wrong.fault)
    form = reread(reply.text, reply.good.messages, codes)
    return Tagged(form, reply.attempts, {"codes": codes}, "" if form else "nothing in the reply could be believed")


def sendable(text: str) -> str:
    """The text without ways to reach the person and without doubtful passages; empty where it gives plain orders."""
    kept = CONTACTS.sub("…", text)[:MOST_SENT]
    seen = screen([kept])
    return "" if seen.plain else without(kept, seen.doubtful)


def request(sent: str, tree: SkillTree, codes: Mapping[str, str]) -> Question[BaseModel]:
    """What the model is asked; the résumé is data."""
    skills = [
        {"code": code, "name": tree.skills[skill].name, "about": tree.skills[skill].about}
        for code, skill in codes.items()
    ]
    given = {
        "skills": skills, "codes": ", ".join(codes), "longest": LONGEST_LINE, "most": MOST_CLAIMS,
        "most_of_one": MOST_OF_ONE,
    }  # fmt: skip
    return Question(prompt("resume"), given, {calls.RESUME: sent}, form_of(tuple(codes)))


@cache
def form_of(codes: tuple[str, ...]) -> type[BaseModel]:
    """The form of a reply: codes and levels out of lists, and words."""
    strict = ConfigDict(extra="forbid")
    kinds: dict[str, Any] = {
        "skill": (Literal[codes], ...), "words": (str, ...), "level": (Literal[tuple(LEVELS)], ...),
        "level_words": (str, ""),
    }  # fmt: skip
    entry: Any = create_model("Tag", __config__=strict, **kinds)
    return create_model("Tags", __config__=strict, claims=(list[entry], Field(max_length=4 * MOST_CLAIMS)))


# -- reading ---------------------------------------------------------------------------------------


def reread(reply: str, messages: Messages, codes: Mapping[str, str]) -> ResumeForm | None:
    """The claims of a kept reply that stand in the résumé as it was sent; None where none does."""
    parsed, _ = llm.read(reply, form_of(tuple(codes)))
    if parsed is None:
        return None
    told: Any = parsed
    sent, used = calls.block(messages, calls.RESUME), Counter[str]()
    claims: dict[str, ClaimForm] = {}
    for one in told.claims:
        words = standing(one.words, sent)
        if words is None or codes[one.skill] in claims or used[plain(words)] >= MOST_OF_ONE:
            continue
        used[plain(words)] += 1
        level = one.level if said_near(one.level_words, words, sent) else UNSAID
        claims[codes[one.skill]] = ClaimForm(skill=codes[one.skill], level=level, source=words)
    return ResumeForm(claims=list(claims.values())[:MOST_CLAIMS], read_by="model") if claims else None


def standing(words: str, sent: str) -> str | None:
    """The words on one line as they stand in the résumé, unbroken; None where they do not."""
    there = found(words, [sent]) if sum(map(str.isalnum, words)) >= FEWEST_LETTERS else None
    if there is None or plain(there) not in plain(sent) or len(there) > LONGEST_LINE:
        return None
    return " ".join(there.split())


def said_near(level_words: str, words: str, sent: str) -> bool:
    """Whether the words for a level stand in the résumé not far from those of the claim."""
    if standing(level_words, sent) is None:
        return False
    whole, own, other = plain(sent), plain(words), plain(level_words)
    places = [match.start() for match in re.finditer(re.escape(own), whole)]
    return any(other in whole[max(0, at - NEAR) : at + len(own) + NEAR] for at in places)
