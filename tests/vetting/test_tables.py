"""Tables as people have them: every fault by file and line, long and wide say the same."""

import gzip

import pytest

from vetting.tables import TableFaultError, arrays, read_items, read_responses

ITEMS = "item,skills,levels,guess\ni1,s,2,0.2\ni2,s;t,3,\ni3,t,,\n"
LONG = "person,item,score\nAda,i1,1\nAda,i2,2\nBea,i1,0\nBea,i3,1\n"
WIDE = "person,i1,i2,i3\nAda,1,2,\nBea,0,NA,1\n"


@pytest.fixture
def file(tmp_path):
    def write(text, name="r.csv"):
        made = tmp_path / name
        made.write_bytes(text if isinstance(text, bytes) else text.encode())
        return made

    return write


@pytest.fixture
def items(file):
    return read_items(file(ITEMS, "i.csv"))


def triples(said):
    return {
        (said.people[p], said.items[i], int(score))
        for p, i, score in zip(said.person, said.item, said.score, strict=True)
    }


def fault(read):
    with pytest.raises(TableFaultError) as caught:
        read()
    return str(caught.value)


def test_items_have_skills_levels_and_a_guess(items):
    assert items["i1"].guess == 0.2
    assert items["i2"].skills == ("s", "t")
    assert items["i2"].levels == 3
    assert items["i3"].levels is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("item,skills\n", "holds no item"),
        ("id,skill\na,s\n", "item and skills are needed"),
        ("item,item,skills\na,b,s\n", "'item' stands twice"),
        ("item,skills\na,s\na,s\n", "i.csv:3: item 'a' stands twice"),
        ("item,skills\na,\n", "i.csv:2: item 'a' with skills ''"),
        ("item,skills\na,s,t\n", "i.csv:2: 3 cells, but the header has 2"),
        ("item,skills,levels\na,s,1\n", "levels '1'"),
        ("item,skills,levels\na,s,²\n", "levels '²'"),
        ("item,skills,guess\na,s,1.5\n", "guess '1.5'"),
        ("item,skills,guess\na,s,much\n", "guess 'much'"),
        ("item,skills,levels,guess\na,s,3,0.2\n", "only a two-level item can be guessed"),
    ],
)
def test_a_table_of_items_with_this_fault_is_refused(file, text, says):
    assert says in fault(lambda: read_items(file(text, "i.csv")))


def test_long_and_wide_say_the_same(file, items):
    assert triples(read_responses(file(LONG), items)) == triples(read_responses(file(WIDE, "w.csv"), items))


@pytest.mark.parametrize(
    "written",
    [
        b"\xef\xbb\xbf" + LONG.encode(),  # as spreadsheets mark UTF-8
        LONG.replace("\n", "\r\n").encode(),
        LONG.replace("\n", "\n\n").encode(),
        LONG.replace("1\n", "1.0\n").encode(),
        LONG.replace(",", " , ").encode(),
        LONG.replace(",", ";").encode(),
        LONG.replace(",", "\t").encode(),
        b"\n" + LONG.replace(",", ";").encode(),
    ],
    ids=["byte-order-mark", "windows", "blank-lines", "decimals", "spaces", "semicolons", "tabs", "blank-first"],
)
def test_a_table_is_read_however_it_was_exported(file, items, written):
    assert triples(read_responses(file(written), items)) == triples(read_responses(file(LONG, "plain.csv"), items))


def test_a_gzipped_table_is_read_like_a_plain_one(file, items):
    packed = read_responses(file(gzip.compress(LONG.encode()), "r.csv.gz"), items)
    assert triples(packed) == triples(read_responses(file(LONG), items))


def test_columns_may_come_in_any_order_beside_others(file, items):
    text = "seconds,score,rater,item,person\n12,1,key,i1,Ada\n"
    assert triples(read_responses(file(text), items)) == {("Ada", "i1", 1)}


