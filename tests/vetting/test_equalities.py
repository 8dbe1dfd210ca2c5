"""Equalities a machine looks at: wrong ones named, right ones and conditions left alone, nothing run or endless."""

import random
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetting.units import algebra, checks
from vetting.units.equalities import MOST_FAULTS, equalities

RIGHT = [
    "So (n+1)^2 = n^2 + 2n + 1 for all n.",
    r"Hence $\frac{n(n+1)}{2} + (n+1) = \frac{(n+1)(n+2)}{2}$.",
    "1. Let n = 2k.\n2. Then n^2 = 4k^2 (by step 1).",
    r"$\binom{n+1}{2} = \binom{n}{2} + n$ and n! = n (n-1)!",
    "Then 2ab + a^2 = a(a + 2b), since sqrt(4) = 2.",
    r"$(x-y)(x+y) = x^2 - y^2 \le x^2$, so $\sin(x)^2 = 1 - \cos(x)^2$.",
    "a^2 - b^2 = (a - b)(a + b) = (a + b)(a - b)",
    r"We have $2^{n+1} - 2^n = 2^n$ and x^{-1} y = y/x.",
    "x/3 = 0.333x",
]
LEFT_ALONE = [
    "If x^2 = 2x then x is 0 or 2.",
    "Let f(x + y) = f(x) + f(y).  Then f(xy) = f(x) + f(y).",
    "Solve 2x + 3 = x + 5.",
    "2x + 3 = x + 5, so x = 2.",
    "1 + 2 + ... + n = n(n+1)/2",
    r"$\sum_{k=1}^n k = \frac{n(n+1)}{2}$ and \int_0^x x = x^2/2",
    "a_{n+1} = a_n + 2 and a_1 = 5",
    "17n = 3n mod 7, n^2 = 4, e^{i\\pi} = -1",
    "The square of n+1 = n^2 + 2n + 1.",
    "1/2n = n/2 and f(n) = n f(n-1)",
    "x = x + 1; n = n^2",
    "1. 2x + 6 = 14.\n2. Thus 2x = 8.\n3. So x = 10.",
    "N = 300, 3 J=60 N, J = 100",
    "It is so that we are equal = and = not ( = ",
    "Suppose for contradiction that p^2 = 2p^2 + p.",
]
WRONG = [
    ("So (n+1)^2 = n^2 + n + 1.", "(n+1)^2 = n^2 + n + 1 does not seem to hold: at n = "),
    (
        "1. Let n be even, n = 2k.\n2. Then n^2 = 2k^2.",
        "n^2 = 2k^2 does not seem to hold with n as set in the text: at k = ",
    ),
    (r"Hence $\frac{a+b}{a} = 1 + ab$.", r"\frac{a+b}{a} = 1 + ab does not seem to hold"),
    (r"$\binom{n+1}{2} = \binom{n}{2} + 1$", "does not seem to hold"),
    ("(a+b)^3 = a^3 + b^3 (freshman).", "(a+b)^3 = a^3 + b^3 does not seem to hold"),
    ("So sqrt(2)^2 = 3.", "it is 2 against 3"),
    ("a^2 - b^2 = (a - b)^2 = a^2 - 2ab + b^2", "a^2 - b^2 = (a - b)^2 does not"),
    ("We know that if n > 1 then 2n + 2 = 2(n + 2).", "2n + 2 = 2(n + 2) does not"),
]


@pytest.mark.parametrize("text", RIGHT)
def test_what_holds_is_not_named(text):
    assert equalities(text) == []


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_conditions_definitions_and_what_cannot_be_read_for_sure_are_left_alone(text):
    assert equalities(text) == []


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_does_not_hold_is_named_with_numbers(text, said):
    (fault,) = equalities(text)
    assert said in fault


def test_it_is_one_of_the_checks_and_decides_nothing():
    noticed = checks.noticed("1. So (n+1)^2 = n^2 + 1 holds.")
    assert list(noticed) == ["form", "steps", "arithmetic", "equalities", *list(noticed)[4:]]
    assert len(noticed["equalities"]) == 1


