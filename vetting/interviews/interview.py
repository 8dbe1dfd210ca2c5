"""One interview: a probe's opening, further questions and facts, one at a time, until the engine closes it.

The conversation is its turns, which are facts; where it stands is derived from them. So whatever dies between two
turns, the next request meets the same question, or chooses the same one again: the choice reads no clock. What was
said is kept before anything else is done with it. Grades come later, from people and models (see panel.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from item_bank.load import Bank
from item_bank.probe import Fact, FollowUp, Probe
from item_bank.schema import UnreadableResponseError
from vetting import scale as scales
from vetting.interviews import moments
from vetting.records import Answer, Ending, Grade, Invitation, Json, Question, Sitting, Turn
from vetting.sittings import choice, probing, sitting
from vetting.sittings.probing import Further

MOST_TURNS = 8  # things said in one interview
OVERTIME = 1.5  # times a probe's minutes, after which nothing further is asked
NOTHING = "I have nothing on that. Make an assumption, say what it is, and go on."
LATER = ("by", "not a model", "not the model's words")  # reasons that came after the choice: what models did
ACTS = ("answer", "ask", "done", "skip")
FEWEST_SHARED = 2  # words that a question must share with a fact to reach it, where it has so many
SHORT_WORDS = 4  # letters below which a word says nothing about a matter


@dataclass(frozen=True)
class Move:
    """What the engine says next, in the bank's own words."""

    kind: str  # "opening", "follow_up" or "fact"
    id: str
    criterion: str
    text: str
    why: Json
    proposed: bool = False  # by a model: then the words are the model's as well


# -- where it stands -------------------------------------------------------------------------------


def waiting(question: Question) -> Turn | None:
    """What was asked last, if nothing has been said to it yet."""
    last = question.turns[-1] if question.turns else None
    return last if last is not None and last.who == "asks" else None


def current(question: Question) -> Turn | None:
    """The question that stands: a fact that was told leaves the one before it open."""
    asked = [turn for turn in question.turns if turn.who == "asks" and turn.move["kind"] != "fact"]
    return asked[-1] if asked else None


def told(question: Question) -> set[str]:
    """Facts that were told."""
    return {turn.move["id"] for turn in question.turns if turn.move.get("kind") == "fact"} - {""}


# -- what next -------------------------------------------------------------------------------------


def next_move(question: Question, bank: Bank) -> Move | None:
    """What to say next, from the record alone; None: the interview is over. Only where nothing waits."""
    probe = bank.probes[question.item_id]
    if not question.turns:
        return Move("opening", "opening", "", probe.opening, {})
    last = question.turns[-1]
    if last.move["act"] in {"done", "skip"}:
        return None
    asks = last.move["act"] == "ask"
    fact = reached(probe, told(question), last.text, whole=asks and "?" not in last.text)
    if asks or fact is not None:
        return tell(fact)
    seen = outlook(question, bank)
    return seen.move if seen is not None else None


def tell(fact: Fact | None) -> Move:
    """A fact in the bank's own words; None: there is none such."""
    return Move("fact", fact.id if fact else "", "", fact.says if fact else NOTHING, {"asked": True})


@dataclass(frozen=True, eq=False)
class Outlook:
    """What may be asked further, best first, and what it competes with, by value of a minute."""

    found: list[Further]
    proposable: float  # of the best that a model could propose
    instead: float  # of the best item or probe that could come instead
    price: float  # below which no minute is spent

    @property
    def move(self) -> Move | None:
        """The most valuable further question, if it is worth more than anything else that could come."""
        if not self.found or not self.beats_all(self.found[0].rate):
            return None
        best, asks = self.found[0], self.found[0].follow_up
        why: Json = {"gain": best.gain, "minutes": best.minutes, "instead": self.instead}
        if best.leads:
            why["leads"] = best.leads
        if best.proposed:
            why["apart"] = list(asks.apart)
        return Move("follow_up", asks.id, asks.criterion, asks.asks, why, best.proposed)

    @property
    def open_to_proposals(self) -> bool:
        """Whether a proposal could come to be asked."""
        return self.proposable > max((one.rate for one in self.found), default=0.0) and self.beats_all(self.proposable)

    def beats_all(self, rate: float) -> bool:
        return rate > 0 and rate >= max(self.price, self.instead)


