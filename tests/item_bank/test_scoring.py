"""What each kind of answer earns, and which answers are sent back unread."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from item_bank.schema import Item, UnreadableResponseError, read_number

COMMON = {
    "id": "sample-item", "title": "A sample", "skills": {"math.algebra": 1.0}, "level": "school",
    "stem": "What is asked?", "explanation": "Because it is so.",
    "provenance": {"author": "Tests", "written": "2026-01-01"},
}  # fmt: skip
KINDS = {
    "choice": {"options": ["one", "two", "three"], "key": "b"},
    "multi": {"options": ["one", "two", "three", "four"], "keys": ["a", "c"]},
    "numeric": {"answer": 0.375, "tolerance": 0.001},
    "text": {"accepted": ["the word", "a word"]},
    "follow": {
        "constraints": [
            {"says": "three words at most", "words_at_most": 3},
            {"says": "ends with !", "ends_with": "!"},
            {"says": "no x", "excludes": "x"},
        ],
        "example": "Good morning!",
    },
    "step_grade": {
        "steps": ["s1", "s2", "s3", "s4"],
        "first_error": 2,
        "reasons": ["r1", "r2", "r3"],
        "reason_key": "c",
    },
    "preference": {"answers": ["one", "two"], "better": "b", "reasons": ["r1", "r2"], "reason_key": "a"},
    "claim_check": {
        "source": "A source that is long enough to be a source of claims.",
        "claims": [
            {"text": "c1", "verdict": "supported"},
            {"text": "c2", "verdict": "contradicted"},
            {"text": "c3", "verdict": "not_stated"},
            {"text": "c4", "verdict": "supported"},
        ],
    },
}
CLAIMS = ["supported", "contradicted", "not_stated", "supported"]


def made(kind, **fields):
    return TypeAdapter(Item).validate_python(COMMON | {"kind": kind} | KINDS[kind] | fields)


def claims(*said):
    return {f"claim{n}": verdict for n, verdict in enumerate(said, start=1)}


EARNED = [
    ("choice", {"option": "b"}, 1),
    ("choice", {"option": "c"}, 0),
    ("multi", {"option": ["a", "c"]}, 2),
    ("multi", {"option": ["c", "a", "a"]}, 2),
    ("multi", {"option": "a"}, 1),  # one missing
    ("multi", {"option": ["a", "b", "c"]}, 1),  # one too many
    ("multi", {"option": ["a", "b"]}, 0),  # one missing and one too many
    ("multi", {"option": ["b", "d"]}, 0),
    ("multi", {"option": ["a", "b", "c", "d"]}, 0),
    ("text", {"text": "  The   WORD. "}, 1),
    ("text", {"text": "words"}, 0),
    ("follow", {"text": "Good morning!"}, 2),
    ("follow", {"text": "Good morning"}, 1),
    ("follow", {"text": "Good morning to all of you"}, 0),
    ("follow", {"text": "Fix it all now and here"}, 0),
    ("step_grade", {"step": "2", "reason": "c"}, 3),
    ("step_grade", {"step": "2", "reason": "a"}, 2),
    ("step_grade", {"step": "3", "reason": "c"}, 1),  # saw that something is wrong there
    ("step_grade", {"step": "1", "reason": "c"}, 1),
    ("step_grade", {"step": "4", "reason": "c"}, 0),
    ("step_grade", {"step": "0", "reason": "c"}, 0),
    ("preference", {"answer": "b", "reason": "a"}, 2),
    ("preference", {"answer": "b", "reason": "b"}, 1),
    ("preference", {"answer": "a", "reason": "a"}, 0),
    ("claim_check", claims(*CLAIMS), 3),
    ("claim_check", claims("supported", "contradicted", "supported", "supported"), 2),
    ("claim_check", claims("supported", "supported", "supported", "supported"), 1),
    ("claim_check", claims("contradicted", "supported", "supported", "contradicted"), 0),
]


@pytest.mark.parametrize(("kind", "said", "level"), EARNED)
def test_each_kind_earns_the_levels_its_table_promises(kind, said, level):
    assert made(kind).score(said) == level


@pytest.mark.parametrize("kind", KINDS)
def test_the_levels_an_item_states_are_those_its_answers_reach(kind):
    reached = {level for one, _, level in EARNED if one == kind} or {0, 1}
    assert reached == set(range(made(kind).levels))


UNREADABLE = [
    ("choice", {}),
    ("choice", {"option": ""}),
    ("choice", {"option": "d"}),
    ("choice", {"option": "B2"}),
    ("choice", {"option": ["a", "b"]}),
    ("multi", {"option": ["a", "z"]}),
    ("multi", {"option": []}),
    ("multi", {}),
    ("numeric", {"number": ""}),
    ("numeric", {"number": "about three"}),
    ("numeric", {"number": "1/0"}),
    ("numeric", {"number": "1e999"}),
    ("numeric", {"number": "nan"}),
    ("numeric", {"number": "inf"}),
    ("text", {"text": "   "}),
    ("text", {"text": ["two", "values"]}),
    ("follow", {"text": "\n\t "}),
    ("step_grade", {"step": "2"}),
    ("step_grade", {"reason": "c"}),
    ("step_grade", {"step": "5", "reason": "c"}),
    ("step_grade", {"step": "-1", "reason": "c"}),
    ("step_grade", {"step": "two", "reason": "c"}),
    ("preference", {"answer": "c", "reason": "a"}),
    ("preference", {"answer": "a"}),
    ("claim_check", claims("supported", "supported", "supported")),
    ("claim_check", claims("supported", "supported", "supported", "perhaps")),
]


@pytest.mark.parametrize(("kind", "said"), UNREADABLE)
def test_a_response_that_cannot_be_read_is_sent_back_and_names_its_field(kind, said):
    with pytest.raises(UnreadableResponseError, match=r"^\w+: "):
        made(kind).score(said)


@given(
    kind=st.sampled_from(sorted(KINDS)),
    said=st.dictionaries(
        st.sampled_from(["option", "number", "text", "step", "reason", "answer", "claim1", "claim2", "x"]),
        st.text(max_size=40) | st.lists(st.text(max_size=3), max_size=4) | st.sampled_from(["a", "b", "1", "2/0"]),
    ),
)
def test_whatever_is_sent_is_either_scored_within_the_levels_or_unreadable(kind, said):
    item = made(kind)
    with suppress(UnreadableResponseError):
        assert 0 <= item.score(said) < item.levels


# -- numbers as people type them -------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    ["0.375", ".375", "0,375", "3/8", " 3 / 8 ", "37.5%", "37,5 %", "3.75e-1", "+0.375", "375e-3", "0.3750000", "6/16"],
)
def test_three_eighths_is_understood_however_it_is_typed(said):
    assert made("numeric").score({"number": said}) == 1


@pytest.mark.parametrize("said", ["0.38", "-0.375", "37.5", "8/3", "375"])
def test_another_number_is_wrong(said):
    assert made("numeric").score({"number": said}) == 0


@pytest.mark.parametrize("said", ["1234567", "1,234,567", "1 234 567", "1\N{NO-BREAK SPACE}234\N{NO-BREAK SPACE}567"])
def test_thousands_may_be_grouped(said):
    assert made("numeric", answer=1234567).score({"number": said}) == 1


@pytest.mark.parametrize("said", ["-2", "\N{MINUS SIGN}2", "- 2", "-2.0", "-4/2"])
def test_minus_signs_of_every_keyboard_are_read(said):
    assert made("numeric", answer=-2).score({"number": said}) == 1


def test_a_comma_that_could_mean_two_things_is_given_both():
    assert set(read_number("30,000")) == {30.0, 30000.0}


@pytest.mark.parametrize("said", ["12 kg", "12kg", "12"])
def test_the_unit_may_be_typed_along(said):
    assert made("numeric", answer=12, unit="kg").score({"number": said}) == 1


def test_the_edge_of_the_tolerance_is_inside():
    assert made("numeric", answer=0.3, tolerance=0.1).score({"number": "0.4"}) == 1
    assert made("numeric", answer=0.3, tolerance=0.1).score({"number": "0.4001"}) == 0


@given(value=st.floats(-1e6, 1e6))
def test_every_decimal_that_can_be_written_is_read_back(value):
    assert read_number(repr(value)) == (value,)


# -- words -----------------------------------------------------------------------------------------


CAFES = ["café", "cafe\N{COMBINING ACUTE ACCENT}", "CAFÉ", "café.", "ca\N{ZERO WIDTH SPACE}fé"]


@pytest.mark.parametrize("said", CAFES)
def test_what_reads_the_same_is_the_same_word(said):
    assert made("text", accepted=["café"]).score({"text": said}) == 1


def test_capitals_count_only_where_the_item_says_so():
    assert made("text", accepted=["Haus"]).score({"text": "haus"}) == 1
    assert made("text", accepted=["Haus"], keep_case=True).score({"text": "haus"}) == 0


# -- limits that a machine checks ------------------------------------------------------------------

LIMITS = [
    ({"words_at_least": 3}, "one two three", "one two"),
    ({"words_at_most": 2}, "one two", "one two three"),
    ({"sentences": 2}, "One. Two!", "One. Two. Three."),
    ({"sentences": 2}, "Wait... What?", "Wait."),
    ({"sentences": 1}, "no stop at the end", "Two. Of them"),
    ({"lines": 2}, "a\n\nb\n", "a b"),
    ({"includes": "Word"}, "a word in it", "nothing of it"),
    ({"excludes": "word"}, "nothing of it", "a WORD in it"),
    ({"starts_with": "Dear"}, "Dear all", "dear all"),
    ({"ends_with": "you."}, "thank you.", "thank you"),
    ({"matches": r"^\d+$"}, "text\n42", "text 42"),
    ({"never_matches": "[aeiou]{2}"}, "a banana", "a boat"),
]


@pytest.mark.parametrize(("limit", "kept", "broken"), LIMITS)
def test_each_limit_tells_a_text_that_keeps_it_from_one_that_breaks_it(limit, kept, broken):
    item = made(
        "follow", constraints=[{"says": "the limit", **limit}, {"says": "not empty", "words_at_least": 1}], example=kept
    )
    assert item.score({"text": kept}) == 2
    assert item.score({"text": broken}) == 1


@pytest.mark.parametrize("limit", [{}, {"lines": 1, "sentences": 1}, {"matches": "("}])
def test_a_limit_that_checks_nothing_or_two_things_or_no_expression_is_refused(limit):
    with pytest.raises(ValidationError, match="the limit"):
        made("follow", constraints=[{"says": "the limit", **limit}, {"says": "short", "words_at_most": 9}])


def test_a_text_too_long_to_be_checked_in_reasonable_time_is_sent_back():
    with pytest.raises(UnreadableResponseError, match="at most 4000"):
        made("follow").score({"text": "-" * 20_000})
