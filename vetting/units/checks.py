"""What a machine can notice about a submission: its form, the numbering of its steps, its arithmetic and algebra.

A check names faults for the maker and the reviewers to look at. None decides whether work is valid: no verdict and no
score depends on one. Further checks are functions text -> faults, registered as entry points of the group
`assay.checks`.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from importlib.metadata import entry_points
from itertools import pairwise

from vetting.scope import QueueForm
from vetting.units.equalities import equalities

Check = Callable[[str], list[str]]
LONGEST = 50_000  # characters
MOST_FAULTS = 8  # told of one kind
LARGEST_POWER, LARGEST_NUMBER = 64, 10**18
STEP = re.compile(r"^\s*(?:step\s+)?(\d{1,3})\s*[.):]\s+", re.IGNORECASE | re.MULTILINE)
SIDE = r"[\d.()+\-*/^×·÷− \t]*\d[\d.()+\-*/^×·÷− \t]*"
SUM = re.compile(f"{SIDE}(?:={SIDE})+")
WORDS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-"})
OPERATORS: Mapping[type[ast.AST], Callable[..., Fraction]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.UAdd: operator.pos, ast.USub: operator.neg,
}  # fmt: skip


class NotArithmeticError(ValueError):
    """Text that only looks like a sum."""


def form(text: str) -> list[str]:
    """Something is there, not too long, and every bracket and formula that opens is closed."""
    if not text.strip():
        return ["Nothing is written."]
    faults = [f"It is longer than {LONGEST:,} characters."] if len(text) > LONGEST else []
    if text.count("$") % 2:
        faults.append("A formula is opened by $ and not closed.")
    if text.count("```") % 2:
        faults.append("A block of code is opened and not closed.")
    return faults


def steps(text: str) -> list[str]:
    """Numbered steps count from 1, without a gap."""
    numbers = [int(found) for found in STEP.findall(text)]
    return [
        f"Step {number} stands where step {place} is expected."
        for place, number in enumerate(numbers, start=1)
        if number != place
    ][:1]


def arithmetic(text: str) -> list[str]:
    """Sums of plain numbers are right, a decimal to its last digit."""
    faults = []
    text = STEP.sub("", text)
    for found in SUM.finditer(text):
        if part_of_more(text, found):
            continue
        for left, right in pairwise(side.strip() for side in found.group().split("=")):
            try:
                wrong = abs(number(left) - number(right)) > rounding(left) + rounding(right)
            except NotArithmeticError:
                continue
            if wrong:
                faults.append(f"{left} = {right} is not so.")
    return faults[:MOST_FAULTS]


def equal(text: str) -> list[str]:
    """Equalities of formulas hold, as far as a machine can tell: see equalities.py."""
    return equalities(STEP.sub("", text))


def part_of_more(text: str, found: re.Match[str]) -> bool:
    """Whether a sum is a piece of something larger, such as 2x + 3 = 7 or f(2) = 5."""
    said = found.group()
    if said.lstrip()[:1] in set("+-*/^=×·÷−)") or said.rstrip()[-1:] in set("+-*/^=×·÷−("):
        return True
    before = text[: found.start()][-1:] if said[:1].strip() else ""
    after = text[found.end() :][:1] if said[-1:].strip() else ""
    return bool(re.search(r"[A-Za-z_\\{}]", before + after)) or text[found.end() :].lstrip()[:1] in set("+-*/^=×·÷−")


def number(expression: str) -> Fraction:
    """The exact value of a sum of plain numbers."""
    try:
        tree = ast.parse(expression.translate(WORDS).replace("^", "**").rstrip(" ."), mode="eval")
        return value(tree.body, expression)
    except (SyntaxError, ZeroDivisionError, RecursionError, MemoryError) as wrong:
        raise NotArithmeticError(expression) from wrong


def value(node: ast.AST, source: str) -> Fraction:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Fraction(str(node.value))
    if isinstance(node, ast.UnaryOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](value(node.operand, source))
    if isinstance(node, ast.BinOp):
        left, right = value(node.left, source), value(node.right, source)
        if isinstance(node.op, ast.Pow):
            return power(left, right, source)
        if type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](left, right)
    raise NotArithmeticError(source)


def power(base: Fraction, exponent: Fraction, source: str) -> Fraction:
    if exponent.denominator != 1 or abs(exponent) > LARGEST_POWER or max(abs(base.numerator), 1) > LARGEST_NUMBER:
        raise NotArithmeticError(source)
    return Fraction(base ** int(exponent))


def rounding(expression: str) -> Fraction:
    """Half a unit of the last digit of the longest decimal."""
    digits = [len(part) for part in re.findall(r"\.(\d+)", expression)]
    return Fraction(1, 2 * 10 ** max(digits)) if digits else Fraction(0)


def all_checks() -> dict[str, Check]:
    """The checks that are there, those of plug-ins last."""
    own: dict[str, Check] = {"form": form, "steps": steps, "arithmetic": arithmetic, "equalities": equal}
    return own | {point.name: point.load() for point in entry_points(group="assay.checks")}


def noticed(text: str, checks: Mapping[str, Check] | None = None) -> dict[str, list[str]]:
    """What each check says; one that breaks says so, and nothing else depends on it."""
    said = {}
    for name, check in (all_checks() if checks is None else checks).items():
        try:
            said[name] = list(check(text[: 2 * LONGEST]))[:MOST_FAULTS]
        except Exception as wrong:  # noqa: BLE001 -- a stranger's plug-in must not lose a submission
            said[name] = [f"The check itself broke: {type(wrong).__name__}."]
    return said


def chain_of(queue: QueueForm, content: str, made: str = "") -> list[str]:
    """The steps that are judged: of what was made, or of what is put before a judge."""
    return step_texts(content if queue.judging else made) if queue.by_steps else []


def step_texts(text: str) -> list[str]:
    """The numbered steps of a text, in their order; empty where it has none."""
    starts = [found.start() for found in STEP.finditer(text)]
    return [text[a:b].strip() for a, b in pairwise([*starts, len(text)])]