# -- reading and valuing, against Python's own arithmetic --------------------------------------------


def formulas():
    leaf = st.one_of(st.integers(0, 9).map(str), st.sampled_from(["a", "b"]))
    return st.recursive(
        leaf,
        lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda one: f"({''.join(one)})"),
        max_leaves=12,
    )


@given(formulas(), st.integers(2, 9), st.integers(2, 9))
def test_a_formula_has_the_value_that_python_gives_it(text, a, b):
    expected = eval(text, {"__builtins__": {}}, {"a": a, "b": b})  # noqa: S307 -- of our own making
    assert algebra.value(algebra.read(algebra.tokens(text)), {"a": a, "b": b}) == expected


@given(formulas(), formulas())
def test_a_formula_equals_itself_multiplied_out_and_a_wrong_one_is_named(left, right):
    grown = f"({left} + {right} + a)"
    assert equalities(f"{grown}^2 = {grown}*{grown}") == []
    (fault,) = equalities(f"{grown}*(b + a) = {grown}*(b + a) + a + b")
    assert "does not seem to hold" in fault


@pytest.mark.parametrize(
    ("text", "value"),
    [("2^10 - 1", 1023), ("-2^2", -4), ("(-2)^2", 4), ("5!/3!", 20), (r"\binom{5}{2}", 10), ("2(3+4)", 14),
     (r"\frac{1}{3} + 1/6", Fraction(1, 2)), ("sqrt(9/4)", Fraction(3, 2)), ("2^{-1}", Fraction(1, 2)),
     (r"2 \cdot 3 · 4", 24), ("abs(-3)", 3)],
)  # fmt: skip
def test_signs_are_read_as_they_are_meant(text, value):
    assert algebra.value(algebra.read(algebra.tokens(text)), {}) == value


@pytest.mark.parametrize(
    "text", ["", "1 2", "1/2n", "f(x)", "2^3^4", "(1", "1)", "x^2n", "sin", "log_2 8", "\\nope 3", "1 +"]
)
def test_what_may_be_read_in_two_ways_or_not_at_all_is_refused(text):
    with pytest.raises(algebra.UnreadableError):
        algebra.read(algebra.tokens(text))


# -- hostile texts -----------------------------------------------------------------------------------

HOSTILE = [
    "9^9^9^9 = n + 9^9^9",
    "n^200 * n^200 * n^200 = (n^200)^200",
    "(" * 500 + "n" + ")" * 500 + " = n",
    "n! ! ! ! = 2 n! ! ! !",
    "200!^200 + n = n",
    "-" * 5000 + "n = n",
    "__import__('os').system('true') = n",
    "\n".join(f"x{chr(97 + k % 26)} = {'+'.join('abcdefghijklmnopqrstuvwxyz')}" for k in range(300)),
    "; ".join(f"{chr(97 + k % 26)} = {'*'.join([chr(98 + k % 25)] * 40)}" for k in range(200)) + "; a + b = b * a * c",
    "=" * 20_000,
    "a+" * 20_000 + "a = a",
    "$" * 999 + "\\frac" * 999 + "{" * 999 + "=",
    "10.0000000001^200 n = 3n + 1e400",
    "\0\u202e = n + \ud7ff = n",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_costs_little_and_breaks_nothing(text):
    began = time.process_time()
    faults = equalities(text[: 2 * checks.LONGEST])
    assert len(faults) <= MOST_FAULTS
    assert all(isinstance(one, str) for one in faults)
    assert time.process_time() - began < 3


@pytest.mark.parametrize("seed", range(30))
def test_noise_of_formula_signs_breaks_nothing(seed):
    rng = random.Random(seed)
    parts = ["n", "k", "2", "+", "-", "*", "/", "^", "(", ")", "{", "}", "=", "!", "\\frac", "\\sqrt", "sin", "$", " ",
             "_", "≤", "so", "if", ".", ",", "\n", "x_{1}", "3.14"]  # fmt: skip
    equalities("".join(rng.choice(parts) for _ in range(2000)))