def outlook(question: Question, bank: Bank) -> Outlook | None:
    """What may be asked further; None: this interview has had its turns or its minutes."""
    sitting, probe = question.sitting, bank.probes[question.item_id]
    said = sum(turn.who == "says" for turn in question.turns)
    minutes = probing.thinking(question) / 60
    if said >= MOST_TURNS or minutes >= OVERTIME * probe.minutes * sitting.extra_time:
        return None
    scale = scales.of(sitting.calibration)
    state = choice.look(sitting, scale, bank)
    running = probing.talk(question, probe, told(question), state.pace, scale)
    found = probing.further(running, state.belief, state.aim, proposals(question))
    proposable = probing.best_proposable(running, state.belief, state.aim)
    state = replace(state, belief=probing.so_far(question, state.belief, scale))
    instead = max(choice.options(sitting, state, scale, bank).rates(), default=0.0)
    return Outlook(found, proposable, instead, 0.0 if state.room.left > 0 else sitting.aim["price"])


def proposals(question: Question) -> list[FollowUp]:
    """What a model proposed to ask after what was said last, as far as it passed its checks then."""
    last = question.turns[-1].number if question.turns else 0
    return [
        FollowUp.model_validate({field: one[field] for field in ("id", "asks", "criterion", "apart")})
        for row in question.proposals
        if row.after == last
        for one in row.body["questions"]
        if not one["faults"]
    ]


def replay(question: Question, bank: Bank) -> Iterator[tuple[Turn, Move | None]]:
    """Everything asked with what the record before it leads to today: the same to the bit, if nothing was touched."""
    for turn in question.turns:
        if turn.who == "asks":
            move = next_move(moments.before(turn), bank)
            yield turn, as_matched(move, turn, bank.probes[question.item_id]) if move is not None else None


def as_matched(move: Move, turn: Turn, probe: Probe) -> Move:
    """A move as chosen again, with what models did then; which fact one found asked for is kept with its call."""
    said = {key: why for key, why in turn.move["why"].items() if key in LATER}
    if move.kind == "fact" and said.get("by") == "model":
        move = tell(next((fact for fact in probe.facts if fact.id == turn.move["id"]), None))
    return replace(move, why=move.why | said)


def reached(probe: Probe, known: set[str], text: str, *, whole: bool = False) -> Fact | None:
    """The fact that a question in the text asks for: the one it shares most words with; None where there is none.

    Words are compared by their first letters, those of the fact's `when` and of the fact itself. A question must
    share two of them, or all it has. With `whole`, all of the text asks.
    """
    asked = stems(text if whole else " ".join(re.findall(r"[^.!?\n]*\?", text)))
    scores = [
        (len(asked & stems(f"{fact.when} {fact.says}")), -place, fact)
        for place, fact in enumerate(probe.facts)
        if fact.id not in known
    ]
    shared, _, fact = max(scores, default=(0, 0, None), key=lambda score: score[:2])
    return fact if shared >= min(FEWEST_SHARED, max(len(asked), 1)) else None


def stems(text: str) -> set[str]:
    """The beginnings of the words that say something."""
    return {word[:5] for word in re.findall(r"[^\W_]+", text.casefold()) if len(word) >= SHORT_WORDS} - EMPTY_WORDS


SAY_NOTHING = (
    "asks what which whom whose when where does have many much there this that these those with about from they them "
    "would could should will shall your please tell know some more than then into each only also"
)
EMPTY_WORDS = {word[:5] for word in SAY_NOTHING.split()}


# -- what happens ----------------------------------------------------------------------------------


