"""Triggers that make a table append-only and number its rows, as DDL for the migrations.

UPDATE and DELETE raise for every program. SQLite's `INSERT OR REPLACE` deletes rows too, and fires
no DELETE trigger unless the connection sets `recursive_triggers`
(https://www.sqlite.org/lang_conflict.html). So a BEFORE INSERT trigger refuses a row with an id
that is taken, and ignores one with another unique key that is taken: a trigger cannot tell
`ON CONFLICT DO NOTHING`, by which this program writes, from a REPLACE.

A row's id is one more than the highest, whoever inserts it: the latest row wins by its id, so a
row that chose a higher one would win for ever. A step that makes a table adds both triggers.
"""

from collections.abc import Sequence


def refuse_changes(
    dialect: str,
    table: str,
    *,
    has_id: bool,
    unique: Sequence[Sequence[str]] = (),
    empty: Sequence[str] = (),
) -> list[str]:
    """Statements that put the triggers on a table.

    `unique` names its other unique keys; `empty` those of their columns that may hold nothing,
    of which two that hold nothing are alike.
    """
    if dialect == "postgresql":
        return _postgresql(table)
    return _sqlite(table, has_id, unique, empty)


def number_rows(dialect: str, table: str) -> list[str]:
    """Statements that have a table with an id number its rows without a gap, and take no other."""
    refused = f"{table} numbers its rows: this id is refused"
    if dialect == "postgresql":
        return _numbered_by_postgresql(table, refused)
    # AFTER: before it, SQLite does not know the id of a row that brings none.
    below = f"SELECT id FROM {table} WHERE id < NEW.id ORDER BY id DESC LIMIT 1"  # noqa: S608
    above = f"SELECT 1 FROM {table} WHERE id > NEW.id"  # noqa: S608
    return [
        f"CREATE TRIGGER {table}_numbers_its_rows AFTER INSERT ON {table} BEGIN "
        f"SELECT RAISE(ABORT, '{refused}') "
        f"WHERE NEW.id <> coalesce(({below}), 0) + 1 OR EXISTS ({above}); END"
    ]


def _sqlite(
    table: str, has_id: bool, unique: Sequence[Sequence[str]], empty: Sequence[str]
) -> list[str]:
    statements = [
        f"CREATE TRIGGER {table}_refuses_{event.lower()} BEFORE {event} ON {table} BEGIN "
        f"SELECT RAISE(ABORT, '{table} is append-only: {event} refused'); END"
        for event in ("UPDATE", "DELETE")
    ]
    answers = []
    if has_id:
        # Where no id is given, NEW.id is -1 here, which no row bears.
        answers.append(
            f"SELECT RAISE(ABORT, '{table} is append-only: this id is taken') "
            f"WHERE {_is_there(table, ['id'])};"
        )
    answers += [f"SELECT RAISE(IGNORE) WHERE {_is_there(table, key, empty)};" for key in unique]
    if answers:
        statements.append(
            f"CREATE TRIGGER {table}_keeps_what_is_there BEFORE INSERT ON {table} BEGIN "
            f"{' '.join(answers)} END"
        )
    return statements


def _is_there(table: str, key: Sequence[str], empty: Sequence[str] = ()) -> str:
    same = " AND ".join(
        f"{column} {'IS' if column in empty else '='} NEW.{column}" for column in key
    )
    return f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608


def _postgresql(table: str) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_refuses_change BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"CREATE TRIGGER {table}_refuses_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]


def _numbered_by_postgresql(table: str, refused: str) -> list[str]:
    """In place of a sequence, which goes on by itself and which anyone may move to its end."""
    next_id = f"(SELECT coalesce(max(id), 0) + 1 FROM {table})"  # noqa: S608
    return [
        f"ALTER TABLE {table} ALTER COLUMN id SET DEFAULT 0",
        f"DROP SEQUENCE IF EXISTS {table}_id_seq",
        f"CREATE FUNCTION number_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"DECLARE next bigint := {next_id}; "
        "BEGIN IF NEW.id NOT IN (0, next) THEN "
        f"RAISE EXCEPTION USING MESSAGE = '{refused}', ERRCODE = 'restrict_violation'; END IF; "
        "NEW.id := next; RETURN NEW; END $$",
        f"CREATE TRIGGER {table}_numbers_its_rows BEFORE INSERT ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION number_{table}()",
    ]


# Without a percent sign, which drivers and SQL scripts would read differently.
POSTGRESQL_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        MESSAGE = TG_TABLE_NAME || ' is append-only: ' || TG_OP || ' refused',
        ERRCODE = 'restrict_violation';
END
$$
"""
