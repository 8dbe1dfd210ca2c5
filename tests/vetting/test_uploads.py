"""Units from a file: all of them or none, every fault by its line, and a mistake is undone while nobody has begun."""

import json

import pytest
from sqlalchemy import func, select

from tests.conftest import NOON
from tests.vetting.bustle import do, planned, queue, take, team
from vetting import programs
from vetting.offers import offering, uploads
from vetting.quality import delivery, gate
from vetting.units import work
from vetting.work_records import Source, Unit, Upload

TABLE = "text,language,part,tags\nIs 7 prime?,en,,easy;odd\n\nIs 9 prime?,,,\n"


@pytest.fixture
def people(db, bank):
    return team(db, bank, ["Ada", "Bea"])


def checks(db, **fields):
    made = planned(db, queue("Checks", kind="verification", units=20, **fields))
    return made, programs.queues_of(made)[0]


def keep(db, made, form, text=TABLE, name="units.csv", **others):
    return uploads.keep(db, made, form, uploads.rows_of(text, name), name=name, by="lead", now=NOON, **others)


def count(db, kind):
    return db.scalar(select(func.count(kind.id)))


def test_a_table_and_json_lines_say_the_same():
    lines = [{"text": "Is 7 prime?", "language": "en", "tags": ["easy", "odd"]}, {"text": "Is 9 prime?"}]
    rows = uploads.rows_of("\n".join(map(json.dumps, lines)), "units.jsonl")
    assert [row for _, row in rows] == [row for _, row in uploads.rows_of(TABLE, "units.csv")]
    assert [line for line, _ in uploads.rows_of(TABLE, "units.csv")] == [2, 4]


def test_units_come_to_the_pilot_are_offered_and_leave_with_what_the_file_said(db, people):
    made, form = checks(db, part="odd")
    seen = []
    keep(db, made, form, step=lambda: seen.append(1))
    assert len(seen) == 2
    assert [unit.content for unit in gate.pilot_units(db, made, "Checks")] == ["Is 7 prime?", "Is 9 prime?"]
    offer = take(db, people[0], NOON)
    assert offer.unit.content == "Is 7 prime?"
    do(db, offer, NOON)
    row = next(delivery.export(db, made, NOON, unfinished=True))
    assert (row["language"], row["part"], row["tags"]) == ("en", "odd", ["easy", "odd"])
    (told,) = uploads.told(db, made)
    assert (told["units"], told["begun"], told["accepted"]) == (2, 1, 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("text\n", "holds no unit. Maybe only the header"),
        ("words\nIs it?", "line 1: there is no column 'text'. Maybe the header is missing"),
        ("text,lang\nIs it?,en", "line 1: there is no column 'lang'. Maybe: text, language, part, tags"),
        ("text,language\nIs it?,english\n,en", "line 2: language"),
        ("text,language\nIs it?,english\n,en", "line 3: text"),
        ("text\nIs it?,or not", "line 2: more cells than the header. Maybe a comma"),
        ('text\n"Is it?', "Maybe a quote is not closed"),
        ('{"text": "a"\n', "line 1: not JSON"),
        ('{"text": ' + "[" * 10**5, "line 1: not JSON"),
        ('{"text": "a"}\n[1]\n', "line 2"),
        ("text,language\nIst es?,de", "line 2: language 'de', but people of 'Checks' are asked to speak en. Maybe"),
        ("text,part\nIs it?,hard", "line 2: part 'hard', but 'Checks' is of part 'easy'. Maybe"),
        ("text\nIs it?\nOr not?\n is  IT?", "line 4: the same text as line 2."),
        ("text\nThere already", "line 2: the same text as unit 1 of 'Checks'."),
    ],
)
def test_every_fault_is_told_by_its_line_and_nothing_is_kept(db, people, text, said):
    made, form = checks(db, part="easy")
    offering.add_units(db, made, form, ["there ALREADY"], NOON)
    with pytest.raises(work.FormError) as wrong:
        keep(db, made, form, text)
    assert said in str(wrong.value)
    assert count(db, Upload) == count(db, Source) == 0
    assert count(db, Unit) == 1
    assert people


def test_many_faults_are_counted_and_the_same_text_may_come_twice_if_one_says_so(db, people):
    made, form = checks(db)
    with pytest.raises(work.FormError, match=r"… and 5 more\."):
        keep(db, made, form, "text,language\n" + "x,xxx\n" * 25)
    twice = "text\nSame\nSame\n"
    with pytest.raises(work.FormError, match="Maybe leave them out"):
        keep(db, made, form, twice)
    keep(db, made, form, twice, twice=True)
    assert count(db, Unit) == 2
    assert people


def test_a_mistaken_upload_is_taken_back_and_its_units_are_nobodys(db, people):
    made, form = checks(db)
    upload = keep(db, made, form)
    uploads.undo(db, upload, "lead", NOON)
    assert uploads.undo(db, upload, "lead", NOON) is upload.undo  # once
    assert offering.next_offer(db, people[0], NOON) is None
    assert work.whole(made, "Checks", db) == gate.pilot_units(db, made, "Checks") == []
    assert list(delivery.export(db, made, NOON, unfinished=True)) == []
    keep(db, made, form)  # the same again is no duplicate of what is gone
    assert [one["undone"] for one in uploads.told(db, made)] == [False, True]
    assert offering.next_offer(db, people[0], NOON).unit.number == 3


def test_an_upload_stays_once_somebody_has_begun_or_has_a_unit_before_them(db, people):
    made, form = checks(db)
    upload = keep(db, made, form)
    offer = offering.next_offer(db, people[0], NOON)
    with pytest.raises(work.FormError, match=r"work on unit 1 of 'Checks' has begun \(1 in all\)\. Maybe"):
        uploads.undo(db, upload, "lead", NOON)
    work.reply(db, offer, NOON, taken=False)
    uploads.undo(db, upload, "lead", NOON)
    other = keep(db, made, form)
    take(db, people[1], NOON)
    with pytest.raises(work.FormError, match="has begun"):
        uploads.undo(db, other, "lead", NOON)
