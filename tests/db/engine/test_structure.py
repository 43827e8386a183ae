"""Tables, triggers and indexes that are not as mriad makes them are named."""

from contextlib import closing

import pytest
from sqlalchemy import text

from db.engine.connect import open_record, reading
from tasks.maintenance.check import ProblemKind, check
from tests.support.record.checking import checked, told
from tests.support.record.kept import KeptHome
from tests.support.record.postgresql import Server
from tests.support.record.tampering import shell_on


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP TRIGGER decision_refuses_update", ["trigger decision_refuses_update is gone"]),
        ("DROP INDEX ix_label_scan_id", ["index ix_label_scan_id is gone"]),
        (
            "CREATE TABLE aside (x)",
            ["column aside.x is none of mriad's", "table aside is none of mriad's"],
        ),
        (
            "CREATE TRIGGER quiet BEFORE INSERT ON review BEGIN SELECT RAISE(IGNORE); END",
            ["trigger quiet is none of mriad's"],
        ),
        ("CREATE VIEW v AS SELECT 1 AS x", ["view v is none of mriad's"]),
        ("CREATE INDEX more ON label (value)", ["index more is none of mriad's"]),
        (
            "ALTER TABLE label ADD COLUMN extra TEXT",
            ["column label.extra is none of mriad's", "table label is not as mriad makes it"],
        ),
        (
            "DROP TRIGGER label_refuses_delete;"
            "CREATE TRIGGER label_refuses_delete BEFORE DELETE ON label BEGIN SELECT 1; END",
            ["trigger label_refuses_delete is not as mriad makes it"],
        ),
    ],
)  # fmt: skip
def test_tables_that_are_not_as_mriad_makes_them_are_named(
    in_home: KeptHome, change: str, said: list[str]
) -> None:
    with closing(shell_on(in_home.engine)) as shell:
        shell.executescript(change)
        shell.execute("ANALYZE")  # is nothing to complain of
    assert told(checked(in_home), ProblemKind.CHANGED_TABLES) == said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "DROP TRIGGER decision_refuses_change ON decision",
            ["trigger decision_refuses_change is gone"],
        ),
        (
            "ALTER TABLE decision DISABLE TRIGGER decision_refuses_change",
            ["trigger decision_refuses_change is not as mriad makes it"],
        ),
        (
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN RETURN NEW; END'",
            ["function refuse_change is not as mriad makes it"],
        ),
        ("DROP INDEX ix_label_scan_id", ["index ix_label_scan_id is gone"]),
        (
            "CREATE RULE quiet AS ON INSERT TO review DO INSTEAD NOTHING",
            ["rule review.quiet is none of mriad's"],
        ),
        (
            "ALTER TABLE label DROP CONSTRAINT ck_label_value",
            ["constraint ck_label_value is gone"],
        ),
        (
            "ALTER TABLE label ALTER COLUMN author DROP NOT NULL",
            ["column label.author is not as mriad makes it"],
        ),
        (
            "CREATE TABLE aside (x int)",
            ["column aside.x is none of mriad's", "table aside is none of mriad's"],
        ),
        (
            "ALTER TABLE run_end DISABLE TRIGGER ALL",
            [
                "looking after references of run_end is not as mriad makes it",
                "trigger run_end_numbers_its_rows is not as mriad makes it",
                "trigger run_end_refuses_change is not as mriad makes it",
                "trigger run_end_refuses_truncate is not as mriad makes it",
            ],
        ),
    ],
)  # fmt: skip
def test_tables_in_postgresql_that_are_not_as_mriad_makes_them_are_named(
    served: KeptHome, change: str, said: list[str]
) -> None:
    with served.engine.begin() as connection:
        connection.exec_driver_sql(change)
    assert told(checked(served), ProblemKind.CHANGED_TABLES) == said


def test_what_tables_in_postgresql_are_compared_with_is_gone_again(served: KeptHome) -> None:
    assert check(served.engine, served.home, contents=False).problems == []
    with reading(served.engine) as connection:
        schemas = connection.execute(text("SELECT nspname FROM pg_namespace")).scalars().all()
    assert not [name for name in schemas if name.startswith("mriad_check")]


def test_tables_that_cannot_be_compared_are_said_to_be_so(
    served: KeptHome, postgresql: Server
) -> None:
    database = str(served.engine.url.database)
    postgresql.say("CREATE ROLE reader LOGIN", database)
    try:
        postgresql.say("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", database)
        url = postgresql.url(database, "reader")
        with_less = open_record(served.home, url, read_only=True)
        report = check(with_less, served.home, contents=False)
        with_less.dispose()
        assert report.ok
        assert "grant PostgreSQL's user CREATE" in report.notes[0]
    finally:
        postgresql.say("DROP OWNED BY reader", database)
        postgresql.say("DROP ROLE reader", database)