def ask(db: Session, question: Question, move: Move, text: str, *, wording: str, now: datetime) -> Turn:
    """Keep what is asked, as it is shown. If somebody else was first, theirs stands: one question at a time."""
    if (standing := waiting(question)) is not None:
        return standing
    turn = Turn(
        at=now, question=question, number=len(question.turns) + 1, who="asks", text=text,
        move={"kind": move.kind, "id": move.id, "criterion": move.criterion, "why": move.why, "wording": wording}
        | ({"proposed": True} if move.proposed else {}),
    )  # fmt: skip
    db.add(turn)
    db.flush()
    return turn


def say(
    db: Session, question: Question, text: str, *, act: str, to: int, request_id: str, now: datetime
) -> Turn | None:
    """Keep what was said to turn `to`. The same request, or one to an older turn, changes nothing."""
    if act not in ACTS:
        raise UnreadableResponseError(f"text: {act!r} is nothing one can do here.")
    standing = waiting(question)
    if question.answer is not None or standing is None or standing.number != to:
        return None
    if db.scalar(select(Turn.id).where(Turn.request_id == request_id)) is not None:
        return None
    if act in {"answer", "ask"} and not text.strip():
        raise UnreadableResponseError("text: nothing was filled in.")
    turn = Turn(
        at=now, question=question, number=standing.number + 1, who="says", text=text.strip(), move={"act": act},
        request_id=request_id,
    )  # fmt: skip
    db.add(turn)
    db.flush()
    return turn


def close(db: Session, question: Question, bank: Bank, now: datetime) -> Answer:
    """The interview is over: an answer that waits for its grades. Where nothing was said, it counts as not solved."""
    if question.answer is not None:
        return question.answer
    said = [turn for turn in question.turns if turn.who == "says" and turn.text]
    answer = Answer(
        at=now, question=question, request_id=f"{question.id}-closed",
        response={"turns": [str(turn.number) for turn in said]}, seconds=probing.thinking(question),
    )  # fmt: skip
    if not said:
        answer.grades += [
            Grade(at=now, rater="key", criterion=one.id, level=0, because="skipped")
            for one in bank.probes[question.item_id].criteria
        ]
    db.add(answer)
    db.flush()
    return answer


def leave(db: Session, seat: Sitting, bank: Bank, now: datetime) -> Ending:
    """The applicant ends the test. A conversation counts as far as it went; a question not answered does not."""
    question = sitting.open_question(seat)
    if question is not None and is_interview(question, bank) and any(turn.who == "says" for turn in question.turns):
        close(db, question, bank, now)
    sitting.pause(db, seat, away=False, now=now)
    return sitting.end(db, seat, sitting.WISH, now)


def close_left(db: Session, bank: Bank, now: datetime) -> int:
    """Close conversations that were begun and whose link has run out, so that what was said is graded; how many."""
    begun = select(Question).join(Question.sitting).join(Sitting.invitation).where(
        Invitation.expires <= now, Question.item_id.in_(list(bank.probes)), ~Question.answer.has(),
        Question.turns.any(Turn.who == "says"), ~Sitting.ending.has(),  # whoever asked to be forgotten is let be
    )  # fmt: skip
    left = db.scalars(begun.order_by(Question.id)).all()
    for question in left:
        close(db, question, bank, now)
    return len(left)


def step(db: Session, question: Question, bank: Bank, now: datetime) -> Turn | Move | None:
    """What stands now: a turn that waits, a move that is to be put into words, or None once it is closed."""
    if question.answer is not None:
        return None
    if (standing := waiting(question)) is not None:
        return standing
    move = next_move(question, bank)
    if move is None:
        close(db, question, bank, now)
    return move


def is_interview(question: Question, bank: Bank) -> bool:
    return question.item_id in bank.probes


def of(sitting: Sitting, bank: Bank) -> list[Question]:
    """Interviews of a sitting."""
    return [question for question in sitting.questions if is_interview(question, bank)]
