"""A machine looks at equalities in a text: whether what is said to be equal comes to the same at some whole numbers.

It decides nothing. An equality is looked at only where both sides can be read for sure, hold the same variables (what
the text has set, as in n = 2k, put in), and are no condition (if, let, solve …). It is named where the sides differ at
most of the numbers tried; a value or a definition in the text under which they agree clears it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from vetting.units.algebra import (
    FRACTIONS,
    FUNCTIONS,
    SILENT,
    Number,
    Term,
    Token,
    UndefinedError,
    UnreadableError,
    is_sum,
    names,
    plain,
    read,
    size,
    substituted,
    tokens,
    value,
)

MOST_CLAIMS = 80  # of one text
MOST_FAULTS = 8
MOST_TRIES = 12  # values and definitions that may clear a claim
LARGEST = 240  # operations in a formula with all put in
POINTS, LEAST = 8, 4  # numbers tried; at least so many must have a value
CLOSE = 1e-9  # relative
COMMANDS = {*SILENT, *FRACTIONS, r"\binom", r"\cdot", r"\times", r"\div", r"\pi", *(f"\\{name}" for name in FUNCTIONS)}
RELATIONS = {"<", ">", "≤", "≥", "≠", "≈", "≡"}
PAUSES = {",", ";", ":", ".", "?", "(", ")"}  # after these nothing is left over of a formula
SHORT = {"so", "is", "in", "of", "we", "if", "at", "or", "as", "an", "to", "by", "be", "it", "no", "do", "on", "up",
         "and", "for", "the", "all", "any", "are", "has", "let", "get", "set", "put", "odd", "one", "two", "now", "not",
         "but", "can", "mod", "see", "use", "its", "our", "you", "may", "my", "us", "say", "sum"}  # fmt: skip
CONDITIONS = {"if", "suppose", "assume", "assuming", "let", "when", "whenever", "where", "solve", "solving", "equation",
              "equations", "given", "unless", "set", "setting", "put", "with", "satisfies", "satisfy", "satisfying",
              "such", "want", "need", "require", "contradiction", "impossible", "false", "wrong", "not", "cannot",
              "solutions", "solution", "roots", "root", "define", "denote", "case", "either", "or", "until",
              "while", "only"}  # fmt: skip
CONCLUSIONS = {"then", "so", "hence", "thus", "therefore", "thereby", "consequently", "because", "since", "gives"}
LEAN_LEFT = {"of", "minus", "plus", "times", "over", "by", "than", "most", "least", "mod"}  # the formula began earlier
LEAN_RIGHT = {"mod", "modulo", "times", "plus", "minus", "over", "choose", "or", "mm", "cm", "km"}  # and goes on


@dataclass(frozen=True)
class Claim:
    """Two sides of an equality in a text."""

    left: Term
    right: Term
    words: str  # as written
    conditional: bool
    decimals: int  # digits after the point, of whichever side has most


def equalities(text: str) -> list[str]:
    """What seems not to be equal though it is said to be."""
    claims = [claim for _, claim in zip(range(MOST_CLAIMS), claims_of(text), strict=False)]
    given: dict[str, list[Term]] = {}
    for claim in claims:
        if claim.left.operation == "name" and claim.left.name not in names(claim.right):
            given.setdefault(claim.left.name, []).append(claim.right)
    stated = [claim for claim in claims if not claim.conditional and looked_at(claim)]
    return [said for claim in stated if (said := fault(claim, given))][:MOST_FAULTS]


def looked_at(claim: Claim) -> bool:
    """Not what only names a value, and not sums of plain numbers, which are checked by themselves."""
    named = "name" in {claim.left.operation, claim.right.operation}
    return not named and not (is_sum(claim.left) and is_sum(claim.right))


# -- finding them --------------------------------------------------------------------------------------


def claims_of(text: str) -> Iterator[Claim]:
    """Every equality whose two sides can be read."""
    for line in text.splitlines():
        spoken: list[str] = []
        for run, before, after in runs(line, spoken):
            sides, between = split(run)
            tainted = {0} if before else set()
            tainted |= {len(sides) - 1} if after else set()
            for n, relation in enumerate(between):
                if relation == "=" and not tainted & {n, n + 1}:
                    yield from claim(line, sides[n], sides[n + 1], conditional=conditional(spoken))


def runs(line: str, spoken: list[str]) -> Iterator[tuple[list[Token], bool, bool]]:
    """(tokens, began earlier, goes on) of each stretch of formula; `spoken` gathers the words of the sentence."""
    run: list[Token] = []
    leans, in_math = False, False
    found = tokens(line)
    for place, token in enumerate(found):
        if token.text == "$":
            in_math = not in_math
        glued = is_glued(found, place)
        if token.kind == "space" or is_formula(token, in_math=in_math, glued=glued):
            run += letters(token)
            continue
        while run and run[-1].text in {"(", " "}:  # of a remark in brackets
            run.pop()
        if run:
            yield run, leans, breaks_off(token)
        run, leans = [], breaks_on(token)
        note(token, found[place + 1].text if place + 1 < len(found) else "", spoken)
    if run:
        yield run, leans, False


def is_formula(token: Token, *, in_math: bool, glued: bool) -> bool:
    if token.kind == "letters":
        short = len(token.text) == 1 or in_math or (len(token.text) <= 3 and glued and token.text.lower() not in SHORT)
        return token.text in FUNCTIONS or token.text == "pi" or short
    return token.kind in {"number", "sign"} or token.text in COMMANDS


def is_glued(found: Sequence[Token], place: int) -> bool:
    """Whether a formula's sign or number stands right beside a token."""
    beside = [found[n] for n in (place - 1, place + 1) if 0 <= n < len(found)]
    return any(one.kind in {"number", "sign"} and one.text not in {"(", ")", "!", "$"} for one in beside)


