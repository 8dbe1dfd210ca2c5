"""Open answers graded by a panel of models: each criterion apart, blind, and never against an answer's own orders.

    screen      words that speak to the grader: plain ones go to people, doubtful ones are graded with and without
    control     each rater is first asked about something the answer cannot speak of; whoever finds it there obeys the
                answer or is pleased by anything, and nobody's verdict on that answer counts
    verdict     a code drawn for this question alone, and a quote that stands in the applicant's own words
    reserve     where no rater of the panel gave a believable verdict, one other (model, prompt) is tried, then people

`settle` derives grades and referrals from what was heard and nothing else, so kept replies give the old verdicts again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from random import Random, SystemRandom

from item_bank.probe import Probe
from vetting.grades import offline_rater
from vetting.grades.verdicts import (
    Rubric,
    Said,
    UnbelievableError,
    Verdict,
    controls,
    draw_codes,
    question,
    rubric_of,
    verdict,
)
from vetting.models.llm import Access, Attempt, ModelFaultError, ask, left_of
from vetting.models.prompts import CANARY, Prompt, prompt
from vetting.models.screening import Screening, says_nothing, screen, without
from vetting.panel import NO_MODEL, disputed
from vetting.settings import Settings

OFFLINE = "offline"  # among raters: the one that counts words
PROMPTS = ("grade", "grade-by-evidence")
NOTHING_SAID = "key:nothing-said"
LONGEST_REPLY = 400  # tokens
AT_ONCE = 8  # calls of one answer
UNSURE = 0.4  # a rater's confidence below this is no verdict to rely on alone
SHOWN = 120  # characters of a passage that a referral shows


@dataclass(frozen=True)
class Rater:
    """A model with a prompt; another wording of the prompt is another rater."""

    model: str  # as Access has it, with the address of a server of one's own
    prompt: Prompt

    @property
    def id(self) -> str:
        return f"model:{self.model.partition('@')[0]}@{self.prompt.version}"


@dataclass(frozen=True)
class Panel:
    """Who grades, and who steps in."""

    access: Access
    raters: tuple[Rater, ...] = ()
    reserve: tuple[Rater, ...] = ()
    offline: bool = False  # the rater that counts words grades too


def panel_of(settings: Settings) -> Panel:
    """The operator's raters; every other pairing of their models and prompts is in reserve."""
    names = [name for name in settings.raters or settings.models if name != OFFLINE]
    return panel(settings.access, names, offline=settings.offline_rater or OFFLINE in settings.raters)


def panel(access: Access, names: Sequence[str], *, offline: bool = False) -> Panel:
    """Raters named MODEL or MODEL#PROMPT."""
    raters = tuple(dict.fromkeys(rater(name) for name in names))
    models = dict.fromkeys([*(one.model for one in raters), *access.models])
    pairs = [Rater(model, prompt(name)) for name in PROMPTS for model in models]
    reserve = tuple(one for one in pairs if one not in raters)
    return Panel(replace(access, longest_reply=LONGEST_REPLY), raters, reserve, offline)


def rater(name: str) -> Rater:
    model, _, wording = name.partition("#")
    return Rater(model, prompt(wording or PROMPTS[0]))


@dataclass(frozen=True)
class Hearing:
    """One rater on one criterion: every attempt, and the verdict or why there is none."""

    rater: str
    criterion: str
    codes: tuple[str, ...]
    attempts: tuple[Attempt, ...] = ()
    verdict: Verdict | None = None
    why: str = ""
    doubtful: bool = False  # the answer has doubtful passages, so it is heard with and without
    stripped: bool = False  # heard without them

    @property
    def is_control(self) -> bool:
        return self.criterion.startswith("control-")


@dataclass(frozen=True)
class Graded:
    """A verdict that counts as its rater's."""

    criterion: str
    rater: str
    verdict: Verdict
    hearing: Hearing | None = None  # None: no model was asked


@dataclass(frozen=True)
class Referred:
    """What people must grade, and why."""

    criterion: str
    why: str
    rater: str = "panel"


@dataclass(frozen=True)
class Judged:
    """All that grading one answer gave."""

    grades: tuple[Graded, ...]
    referrals: tuple[Referred, ...]
    hearings: tuple[Hearing, ...] = ()

    @property
    def attempts(self) -> list[Attempt]:
        return [attempt for hearing in self.hearings for attempt in hearing.attempts]


# -- grading one answer ----------------------------------------------------------------------------


def grade(probe: Probe, turns: Sequence[Said], by: Panel, draw: Random | None = None) -> Judged:
    """Every criterion of the probe, by the panel. Nothing is raised: what models cannot do goes to people."""
    rubrics = [rubric_of(probe, criterion) for criterion in probe.criteria]
    names = [rubric.id for rubric in rubrics]
    if says_nothing(turn.text for turn in turns if turn.who == "says"):
        nothing = Verdict(0, "", 1.0)
        return Judged(tuple(Graded(name, NOTHING_SAID, nothing) for name in names), ())
    seen = screen(turn.text for turn in turns)
    if seen.plain:
        why = f"the answer speaks to whoever grades it: “{seen.plain[0].strip()[:SHOWN]}”"
        return Judged((), tuple(Referred(name, why) for name in names))
    counted = [Graded(one.id, offline_rater.RATER, offline_rater.rate(turns, one)) for one in rubrics if by.offline]
    if not by.raters:
        return Judged(tuple(counted), tuple(Referred(name, NO_MODEL) for name in names))
    judged = settle(names, _Session(by, turns, seen, draw or SystemRandom()).hear(rubrics))
    return replace(judged, grades=(*judged.grades, *counted))


