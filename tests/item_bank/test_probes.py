"""Probes: what a file may hold, what the shipped ones keep to, and where their criteria start on the scale."""

import re
from math import exp

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from item_bank.load import HOME, BankFaultError, load
from item_bank.probe import Probe, row_id
from item_bank.start import CRITERION_SPREAD, OPENING_SHARE, start_criterion
from item_bank.wording import RUN, language, remarks, shown
from tests.item_bank.test_load import GOOD, TREE, told

PROBE = """\
id: good-probe
kind: probe
form: proof
title: A good probe
level: school
minutes: 6
opening: Why does the sum of two even numbers never come out odd?
criteria:
  - id: claim
    title: The claim
    skills: {math.algebra: 1.0}
    levels:
      - {means: No claim at all, example: I like even numbers.}
      - {means: The claim in words, example: Even and even is even.}
      - {means: The claim in symbols, example: 2a + 2b is even.}
  - id: reason
    title: The reason
    skills: {math.proof: 1.0, math.algebra: 0.5}
    levels:
      - {means: No reason is given, example: It is so.}
      - {means: Examples only, example: 2 + 4 is 6.}
      - {means: A factor of two, example: 2a + 2b = 2(a + b).}
  - id: reach
    title: Its reach
    skills: {math.proof: 1.0}
    levels:
      - {means: Sees nothing more, example: That is all.}
      - {means: Names a neighbour, example: Then there are odd numbers.}
      - {means: Settles a neighbour, example: Odd and odd is even as well.}
follow_ups:
  - {id: which, asks: "What exactly do you claim?", criterion: claim, apart: [0, 2]}
  - {id: why, asks: "Why is that so?", criterion: reason, apart: [0, 2], needs: [told]}
  - {id: more, asks: "What about three of them?", criterion: reach, apart: [1, 2]}
facts:
  - {id: told, says: Negative numbers count too., when: Asks which numbers are meant.}
explanation: Two even numbers are twice a and twice b, so the sum is twice something.
provenance: {author: Tests, written: 2026-01-01}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "skills.yaml").write_text(TREE, encoding="utf-8")
    for shelf, text in (("items", GOOD), ("probes", PROBE)):
        (tmp_path / shelf / "any").mkdir(parents=True)
        (tmp_path / shelf / "any" / f"{'good-item' if shelf == 'items' else 'good-probe'}.yaml").write_text(text)
    return tmp_path


def probe_of(text):
    return Probe.model_validate(yaml.safe_load(text))


def changed(old, new):
    assert old in PROBE
    return PROBE.replace(old, new, 1)


# -- files -----------------------------------------------------------------------------------------


def test_a_folder_with_probes_is_a_bank_that_holds_them(folder):
    bank = load(folder)
    assert list(bank.probes) == ["good-probe"]
    assert bank.probes["good-probe"].skills == {"math.algebra": 1.0, "math.proof": 1.0}
    assert load(folder, shelf="items").probes
    assert not load(HOME, shelf="practice").probes


def test_a_changed_word_of_a_probe_is_another_version_of_the_bank(folder):
    file = folder / "probes" / "any" / "good-probe.yaml"
    before = load(folder).version
    file.write_text(changed("I like even numbers.", "I like odd numbers."))
    other = load(folder).version
    file.unlink()
    assert len({before, other, load(folder).version}) == 3


BROKEN = [
    ("an unknown field", changed("minutes:", "minuts:"), r":6: minuts: unknown field. Maybe 'minutes'."),
    ("a misspelt field of an anchor", changed("means: No claim", "mean: No claim"), r":13: .*unknown field. Maybe"),
    ("an unknown skill", changed("{math.proof: 1.0}", "{math.prof: 1.0}"), r":25: .*no skill 'math.prof'. Maybe 'math"),
    ("an unknown form", changed("form: proof", "form: prove"), r":3: form: .*'proof'"),
    ("two criteria only", re.sub(r"  - id: reach.*?(?=follow_ups)", "", PROBE, flags=re.DOTALL), r":8: criteria: .*3"),
    ("two questions in a follow-up", changed("Why is that so?", "Why? Is it?"), r":32: .*'why': asks 2 .*Maybe"),
    ("a follow-up that asks nothing", changed("Why is that so?", "Go on."), r":32: .*'why': asks 0 questions"),
    ("two questions in the opening", changed("come out odd?", "odd? Why?"), r":7: opening: asks 2 questions. Maybe"),
    ("a stranger's criterion", changed("criterion: reach", "criterion: rech"), r":33: .*'rech'. Maybe one of claim"),
    ("a criterion nobody asks about", changed("criterion: reach", "criterion: claim"), r":23: .*no follow-up asks"),
    ("levels upside down", changed("apart: [1, 2]", "apart: [2, 1]"), r":33: .*lower and a higher level out of 0 to 2"),
    ("a level that is not there", changed("apart: [1, 2]", "apart: [1, 3]"), r":33: .*apart \[1, 3\]"),
    ("a fact that is not there", changed("needs: [told]", "needs: [tld]"), r":32: .*no fact 'tld'. Maybe one of told"),
    ("a follow-up that is not there", changed("[1, 2]}", "[1, 2], after: [wy]}"), r":33: .*no follow-up 'wy'. Maybe"),
    ("a follow-up after itself", changed("[1, 2]}", "[1, 2], after: [more]}"), r":33: .*'more': can never be put"),
    ("two equal anchors", changed("Examples only", "no reason  is given"), r":21: reason: levels 0 and 1 have"),
    ("two equal examples", changed("2 + 4 is 6.", "It is so."), r":21: reason: levels 0 and 1 have the same example"),
    ("a level without an example", changed(", example: It is so.", ""), r":20: .*example: is missing"),
    ("one id twice", changed("id: more", "id: why"), r":33: follow_ups: the id 'why' stands twice"),
    ("an enemy that is not there", PROBE + "enemies: [good-itm]\n", r"no item or probe 'good-itm'. Maybe 'good-item'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), [pytest.param(*row[1:], id=row[0].replace(" ", "_")) for row in BROKEN])
def test_a_probe_with_this_fault_is_refused_by_file_line_and_field(folder, text, says):
    file = folder / "probes" / "any" / "good-probe.yaml"
    file.write_text(text)
    with pytest.raises(BankFaultError) as caught:
        load(folder)
    assert all(fault.startswith(str(file)) for fault in caught.value.faults)
    assert any(re.search(says, fault) for fault in caught.value.faults), caught.value.faults


def test_all_faults_of_a_probe_are_told_at_once(folder):
    text = changed("Why is that so?", "Go on.").replace("apart: [1, 2]", "apart: [2, 1]")
    (folder / "probes" / "any" / "good-probe.yaml").write_text(text)
    with pytest.raises(BankFaultError) as caught:
        load(folder)
    assert len(caught.value.faults) == 2


def test_an_id_is_unique_over_items_and_probes(folder):
    (folder / "probes" / "any" / "good-item.yaml").write_text(changed("id: good-probe", "id: good-item"))
    with pytest.raises(BankFaultError, match=r"'good-item' is taken by .*items"):
        load(folder)


def test_a_question_mark_in_code_is_no_question():
    probe = probe_of(changed("Why is that so?", "Why does `a ? b : c` do that?"))
    assert probe.follow_ups[1].asks.count("?") == 2


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    place=st.integers(0, len(PROBE)),
    cut=st.integers(0, 60),
)
def test_no_damage_to_a_probe_ends_in_anything_but_faults_that_name_its_file(tmp_path_factory, text, place, cut):
    folder = tmp_path_factory.mktemp("bank")
    (folder / "skills.yaml").write_text(TREE)
    for shelf, name, content in (
        ("items", "good-item", GOOD), ("probes", "good-probe", PROBE[:place] + text + PROBE[place + cut :]),
    ):  # fmt: skip
        (folder / shelf).mkdir()
        (folder / shelf / f"{name}.yaml").write_bytes(content.encode())
    assert all("good-probe.yaml" in fault for fault in told(folder))


# -- wording ---------------------------------------------------------------------------------------


def test_a_sound_probe_draws_no_remark():
    assert list(remarks(probe_of(PROBE))) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (changed("What exactly do you claim?", "Is it so the sum is twice something?"), "graders look for"),
        (changed("What exactly do you claim?", "Which criterion do you have in mind?"), "speaks of the rubric"),
        (changed("come out odd?", "odd if negative numbers count too, and zero?"), None),
        (
            changed("Negative numbers count too.", "The sum of two even numbers never disappoints."),
            "tells the fact 'told'",
        ),
        (changed("level: school", "level: school\nlanguage: de"), "reads like 'en'"),
        (changed("What about three of them?", "How far does that claim hold?"), None),
        (changed("What about three of them?", "Where does this result end?"), None),  # a proof was asked for
        (changed("What about three of them?", "Where does your example end?"), "'example' points back"),
        (changed("What about three of them?", "And then?"), "'and' points back"),
        (
            changed("What about three of them?", "Where does your example end?").replace(
                "apart: [1, 2]", "apart: [1, 2], after: [why]"
            ),
            None,
        ),
        (
            changed("numbers count too.", "17 counts too.").replace("three of them", "17"),
            "assumes the fact 'told'",
        ),
    ],
)
def test_wording_that_gives_something_away_draws_a_remark(text, says):
    said = list(remarks(probe_of(text)))
    assert (says is None) == (said == [])
    assert says is None or says in said[0]


def test_six_words_in_a_row_are_a_leak_and_five_are_not():
    explanation = ["so", "the", "sum", "is", "twice", "something"]
    assert len(explanation) == RUN
    for length, leaks in ((RUN, True), (RUN - 1, False)):
        text = changed("What exactly do you claim?", " ".join(explanation[:length]) + "?")
        assert bool(list(remarks(probe_of(text)))) == leaks


# -- the shipped probes ----------------------------------------------------------------------------


def test_there_are_at_least_64_probes_of_every_form(bank):
    forms = [probe.form for probe in bank.probes.values()]
    assert len(forms) >= 64
    least = {"fermi": 8, "case": 8, "design": 8, "proof": 8, "debugging": 8, "vignette": 12, "language": 12}
    assert {form: forms.count(form) for form in least if forms.count(form) < least[form]} == {}


def test_no_shipped_probe_draws_a_remark(bank):
    assert [remark for probe in bank.probes.values() for remark in remarks(probe)] == []


def test_follow_ups_that_assume_an_order_say_so(bank):
    """Without what they say about it, many a shipped question would point at something that nobody has said."""
    bare = [
        probe.model_copy(
            update={"follow_ups": tuple(one.model_copy(update={"after": (), "needs": ()}) for one in probe.follow_ups)}
        )
        for probe in bank.probes.values()
    ]
    assert len([remark for probe in bare for remark in remarks(probe)]) >= 30
    assert sum(bool(one.after) for probe in bank.probes.values() for one in probe.follow_ups) >= 40


def test_every_shipped_question_can_come_to_be_put(bank):
    """By some way of asking and of telling facts."""
    for probe in bank.probes.values():
        put = set()
        for _ in probe.follow_ups:
            put |= {one.id for one in probe.follow_ups if put.issuperset(one.after)}
        assert put == {one.id for one in probe.follow_ups}, probe.id


def test_a_question_that_tells_how_something_ended_comes_after_those_that_ask_for_it(bank):
    """What gives an answer away, by hand: (probe, what tells, what it would spoil)."""
    spoilers = [
        ("debugging-too-good-a-model", "chance", "inside"),
        ("debugging-two-awaits", "lock", "mend"),
        ("journalism-flood-video", "error", "now"),
    ]
    for key, tells, asks in spoilers:
        (one,) = [one for one in bank.probes[key].follow_ups if one.id == tells]
        assert asks in one.after


def test_the_wording_is_in_the_language_it_says(bank):
    assert [probe.id for probe in bank.probes.values() if language(shown(probe)) != probe.language] == []


def test_every_skill_of_the_tree_is_looked_at_by_some_probe(bank):
    assert set(bank.tree.skills) == {skill for probe in bank.probes.values() for skill in probe.skills}


def test_each_of_four_languages_has_three_probes_on_its_own_skill(bank):
    for code, skill in (("en", "english"), ("de", "german"), ("es", "spanish"), ("vi", "vietnamese")):
        mine = [p for p in bank.probes.values() if p.form == "language" and p.language == code]
        assert len(mine) >= 3
        assert all(max(p.skills, key=p.skills.__getitem__) == f"language.{skill}" for p in mine)


def test_a_case_keeps_facts_back_and_every_kept_fact_has_a_key(bank):
    for probe in bank.probes.values():
        if probe.form == "case":
            assert len(probe.facts) >= 3, probe.id
            assert any(follow_up.needs for follow_up in probe.follow_ups), probe.id


def test_every_step_between_neighbouring_levels_lies_within_some_follow_up(bank):
    """At least the steps above the first are within reach of some question, so that no top level is only luck."""
    for probe in bank.probes.values():
        for criterion in probe.criteria:
            highest = max(f.apart[1] for f in probe.follow_ups if f.criterion == criterion.id)
            assert highest == len(criterion.levels) - 1, (probe.id, criterion.id)


def test_no_probe_can_be_graded_by_the_length_of_the_answer(bank):
    """Some example of the two lowest levels says more words than some example of a highest level."""
    for probe in bank.probes.values():
        low = [len(anchor.example.split()) for criterion in probe.criteria for anchor in criterion.levels[:2]]
        high = [len(criterion.levels[-1].example.split()) for criterion in probe.criteria]
        assert max(low) > min(high), probe.id


def test_python_in_an_opening_compiles(bank):
    """The code that applicants are asked about compiles as it stands."""
    blocks = [
        (probe.id, code)
        for probe in bank.probes.values()
        for code in re.findall(r"```python\n(.*?)```", probe.opening, re.DOTALL)
    ]
    assert len(blocks) >= 7
    for key, code in blocks:
        compile(code, key, "exec")


# -- start values ----------------------------------------------------------------------------------


def test_a_criterion_starts_where_level_and_both_nudges_put_it(bank):
    probe = next(p for p in bank.probes.values() if p.form == "proof")
    harder = probe.model_copy(update={"nudge": probe.nudge + 0.4})
    criterion = probe.criteria[0]
    tougher = criterion.model_copy(update={"nudge": criterion.nudge + 0.4})
    plain, by_probe, by_criterion = (
        start_criterion(probe, criterion), start_criterion(harder, criterion), start_criterion(probe, tougher),
    )  # fmt: skip
    slope = float(np.linalg.norm(list(plain.slopes.values())))
    assert by_probe.thresholds == pytest.approx(by_criterion.thresholds)
    assert np.subtract(plain.thresholds, by_probe.thresholds) == pytest.approx(0.4 * slope)


def test_every_criterion_starts_with_usable_numbers_that_nobody_has_validated(bank):
    rows = [(probe, criterion) for probe in bank.probes.values() for criterion in probe.criteria]
    assert len({row_id(*row) for row in rows}) == len(rows)
    assert not {row_id(*row) for row in rows} & set(bank.items)
    for probe, criterion in rows:
        rule = start_criterion(probe, criterion)
        slope = float(np.linalg.norm(list(rule.slopes.values())))
        assert set(rule.slopes) == set(criterion.skills)
        assert len(rule.thresholds) == len(criterion.levels) - 1
        assert np.diff(rule.thresholds) / -slope == pytest.approx(CRITERION_SPREAD)
        assert rule.guess == 0
        assert not rule.validated


def test_opening_and_one_follow_up_a_criterion_fill_the_time_frame(bank):
    for probe in bank.probes.values():
        rule = start_criterion(probe, probe.criteria[0])
        opening, follow_up = exp(rule.log_minutes_opening), exp(rule.log_minutes_follow_up)
        assert opening == pytest.approx(OPENING_SHARE * probe.minutes)
        assert opening + len(probe.criteria) * follow_up == pytest.approx(probe.minutes)