def test_a_person_without_any_answer_is_known_all_the_same(file, items):
    assert read_responses(file(WIDE + "Cleo,,,\n"), items).people == ("Ada", "Bea", "Cleo")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("person,item,score\n", "holds no answer"),
        ("person,item,score\nAda,i9,1\n", "r.csv:2: item 'i9' is not known. Maybe"),
        ("person,item,score\nAda,i1,one\n", "r.csv:2: score 'one'"),
        ("person,item,score\nAda,i1,0.5\n", "score '0.5'"),
        ("person,item,score\nAda,i1,-1\n", "score '-1'"),
        ("person,item,score\nAda,i1,nan\n", "score 'nan'"),
        ("person,item,score\nAda,i1,1e30\n", "score '1e30'"),
        ("person,item,score\nAda,i1,inf\n", "score 'inf'"),
        ("person,item,score\nAda,i1\n", "score ''"),
        ("person,item,score\n,i1,1\n", "the person is empty"),
        ("person,item,score\nAda,i1,1\nAda,i1,1\n", "r.csv:3: person 'Ada' has item 'i1' already on line 2"),
        ("person,item,score\nAda,i1,1,0\n", "r.csv:2: 4 cells, but the header has 3"),
        ("person,i1,i7\nAda,1,1\n", "r.csv:1: 1 of 2 columns are no known item: i7"),
        ("person,i1,i1\nAda,1,1\n", "'i1' stands twice"),
        ("person,i1,i2\nAda,1\n", "r.csv:2: 2 cells, but the header has 3"),
        ("person,i1\nAda,1\nAda,1\n", "r.csv:3: person 'Ada' has item 'i1' already"),
        ("person|item|score\nAda|i1|1\n", "holds no answer"),
        (b"person,item,score\nAda,i1,\xff\n", "not a CSV in UTF-8"),
        ('person,item,score\n"Ada,i1,1\n', "not a CSV"),
    ],
)
def test_a_table_of_answers_with_this_fault_is_refused(file, items, text, says):
    assert says in fault(lambda: read_responses(file(text), items))


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-9], lambda data: data[:12] + b"\0\xff\0" + data[15:], lambda _: b"no"]
)
def test_a_damaged_archive_is_refused_in_words(file, items, spoil):
    packed = gzip.compress((LONG * 50).encode())
    assert "not a CSV" in fault(lambda: read_responses(file(spoil(packed), "r.csv.gz"), items))


def test_a_file_that_is_not_there_is_named(tmp_path, items):
    assert "no such file. Maybe" in fault(lambda: read_responses(tmp_path / "nothing.csv", items))


def test_a_column_that_is_no_item_may_be_left_out_by_name(file, items):
    text = WIDE.replace("person,", "person,age,").replace("Ada,", "Ada,36,").replace("Bea,", "Bea,41,")
    assert "--ignore age" in fault(lambda: read_responses(file(text), items))
    assert triples(read_responses(file(text), items, ["age"])) == triples(read_responses(file(WIDE), items))


def test_every_fault_of_a_table_is_told_at_once_up_to_a_limit(file, items):
    rows = "".join(f"Ada,i{n},1\n" for n in range(10, 60))
    said = fault(lambda: read_responses(file("person,item,score\n" + rows), items))
    assert said.count("is not known") == 20
    assert "and 30 more" in said


def test_a_score_beyond_an_items_levels_is_refused_by_line(file, items):
    said = read_responses(file("person,item,score\nAda,i2,2\nBea,i2,3\n"), items)
    assert "r.csv:3: score 3 on item 'i2', but its levels are 0 to 2. Maybe" in fault(lambda: arrays(items, said))


def test_levels_that_are_not_stated_are_one_more_than_the_highest_score(file, items):
    said = read_responses(file("person,item,score\nAda,i3,4\nBea,i3,1\n"), items)
    _, design, skills = arrays(items, said)
    assert skills == ("s", "t")
    assert design.levels.tolist() == [2, 3, 5]
