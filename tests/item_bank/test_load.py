"""A folder becomes a bank, or every fault in it is named: file, line, field, and how to mend it."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from item_bank.load import BankFaultError, load

TREE = """\
domains:
  math:
    name: Mathematics
    general: 0.4
    shared: 0.2
    skills:
      math.algebra: {name: Algebra, about: Equations}
      math.proof: {name: Proof, about: Arguments}
"""
GOOD = """\
id: good-item
kind: choice
title: A good item
skills: {math.algebra: 1.0}
level: school
stem: What is one and one?
options: [one, two, three]
key: b
explanation: One and one is two.
provenance: {author: Tests, written: 2026-01-01}
"""
FOLLOW = """\
id: good-item
kind: follow
title: A good item
skills: {math.algebra: 1.0}
level: school
stem: Write two words.
constraints:
  - {says: two words at most, words_at_most: 2}
  - {says: no x, excludes: x}
example: far too many words
explanation: Two words.
provenance: {author: Tests, written: 2026-01-01}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "skills.yaml").write_text(TREE, encoding="utf-8")
    (tmp_path / "items" / "math").mkdir(parents=True)
    put(tmp_path, GOOD)
    return tmp_path


def put(folder: Path, text: str | bytes, name: str = "good-item") -> Path:
    file = folder / "items" / "math" / f"{name}.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def faults(folder):
    with pytest.raises(BankFaultError) as caught:
        load(folder)
    return caught.value.faults


def told(folder):
    try:
        load(folder)
    except BankFaultError as wrong:
        return wrong.faults
    return []


def test_a_good_folder_is_a_bank_in_order_of_ids(folder):
    put(folder, GOOD.replace("good-item", "also-good"), "also-good")
    assert list(load(folder).items) == ["also-good", "good-item"]


BROKEN = [
    ("bad YAML", GOOD.replace("[one, two, three]", "[one, two"), r":8: not YAML: .*Maybe"),
    ("an unknown field", GOOD.replace("title:", "titel:"), r":3: titel: unknown field. Maybe 'title'."),
    ("a missing field", GOOD.replace("explanation: One and one is two.\n", ""), r":1: explanation: is missing."),
    ("an unknown skill", GOOD.replace("math.algebra: 1", "math.algebr: 1"), r":4: skills: .*algebr'. Maybe 'math"),
    ("an id unlike the file's name", GOOD.replace("id: good-item", "id: god-item"), r":1: id is 'god-item'.*Maybe"),
    ("a missing key", GOOD.replace("key: b\n", ""), r":1: key: is missing."),
    ("a key beyond the options", GOOD.replace("key: b", "key: d"), r"key: 'd', but the 3 options are a to c"),
    ("a key that is no letter", GOOD.replace("key: b", "key: two"), r":8: key: "),
    ("an option twice", GOOD.replace("[one, two,", "[two, two,"), r"'two' stands twice"),
    ("an unknown kind", GOOD.replace("kind: choice", "kind: choise"), r":\d+: .*choise.*choice"),
    ("an unknown level", GOOD.replace("level: school", "level: kindergarten"), r":5: level: .*school"),
    ("an example that breaks its own limit", FOLLOW, r"example: breaks its own limit 'two words at most'"),
    ("a field that stands twice", GOOD + "key: c\n", r":11: not YAML: 'key' stands twice"),
    ("an enemy that is not there", GOOD + "enemies: [good-itm]\n", r"no item or probe 'good-itm'. Maybe 'good-item'"),
    ("bytes that are not UTF-8", GOOD.encode() + b"\xff\xfe", r": is not UTF-8 text .*byte \d+"),
    ("an empty file", "", r":1: holds NoneType, but must hold fields"),
    ("a list", "- one\n- two\n", r":1: holds list, but must hold fields"),
    ("a day that never was", GOOD.replace("2026-01-01", "2026-02-30"), r"not YAML: day"),
    ("a key of brackets", GOOD + "? [a, b]\n: c\n", r"not YAML: .*unhashable"),
    ("a weight of nothing", GOOD.replace("math.algebra: 1.0", "math.algebra: 0"), r":4: skills.math.algebra: .*than 0"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), [pytest.param(*row[1:], id=row[0].replace(" ", "_")) for row in BROKEN])
def test_a_file_with_this_fault_is_refused_by_name_and_line(folder, text, says):
    file = put(folder, text)
    found = faults(folder)
    assert found[0].startswith(str(file))
    assert any(re.search(says, fault) for fault in found), found


def test_an_id_that_is_taken_names_the_file_that_has_it(folder):
    (folder / "items" / "else").mkdir()
    (folder / "items" / "else" / "good-item.yaml").write_text(GOOD)
    assert any("'good-item' is taken by" in fault and "else" in fault for fault in faults(folder))


def test_an_item_that_is_its_own_enemy_or_kin_does_not_matter(folder):
    put(folder, GOOD + "enemies: [good-item]\nfamily: sums\n")
    assert len(load(folder).items) == 1


def test_all_faults_of_all_files_are_told_at_once(folder):
    put(folder, GOOD.replace("level: school\n", "").replace("key: b", "key: z"))
    put(folder, "id: [", "second")
    said = "\n".join(faults(folder))
    assert "level: is missing" in said
    assert "second.yaml" in said


def test_an_empty_folder_is_no_bank(tmp_path, folder):
    (folder / "items" / "math" / "good-item.yaml").unlink()
    assert "holds no item, nor is there a probe. Maybe" in faults(folder)[0]
    assert "no such file. Maybe" in faults(tmp_path / "nowhere")[0]


def test_a_broken_skill_tree_is_named(folder):
    (folder / "skills.yaml").write_text(TREE.replace("general: 0.4", "general: 1.4"))
    assert any("skills.yaml:4: domains.math.general" in fault for fault in faults(folder))


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    place=st.integers(0, len(GOOD)),
    cut=st.integers(0, 30),
)
def test_no_damage_to_a_file_ends_in_anything_but_faults_that_name_it(tmp_path_factory, text, place, cut):
    folder = tmp_path_factory.mktemp("bank")
    (folder / "skills.yaml").write_text(TREE)
    (folder / "items" / "math").mkdir(parents=True)
    file = put(folder, GOOD[:place] + text + GOOD[place + cut :])
    assert all(str(file) in fault for fault in told(folder))


def test_equal_banks_have_equal_versions_and_a_changed_word_another(folder):
    before = load(folder).version
    assert load(folder).version == before
    put(folder, GOOD.replace("A good item", "A better item"))
    assert load(folder).version != before
