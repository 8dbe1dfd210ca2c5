"""What applicants tell of their experience: read from a file, corrected by them, and turned into claims.

A claim is a hypothesis. As evidence it weighs next to nothing (`evidence.claimed`); but it says where to look first.
`aimed` moves the point around which questions are chosen, and neither estimate nor interval, by

    μ' = μ + S_d (y - μ_d) / (S_dd + AIM_SD²)        for a claim that skill d stands at y

so a claim about a skill that the answers already know moves nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from unicodedata import category

from sqlalchemy.orm import Session

from irt.belief import Belief
from item_bank.load import SkillTree
from vetting.evidence import claims_of
from vetting.messages import ClaimForm, ResumeForm
from vetting.names import without
from vetting.records import Applicant, Claim, Resume, Sitting
from vetting.scale import Scale

AIM_SD = 1.0  # how far from what is claimed to look, in population sds: as much as people differ
LEVELS = {"basic": -0.5, "solid": 0.5, "expert": 1.5}  # what a word claims, in population sds
LARGEST, MOST_LETTERS = 5_000_000, 40_000  # bytes of a file, letters kept
TOO_LARGE = f"The file is larger than {LARGEST // 1_000_000} MB. Maybe save it without pictures, or type the text."
ANEW = "Maybe save it anew as pdf, or type the text."
READER, SECONDS = Path(__file__).with_name("reading.py"), 20.0  # of the clock; of the processor it has fewer
NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # letters of files that are no text
MOST_CLAIMS, LONGEST_LINE = 12, 200
EXPERT = re.compile(
    r"\b(expert|senior|lead|principal|ph\.?d|doctor|native|fluent|c2|c1|professor|years)\b", re.IGNORECASE
)
BASIC = re.compile(r"\b(basic|beginner|some|elementary|a1|a2|school|introductory)\b", re.IGNORECASE)
NAMES = {  # words that name a skill of the shipped tree besides its own name
    "numpy": "computing.python", "pandas": "computing.data_analysis", "sql": "computing.data_analysis",
    "statistics": "stats.inference", "lawyer": "society.law", "attorney": "society.law", "journalist":
    "humanities.journalism", "editor": "humanities.journalism", "economist": "society.economics",
    "physicist": "science.physics", "chemist": "science.chemistry", "biologist": "science.biology",
    "theorem": "math.proof", "deutsch": "language.german", "español": "language.spanish",
}  # fmt: skip


class UnreadableFileError(ValueError):
    """The file cannot be read; the message says why and what to do."""


# -- reading a file --------------------------------------------------------------------------------


def read_file(name: str, content: bytes) -> str:
    """The text of a résumé: pdf, docx or plain text, by its content rather than its name; typed text has no name."""
    if not content and not name:
        raise UnreadableFileError("Nothing was sent. Maybe choose a file or type the text, or go on without.")
    if not content:
        raise UnreadableFileError("The file is empty. Maybe choose it again.")
    if len(content) > LARGEST:
        raise UnreadableFileError(TOO_LARGE)
    if not name:
        text = content.decode()
    elif b"%PDF-" in content[:1024] or content[:4] == b"PK\x03\x04":
        text = apart(name, content)
    else:
        text = plain(content)
    text = "".join(letter for letter in text if letter in "\t\n\r" or category(letter) not in {"Cc", "Cs"})
    tidy = "\n".join(line for raw in text.splitlines() if (line := " ".join(raw.split())))
    if not tidy:
        raise UnreadableFileError("The file holds no text, maybe only pictures of it. Maybe type the text instead.")
    return tidy[:MOST_LETTERS]


def apart(name: str, content: bytes, seconds: float = SECONDS) -> str:
    """A pdf or docx, read in a process of its own (reading.py) that is given up where it takes too long."""
    kept = re.sub(r"[^\w. -]", "", re.split(r"[\\/]", name)[-1])[:60] or "The file"
    command = [sys.executable, "-I", str(READER)]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=seconds, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as wrong:
        raise UnreadableFileError(f"{kept} takes too long to read. {ANEW}") from wrong
    if done.returncode:
        raise UnreadableFileError(f"{kept} takes too much to read. {ANEW}")
    said: dict[str, str] = json.loads(done.stdout)
    if "text" not in said:
        raise UnreadableFileError(said["wrong"] or f"{kept} cannot be read. {ANEW}")
    return said["text"]


def plain(content: bytes) -> str:
    """Text as the usual programs save it; what holds letters that no text has is another kind of file."""
    kinds = ["utf-16"] if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else ["utf-8-sig", "cp1252"]
    for kind in kinds:
        with suppress(UnicodeDecodeError):
            text = content.decode(kind)
            if not NO_TEXT.search(text) and not text.startswith("{\\rtf"):
                return text
    raise UnreadableFileError("The file is not pdf, docx or plain text. Maybe save it as pdf, or type the text.")


# -- what it claims --------------------------------------------------------------------------------


def parse(text: str, tree: SkillTree) -> ResumeForm:
    """Skills that a line names, by simple rules; the applicant corrects what they get wrong."""
    found: dict[str, ClaimForm] = {}
    for line in text.splitlines():
        for skill in named(line, tree):
            claim = ClaimForm(skill=skill, level=level_of(line), source=line[:LONGEST_LINE])
            if skill not in found or LEVELS[claim.level] > LEVELS[found[skill].level]:
                found[skill] = claim
    return ResumeForm(claims=list(found.values())[:MOST_CLAIMS])


def named(line: str, tree: SkillTree) -> Iterator[str]:
    words = set(re.findall(r"[^\W\d_]+", line.casefold()))
    for key, skill in tree.skills.items():
        if set(skill.name.casefold().split()) <= words:
            yield key
    yield from (key for name, key in NAMES.items() if name in words and key in tree.skills)


def level_of(line: str) -> str:
    return "expert" if EXPERT.search(line) else "basic" if BASIC.search(line) else "solid"


def keep_upload(db: Session, applicant: Applicant, text: str, form: ResumeForm, now: datetime) -> Resume:
    """The text as it was read, and what the rules made of it; nothing of it is used before it is confirmed."""
    kept = Resume(at=now, applicant=applicant, by="upload", text=text, fields=form.model_dump(mode="json"))
    db.add(kept)
    db.flush()
    return kept


def confirm(db: Session, applicant: Applicant, form: ResumeForm, now: datetime) -> Resume:
    """What the applicant says is right; its claims are the ones that count, in place of all earlier ones."""
    kept = Resume(at=now, applicant=applicant, by="applicant", text="", fields=form.model_dump(mode="json"))
    kept.claims += [
        Claim(at=now, skill=one.skill, level=LEVELS[one.level], source=one.source) for one in form.claims
    ]  # fmt: skip
    db.add(kept)
    db.flush()
    return kept


def forget(applicant: Applicant) -> None:
    """Empty what names a person: the texts, and the words that claims were read from."""
    for one in applicant.resumes:
        one.text, one.fields = "", {}
        for claim in one.claims:
            claim.source = ""


def nearest(level: float) -> str:
    """The word for a level, or for what is nearest to it."""
    return min(LEVELS, key=lambda word: abs(LEVELS[word] - level))


# -- what claims are good for ----------------------------------------------------------------------


def aimed(belief: Belief, claimed: Iterable[Claim], scale: Scale) -> Belief:
    """The belief around which questions are chosen: the mean moves a little, what is still to learn does not."""
    mean, cov = belief.mean, belief.cov
    for claim in claimed:
        if claim.skill in scale.skills.position:
            d = scale.skills.position[claim.skill]
            gain = cov[:, d] / (cov[d, d] + AIM_SD**2)
            mean, cov = mean + gain * (claim.level - mean[d]), cov - gain[:, None] * cov[d]
    return replace(belief, mean=mean)


def told(sitting: Sitting) -> str:
    """The corrected claims in plain lines, without the person's name; empty where there are none."""
    who = sitting.applicant
    return "\n".join(f"{claim.skill}: {without(claim.source, who.name)}" for claim in claims_of(who))