@dataclass(frozen=True)
class _Session:
    """The calls of one answer."""

    panel: Panel
    turns: Sequence[Said]
    seen: Screening
    draw: Random

    def hear(self, rubrics: Sequence[Rubric]) -> list[Hearing]:
        """The panel on all criteria, then the reserve on those that nobody could be believed about."""
        heard = self.round(self.panel.raters, rubrics, self.panel.access)
        lacking = [one for one in rubrics if not settle([one.id], heard).grades]
        if lacking and self.panel.reserve and not tripped(heard):
            left = left_of(self.panel.access, [attempt for one in heard for attempt in one.attempts])
            heard += self.round([self.other(heard)], lacking, left)
        return heard

    def other(self, heard: Sequence[Hearing]) -> Rater:
        """Who steps in: first one whose model has not just failed."""
        failed = {attempt.model for one in heard for attempt in one.attempts if attempt.fault}
        return min(self.panel.reserve, key=lambda one: one.model.partition("@")[0] in failed)

    def round(self, raters: Sequence[Rater], rubrics: Sequence[Rubric], access: Access) -> list[Hearing]:
        """Controls first; a rater whose control failed is asked no more, and one who obeys ends the round."""
        ways = (False, True) if self.seen.doubtful and not self.empty else (False,)
        calls = len(raters) * (1 + len(ways) * len(rubrics))
        access = access.spending(None if access.money is None else access.money / calls)
        control = self.draw.choice(controls())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            first = list(pool.map(lambda one: self.one(one, control, access), raters))
            if tripped(first):
                return first
            able = [one for one, heard in zip(raters, first, strict=True) if heard.verdict is not None]
            jobs = list(product(able, rubrics, ways))
            return [*first, *pool.map(lambda job: self.one(job[0], job[1], access, stripped=job[2]), jobs)]

    def one(self, by: Rater, rubric: Rubric, access: Access, *, stripped: bool = False) -> Hearing:
        """One question to one rater, read as anybody's reply would be."""
        codes = draw_codes(len(rubric.levels), self.draw)
        blank = Hearing(by.id, rubric.id, codes, doubtful=bool(self.seen.doubtful), stripped=stripped)
        try:
            reply = ask(
                access.only(by.model), question(by.prompt, rubric, self.bare if stripped else self.turns, codes)
            )
        except ModelFaultError as wrong:
            return replace(blank, attempts=wrong.attempts, why=wrong.fault)
        return reread(replace(blank, attempts=reply.attempts))

    @cached_property
    def bare(self) -> list[Said]:
        """The turns without their doubtful passages."""
        return [replace(turn, text=without(turn.text, self.seen.doubtful)) for turn in self.turns]

    @property
    def empty(self) -> bool:
        """Whether nothing is left without them."""
        return says_nothing(turn.text for turn in self.bare if turn.who == "says")


def reread(heard: Hearing) -> Hearing:
    """The hearing with what its last reply says, and nothing besides the kept reply."""
    last = heard.attempts[-1]
    if last.fault:
        return replace(heard, why=last.fault)
    try:
        return replace(heard, verdict=verdict(last.reply, heard.codes, last.messages, is_control=heard.is_control))
    except UnbelievableError as wrong:
        return replace(heard, why=str(wrong))


# -- what follows from what was heard --------------------------------------------------------------


def tripped(hearings: Iterable[Hearing]) -> bool:
    """Whether a rater found in the answer what cannot be there, or said what no reply may hold."""
    return any(
        (one.is_control and one.verdict is not None and one.verdict.level > 0)
        or any(CANARY in attempt.reply for attempt in one.attempts)
        for one in hearings
    )


def settle(criteria: Sequence[str], hearings: Sequence[Hearing]) -> Judged:
    """Grades and referrals, from the hearings alone."""
    hearings = tuple(hearings)
    if tripped(hearings):
        why = "a rater found in the answer what it cannot hold: it may obey the answer instead of grading it"
        return Judged((), tuple(Referred(name, why) for name in criteria), hearings)
    grades: list[Graded] = []
    referrals: list[Referred] = []
    for name in criteria:
        mine = [one for one in hearings if one.criterion == name]
        pairs = list(with_and_without(mine))
        given = [Graded(name, one.rater, one.verdict, one) for one, _ in pairs if one.verdict is not None]
        grades += given
        referrals += [Referred(name, why) for why in doubts(given, pairs, mine, hearings)]
    return Judged(tuple(grades), tuple(referrals), hearings)


def with_and_without(mine: Sequence[Hearing]) -> Iterator[tuple[Hearing, bool]]:
    """(the hearing that counts, whether doubtful passages made a difference) of each rater."""
    for name in dict.fromkeys(one.rater for one in mine):
        whole, *bare = sorted((one for one in mine if one.rater == name), key=lambda one: one.stripped)
        if not whole.doubtful or (bare and same(whole, bare[0])):
            yield whole, False
        else:
            yield (bare[0] if bare else replace(whole, verdict=None)), True


def same(one: Hearing, two: Hearing) -> bool:
    return one.verdict is not None and two.verdict is not None and one.verdict.level == two.verdict.level


def doubts(
    given: Sequence[Graded], pairs: Sequence[tuple[Hearing, bool]], mine: Sequence[Hearing], hearings: Sequence[Hearing]
) -> Iterator[str]:
    """Why people should look at a criterion."""
    if any(differs for _, differs in pairs):
        yield "with and without a doubtful passage the verdicts differ"
    if not given:
        reasons = dict.fromkeys(one.why for one in [*mine, *(h for h in hearings if h.is_control)] if one.why)
        yield "no believable verdict: " + ("; ".join(reasons) or "no rater could be asked")
    elif max(one.verdict.confidence for one in given) < UNSURE:
        yield "no rater is sure"
    if disputed([one.verdict.level for one in given]):
        yield "raters lie too far apart: " + ", ".join(str(one.verdict.level) for one in given)
