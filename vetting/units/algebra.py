r"""Formulas as people type them, read into a small tree of our own and valued at numbers: no text is ever run.

    sum     = product (("+" | "-") product)*
    product = signed (("*" | "/" | nothing) signed)*          nothing: 2ab, n(n+1)
    signed  = ("+" | "-") signed | power
    power   = factorial ("^" signed)?
    atom    = number | name | function argument | "(" sum ")" | "{" sum "}" | \frac{}{} | \binom{}{} | \sqrt{}

What may be read in two ways is refused rather than guessed: 1/2n, f(x), "2 3". Sizes are bounded everywhere, so that
a hostile formula costs no more than an honest one.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

Number = Fraction | float
DEEPEST, LONGEST = 30, 100  # brackets within brackets; tokens of one side
MOST_BITS = 20_000  # of an exact number
LARGEST = 200  # of what a factorial is taken, and of a whole exponent
TOKEN = re.compile(
    r"(?P<number>\d+(?:\.\d+)?)|(?P<command>\\(?:[A-Za-z]+|[,;!: ]))|(?P<letters>[A-Za-z]+|[α-ωΑ-Ω])"
    r"|(?P<sign>\*\*|[-+*/^!(){}\[\]=_·×÷−<>≤≥≠≈≡$])|(?P<space>\s+)|(?P<other>.)",
    re.DOTALL,
)
PLAIN = {"**": "^", "·": "*", "×": "*", "÷": "/", "−": "-", r"\cdot": "*", r"\times": "*", r"\div": "/", "[": "(",
         "]": ")"}  # fmt: skip
SILENT = {r"\left", r"\right", r"\,", r"\;", r"\!", r"\:", "\\ ", "$"}
FRACTIONS = {r"\frac", r"\dfrac", r"\tfrac"}
FUNCTIONS: Mapping[str, Callable[[float], float]] = {
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "exp": math.exp, "ln": math.log, "log": math.log,
    "sqrt": math.sqrt, "abs": abs,
}  # fmt: skip
BINARY: Mapping[str, Callable[[Number, Number], Number]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
}  # fmt: skip
LIKE_FUNCTIONS = set("fghpquvFGHPQTSφψ")  # letters that, before a bracket, may stand for a function
INDICES = set("nkmij")  # letters that, glued to an exponent, may belong to it: x^2n


class UnreadableError(ValueError):
    """Text that is no formula, or one that may be read in two ways."""


class UndefinedError(ArithmeticError):
    """A formula that has no value there, or one too large."""


@dataclass(frozen=True)
class Token:
    """One sign of a text."""

    kind: str  # "number", "command", "letters", "sign", "space" or "other"
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Term:
    """A formula: an operation on its parts; a name or a number has none."""

    operation: str
    parts: tuple[Term, ...] = ()
    name: str = ""
    number: Fraction = Fraction(0)


def tokens(text: str) -> list[Token]:
    return [
        Token(found.lastgroup or "other", found.group(), found.start(), found.end()) for found in TOKEN.finditer(text)
    ]


def names(term: Term) -> frozenset[str]:
    """The variables of a formula."""
    own = {term.name} if term.operation == "name" else set()
    return frozenset(own.union(*(names(part) for part in term.parts)))


def size(term: Term) -> int:
    """How many operations, names and numbers a formula is made of."""
    return 1 + sum(size(part) for part in term.parts)


def substituted(term: Term, given: Mapping[str, Term]) -> Term:
    """The formula with formulas in the place of names."""
    if term.operation == "name":
        return given.get(term.name, term)
    return Term(term.operation, tuple(substituted(part, given) for part in term.parts), term.name, term.number)


# -- reading -------------------------------------------------------------------------------------------


class _Reader:
    """Reads one side of an equation, token by token."""

    def __init__(self, found: Sequence[Token]) -> None:
        self.rest = [token for token in found if token.kind != "space" and token.text not in SILENT]
        self.at, self.depth = 0, 0
        if not self.rest or len(self.rest) > LONGEST:
            raise UnreadableError("empty, or too long")

    @property
    def sign(self) -> str:
        """The sign that comes next, in its plain form; empty at the end."""
        if self.at >= len(self.rest):
            return ""
        text = self.rest[self.at].text
        return PLAIN.get(text, text)

    def take(self, wanted: str) -> None:
        if self.sign != wanted:
            raise UnreadableError(f"{wanted} was expected")
        self.at += 1

    def whole(self) -> Term:
        found = self.sum()
        if self.sign:
            raise UnreadableError(f"{self.sign} was not expected")
        return found

    def sum(self) -> Term:
        found = self.product()
        while (sign := self.sign) in {"+", "-"}:
            self.at += 1
            found = Term(sign, (found, self.product()))
        return found

    def product(self) -> Term:
        found, divided = self.signed(), False
        while True:
            sign = self.sign
            if sign in {"*", "/"}:
                self.at += 1
                found, divided = Term(sign, (found, self.signed())), sign == "/"
            elif self.begins_atom():
                if divided or self.rest[self.at].kind == "number":
                    raise UnreadableError("a product that may be read in two ways")
                found = Term("*", (found, self.power()))
            else:
                return found

    def begins_atom(self) -> bool:
        return bool(self.sign) and (
            self.sign in {"(", "{"} or self.rest[self.at].kind in {"number", "letters", "command"}
        )

    def signed(self) -> Term:
        if self.sign in {"+", "-"}:
            sign = self.sign
            self.at += 1
            self.deeper()
            inner = self.signed()
            self.depth -= 1
            return inner if sign == "+" else Term("negative", (inner,))
        return self.power()

    def power(self) -> Term:
        base = self.factorial()
        if self.sign != "^":
            return base
        self.at += 1
        bare = self.sign not in {"(", "{"}
        exponent = self.exponent()
        after = self.rest[self.at] if self.at < len(self.rest) else None
        if bare and after is not None and after.text in INDICES and after.start == self.rest[self.at - 1].end:
            raise UnreadableError("an exponent that may be read in two ways")
        return Term("^", (base, exponent))

    def exponent(self) -> Term:
        if self.sign in {"+", "-"}:
            return self.signed()
        found = self.atom()
        if self.sign == "^":
            raise UnreadableError("a tower of powers")
        return found

    def factorial(self) -> Term:
        found = self.atom()
        while self.sign == "!":
            self.at += 1
            found = Term("!", (found,))
        return found

    def atom(self) -> Term:
        if not self.sign:
            raise UnreadableError("a formula that breaks off")
        token = self.rest[self.at]
        if self.sign in {"(", "{"}:
            return self.bracket()
        self.at += 1
        if token.kind == "number":
            return Term("number", number=Fraction(token.text))
        name = token.text.removeprefix("\\")
        if token.text in FRACTIONS or token.text == r"\binom":
            return Term("/" if token.text in FRACTIONS else "binom", (self.bracket(), self.bracket()))
        if name in FUNCTIONS:
            return self.function(name)
        if name in {"pi", "π"}:
            return Term("pi")
        if token.kind == "letters" and len(name) == 1:
            return self.variable(name)
        raise UnreadableError(f"{token.text} is not known")

    def bracket(self) -> Term:
        """What stands between two brackets of one kind."""
        closing = {"(": ")", "{": "}"}.get(self.sign)
        if closing is None:
            raise UnreadableError("a bracket was expected")
        self.at += 1
        self.deeper()
        found = self.sum()
        self.depth -= 1
        self.take(closing)
        return found

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise UnreadableError("too deep")

    def function(self, name: str) -> Term:
        """Sin x, sin(x), sin^2 x."""
        raised = None
        if self.sign == "^":
            self.at += 1
            raised = self.exponent()
        if self.sign == "_" or not self.begins_atom():
            raise UnreadableError(f"{name} of what?")
        inner = self.bracket() if self.sign in {"(", "{"} else self.power()
        if self.begins_atom() and self.rest[self.at - 1].text not in {")", "}", "]"}:
            raise UnreadableError("an argument that may be read in two ways")
        found = Term(name, (inner,))
        return Term("^", (found, raised)) if raised is not None else found

    def variable(self, name: str) -> Term:
        if self.sign == "_":
            self.at += 1
            name += "_" + self.index()
        elif self.sign == "(" and name in LIKE_FUNCTIONS:
            raise UnreadableError(f"{name} may be a function")
        return Term("name", name=name)

    def index(self) -> str:
        """What stands below a name, as it is written."""
        if self.sign != "{":
            self.at += 1
            return self.rest[self.at - 1].text if self.at <= len(self.rest) else ""
        begun = self.at
        while self.sign not in {"}", ""}:
            self.at += 1
        self.take("}")
        return "".join(token.text for token in self.rest[begun + 1 : self.at - 1])


def read(found: Sequence[Token]) -> Term:
    """One side of an equation. Raises UnreadableError."""
    return _Reader(found).whole()


# -- valuing -------------------------------------------------------------------------------------------


def value(term: Term, at: Mapping[str, int]) -> Number:
    """What the formula comes to, exactly where it can be. Raises UndefinedError."""
    try:
        found = _value(term, at)
    except (ZeroDivisionError, OverflowError, ValueError, TypeError, RecursionError) as wrong:
        raise UndefinedError(str(wrong)) from wrong
    if isinstance(found, float) and not math.isfinite(found):
        raise UndefinedError("not finite")
    return found


def plain(x: Number) -> float:
    """A number as a float; without bound where it is too large for one."""
    try:
        return float(x)
    except OverflowError:
        return math.copysign(math.inf, x)


def is_sum(term: Term) -> bool:
    """Whether a formula holds nothing but numbers, added, multiplied and raised."""
    return term.operation in {"number", "negative", "+", "-", "*", "/", "^"} and all(map(is_sum, term.parts))


def _value(term: Term, at: Mapping[str, int]) -> Number:
    if term.operation == "number":
        return term.number
    if term.operation == "name":
        return Fraction(at[term.name])
    if term.operation == "pi":
        return math.pi
    return _bounded(_applied(term.operation, [_value(part, at) for part in term.parts]))


def _applied(operation: str, given: list[Number]) -> Number:
    if operation in FUNCTIONS:
        return _function(operation, given[0])
    if operation == "!":
        return Fraction(math.factorial(_small(given[0])))
    if operation == "negative":
        return -given[0]
    a, b = given
    if operation == "binom":
        return Fraction(math.comb(_small(a), _small(b)))
    if operation == "^":
        return _power(a, b)
    combined: Number = BINARY[operation](a, b)
    return combined


def _function(name: str, x: Number) -> Number:
    if name == "sqrt" and isinstance(x, Fraction) and x >= 0:
        top, bottom = math.isqrt(x.numerator), math.isqrt(x.denominator)
        if top**2 == x.numerator and bottom**2 == x.denominator:
            return Fraction(top, bottom)
    if name == "abs":
        return -x if x < 0 else x
    return FUNCTIONS[name](float(x))


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(exponent, Fraction) and exponent.denominator == 1:
        if abs(exponent) > LARGEST or (isinstance(base, Fraction) and _bits(base) * abs(exponent) > MOST_BITS):
            raise UndefinedError("too large")
        raised: Number = base ** int(exponent)
        return raised
    if base <= 0:
        raise UndefinedError("a root of a negative number")
    return math.pow(float(base), float(exponent))


def _small(x: Number) -> int:
    if not isinstance(x, Fraction) or x.denominator != 1 or not 0 <= x <= LARGEST:
        raise UndefinedError("a factorial of this is not taken")
    return int(x)


def _bits(x: Fraction) -> int:
    return x.numerator.bit_length() + x.denominator.bit_length()


def _bounded(x: Number) -> Number:
    if isinstance(x, Fraction) and _bits(x) > MOST_BITS:
        raise UndefinedError("too large")
    return x
