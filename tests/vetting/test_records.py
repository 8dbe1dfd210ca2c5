"""Facts on both databases: the migrations make exactly the records, moments are UTC, a unit of work is whole or not."""

from datetime import UTC, datetime, timedelta, timezone

import alembic.command
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from tests.conftest import NOON
from tests.vetting.story import begin
from vetting import store
from vetting.records import Answer, Applicant, AuditEntry, Grade, Question, Record
from vetting.sittings import sitting


def revise(engine, revision, way):
    config = Config()
    config.set_main_option("script_location", str(store.MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        way(config, revision)
        connection.commit()


def test_migrations_of_an_empty_database_make_exactly_the_records(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Record.metadata) == []


def test_migrations_can_be_taken_back_and_made_again(engine):
    revise(engine, "base", alembic.command.downgrade)
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    store.migrate(engine)
    assert set(Record.metadata.tables) <= set(inspect(engine).get_table_names())


def test_migrating_twice_changes_nothing(engine):
    with store.writing(engine) as db:
        db.add(Applicant(at=NOON, name="Ada"))
    store.migrate(engine)
    with store.reading(engine) as db:
        assert db.scalars(select(Applicant.name)).all() == ["Ada"]


def test_a_moment_without_a_time_zone_is_refused(engine):
    with (
        pytest.raises(StatementError, match=r"has no time zone. Maybe datetime.now\(UTC\)"),
        store.writing(engine) as db,
    ):
        db.add(Applicant(at=datetime(2026, 1, 1), name="Ada"))  # noqa: DTZ001 -- what is refused
    with store.reading(engine) as db:
        assert db.scalars(select(Applicant)).all() == []


def test_a_moment_from_anywhere_comes_back_as_the_same_moment_in_utc(engine):
    there = NOON.astimezone(timezone(timedelta(hours=-7)))
    with store.writing(engine) as db:
        db.add(Applicant(at=there, name="Ada"))
    with store.reading(engine) as db:
        kept = db.scalars(select(Applicant.at)).one()
    assert kept == NOON
    assert kept.utcoffset() == timedelta(0)


def test_sqlite_survives_a_crash_and_keeps_its_foreign_keys(sqlite_engine):
    with sqlite_engine.connect() as connection:
        asked = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")}
        keys = connection.execute(text("PRAGMA foreign_keys")).scalar()
    assert asked == {"journal_mode": "wal", "synchronous": 2}
    assert keys == 1


def test_a_unit_of_work_that_fails_leaves_nothing(engine):
    def half(db):
        db.add(Applicant(at=NOON, name="Ada"))
        db.flush()
        raise RuntimeError

    with pytest.raises(RuntimeError), store.writing(engine) as db:
        half(db)
    with store.reading(engine) as db:
        assert db.scalars(select(Applicant)).all() == []


def test_what_a_reading_session_changes_is_not_kept(engine):
    with store.reading(engine) as db:
        db.add(Applicant(at=NOON, name="Ada"))
        db.flush()
    with store.reading(engine) as db:
        assert db.scalars(select(Applicant)).all() == []


def again(question):
    return Question(
        at=NOON, sitting_id=question.sitting_id, number=99, item_id=question.item_id, revision=1, why={"skills": {}}
    )


def second_answer(question):
    return Answer(at=NOON, question_id=question.id, request_id="another", response={}, seconds=1.0)


@pytest.mark.parametrize("make", [again, second_answer])
def test_the_database_itself_refuses_a_question_twice_or_a_second_answer(db, bank, make):
    seat = begin(db)
    question = sitting.next_step(db, seat, bank, NOON)
    sitting.answer(db, seat, question, None, request_id="one", bank=bank, now=NOON)
    with pytest.raises(IntegrityError), db.begin_nested():
        db.add(make(question))


def test_facts_survive_the_process_that_wrote_them(database_url):
    seen = []
    for day in (1, 2):
        engine = store.connect(database_url)
        store.migrate(engine)
        with store.writing(engine) as db:
            db.add(AuditEntry(at=datetime(2026, 1, day, tzinfo=UTC), who="test", what="wrote", about={"day": day}))
            db.flush()
            seen = [entry.about["day"] for entry in db.scalars(select(AuditEntry).order_by(AuditEntry.id))]
        engine.dispose()
    assert seen == [1, 2]


def test_grades_from_before_models_graded_are_kept(engine):
    revise(engine, "0001", alembic.command.downgrade)
    answered = (
        "INSERT INTO {} (at, {}) VALUES ('2026-03-02 12:00:00+00:00', {})",
        [
            ("role", "name, body", "'A role', '{}'"),
            ("calibration", "note, body", "'', '{}'"),
            ("applicant", "name, simulated", "'Ada', false"),
            ("invitation", "role_id, expires, uses, name, focus", "1, '2026-04-02 12:00:00+00:00', 1, '', '[]'"),
            (
                "sitting",
                "invitation_id, applicant_id, calibration_id, seat, consent, extra_time, aim, closed_items",
                "1, 1, 1, 1, '', 1, '{}', '[]'",
            ),
            ("question", "sitting_id, number, item_id, revision, why", "1, 1, 'one', 1, '{}'"),
            ("answer", "question_id, request_id, response, seconds", "1, 'one', '{}', 60"),
            ("grade", "answer_id, rater, criterion, level, because", "1, 'key', '', 2, 'so'"),
        ],
    )
    with engine.begin() as connection:
        for table, names, values in answered[1]:
            connection.execute(text(answered[0].format(table, names, values)))
    store.migrate(engine)
    with store.reading(engine) as db:
        kept = db.scalars(select(Grade)).one()
        assert (kept.rater, kept.level, kept.because, kept.quote, kept.call) == ("key", 2, "so", "", None)