def letters(token: Token) -> list[Token]:
    """Letters in a row are a product, unless they name a function."""
    if token.kind != "letters" or token.text in FUNCTIONS or token.text == "pi":
        return [token]
    return [Token("letters", one, token.start + n, token.start + n + 1) for n, one in enumerate(token.text)]


def breaks_off(token: Token) -> bool:
    """Whether the formula before this token seems to go on in a way that cannot be read."""
    if token.kind == "letters":
        return token.text.lower() in LEAN_RIGHT
    return token.text not in PAUSES


def breaks_on(token: Token) -> bool:
    """Whether the formula after this token seems to have begun before it."""
    if token.kind == "letters":
        return token.text.lower() in LEAN_LEFT
    return token.text not in PAUSES


def note(token: Token, following: str, spoken: list[str]) -> None:
    """Words of the sentence so far; a full stop ends it."""
    if token.kind == "letters":
        spoken.append(token.text.lower())
    elif token.text in {".", "?"} and following.strip() == "":
        spoken.clear()


def conditional(spoken: Sequence[str]) -> bool:
    """Whether the words since the last conclusion state a condition."""
    since = max((place for place, word in enumerate(spoken) if word in CONCLUSIONS), default=-1)
    return any(word in CONDITIONS for word in spoken[since + 1 :])


def split(run: Sequence[Token]) -> tuple[list[list[Token]], list[str]]:
    """The sides of a stretch of formula, and the relations between them."""
    sides: list[list[Token]] = [[]]
    between: list[str] = []
    for token in run:
        if token.text == "=" or token.text in RELATIONS:
            between.append(token.text)
            sides.append([])
        else:
            sides[-1].append(token)
    return sides, between


def claim(line: str, left: Sequence[Token], right: Sequence[Token], *, conditional: bool) -> Iterator[Claim]:
    try:
        sides = read(left), read(right)
    except UnreadableError:
        return
    words = line[left[0].start : right[-1].end].replace("$", "").strip()
    digits = [len(token.text.partition(".")[2]) for token in (*left, *right) if token.kind == "number"]
    yield Claim(*sides, words, conditional, max(digits, default=0))


# -- looking at them -----------------------------------------------------------------------------------


def fault(claim: Claim, given: Mapping[str, Sequence[Term]]) -> str:
    """What is wrong with an equality; empty when nothing is, or nothing can be said."""
    settled = {name: terms[0] for name, terms in given.items() if len(set(terms)) == 1}
    written, put_in = (claim.left, claim.right), (fully(claim.left, settled), fully(claim.right, settled))
    for sides in (written, put_in):
        if names(sides[0]) != names(sides[1]) or (sides is put_in and not names(sides[0])):
            continue  # an equation, solved: 2x = 8 after x = 4
        seen = differ(sides[0], sides[1], claim.decimals)
        if seen is None or cleared(claim, given, put_in):
            return ""
        return told(claim, seen, settled if sides is put_in and sides != written else {})
    return ""


def fully(term: Term, settled: Mapping[str, Term]) -> Term:
    """With all that the text has set put in, and what that leans on in turn."""
    for _ in range(2):
        if size(term) * max((size(one) for one in settled.values()), default=1) > LARGEST:
            return term
        term = substituted(term, settled)
    return term


def cleared(claim: Claim, given: Mapping[str, Sequence[Term]], put_in: Sequence[Term]) -> bool:
    """Whether the sides agree under what the text says of a name anywhere."""
    tries = [tuple(put_in)]
    for name, terms in given.items():
        if name in names(claim.left) | names(claim.right):
            tries += [(fully(claim.left, {name: one}), fully(claim.right, {name: one})) for one in terms]
    return any(names(a) == names(b) and differ(a, b, claim.decimals) is None for a, b in tries[:MOST_TRIES])


def differ(left: Term, right: Term, decimals: int) -> tuple[dict[str, int], Number, Number] | None:
    """Numbers at which the sides differ, with both values, if they do at most numbers tried."""
    variables = sorted(names(left) | names(right))
    rng = random.Random(7)
    wrong, tried = [], 0
    for _ in range(POINTS if variables else 1):
        at = dict(zip(variables, rng.sample(range(2, 20 + len(variables)), len(variables)), strict=True))
        try:
            a, b = value(left, at), value(right, at)
        except UndefinedError:
            continue
        tried += 1
        if not alike(a, b, decimals):
            wrong.append((at, a, b))
    enough = LEAST if variables else 1
    return wrong[0] if tried >= enough and len(wrong) > tried / 2 else None


def alike(a: Number, b: Number, decimals: int) -> bool:
    if isinstance(a, Fraction) and isinstance(b, Fraction) and not decimals:
        return a == b
    near = 3 * 10.0**-decimals if decimals else CLOSE
    x, y = plain(a), plain(b)
    return x == y or abs(x - y) <= near * max(1.0, min(abs(x), abs(y)))


def told(claim: Claim, seen: tuple[dict[str, int], Number, Number], settled: Mapping[str, Term]) -> str:
    at, a, b = seen
    where = ", ".join(f"{name} = {x}" for name, x in at.items())
    used = sorted(set(settled) & (names(claim.left) | names(claim.right)))
    known = f" with {', '.join(used)} as set in the text" if used else ""
    example = f"at {where} it is {shown(a)} against {shown(b)}" if where else f"it is {shown(a)} against {shown(b)}"
    return f"{claim.words} does not seem to hold{known}: {example}."


def shown(x: Number) -> str:
    whole = isinstance(x, Fraction) and x.denominator == 1 and abs(x) < 10**9
    return str(x) if whole else f"{plain(x):.6g}"
