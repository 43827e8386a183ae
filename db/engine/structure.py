"""Whether tables, columns, views, indexes and triggers are what the migrations make.

The migrations are run once more, on SQLite in memory, on PostgreSQL in a schema of its own that
is taken back at once; then the two databases' own accounts of themselves are compared.
"""

import secrets
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Engine, StaticPool, create_engine, text

from db.engine import sqlite as sqlite_file
from db.engine.connect import reading, upgrade
from mriad_model.errors import HomeError

Things = dict[tuple[str, str], str]  # (kind, name) -> what it is made as

_SQLITE_COLUMNS: Final = """
SELECT m.name || '.' || c.name, c.type || ' ' || c."notnull" || ' ' || c.pk || ' '
    || coalesce(c.dflt_value, '') || ' ' || c.hidden
FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c WHERE m.type = 'table'
"""

# kind -> a query of (name, what it is made as), in the schema :schema.
_POSTGRESQL: Final = {
    "table": """
SELECT relname, concat_ws(' ', relkind, relpersistence, relrowsecurity) FROM pg_class
WHERE relnamespace = CAST(:schema AS regnamespace) AND relkind NOT IN ('i', 'I', 't')""",
    "column": """
SELECT concat_ws('.', c.relname, a.attname), concat_ws(' ', format_type(a.atttypid, a.atttypmod),
    a.attnotnull, a.attgenerated, o.collname, pg_get_expr(d.adbin, d.adrelid))
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
LEFT JOIN pg_collation o ON o.oid = a.attcollation
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = CAST(:schema AS regnamespace) AND a.attnum > 0 AND NOT a.attisdropped""",
    "index": """
SELECT i.relname, concat_ws(' ', pg_get_indexdef(x.indexrelid), x.indisvalid, x.indisready)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
WHERE i.relnamespace = CAST(:schema AS regnamespace)""",
    "constraint": """
SELECT conname, concat_ws(' ', pg_get_constraintdef(oid), convalidated) FROM pg_constraint
WHERE connamespace = CAST(:schema AS regnamespace) AND contype IN ('c', 'f', 'p', 'u', 'x')""",
    "trigger": """
SELECT t.tgname, concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled) FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = CAST(:schema AS regnamespace) AND NOT t.tgisinternal""",
    "looking after references of": """
SELECT c.relname, string_agg(DISTINCT CAST(t.tgenabled AS text), '') FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = CAST(:schema AS regnamespace) AND t.tgisinternal GROUP BY c.relname""",
    "function": """
SELECT p.proname, concat_ws(' ', p.prosrc, p.prosecdef, l.lanname) FROM pg_proc p
JOIN pg_language l ON l.oid = p.prolang WHERE p.pronamespace = CAST(:schema AS regnamespace)""",
    "rule": """
SELECT concat_ws('.', c.relname, r.rulename), pg_get_ruledef(r.oid)
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
WHERE c.relnamespace = CAST(:schema AS regnamespace)""",
}


def differences(engine: Engine) -> list[str] | None:
    """What is gone, changed, or none of mriad's, a sentence each.

    None where that cannot be checked: PostgreSQL's user may make no schema to compare with.
    """
    with reading(engine) as connection:
        if engine.dialect.name == "sqlite":
            return _differences(_made_by_sqlite(), _of_sqlite(connection))
        own = str(connection.scalar(text("SELECT current_schema()")))
        found = _of_postgresql(connection, own)
    try:
        return _differences(_made_by_postgresql(engine), found)
    except HomeError:
        return None


def _differences(wanted: Things, found: Things) -> list[str]:
    texts = []
    for kind, name in sorted(wanted.keys() | found.keys()):
        if (kind, name) not in found:
            texts.append(f"{kind} {name} is gone")
        elif (kind, name) not in wanted:
            texts.append(f"{kind} {name} is none of mriad's")
        elif wanted[kind, name] != found[kind, name]:
            texts.append(f"{kind} {name} is not as mriad makes it")
    return texts


def _of_sqlite(connection: Connection) -> Things:
    """Without what SQLite keeps for itself, as by ANALYZE."""
    rows = connection.execute(text("SELECT type, name, sql FROM sqlite_master")).tuples()
    things = {
        (kind, name): _plain(sql or "")
        for kind, name, sql in rows
        if not name.startswith("sqlite_")
    }
    columns = connection.execute(text(_SQLITE_COLUMNS)).tuples()
    return things | {
        ("column", name): made for name, made in columns if not name.startswith("sqlite_")
    }


def _plain(sql: str) -> str:
    """A statement without what differs where a table was renamed, or a step wrote other blanks."""
    return " ".join(sql.replace('"', "").split())


@cache
def _made_by_sqlite() -> Things:
    fresh = create_engine("sqlite://", poolclass=StaticPool)
    sqlite_file.set_up(fresh)
    try:
        with fresh.begin() as connection:
            upgrade(connection)
            return _of_sqlite(connection)
    finally:
        fresh.dispose()


def _of_postgresql(connection: Connection, schema: str) -> Things:
    """Without the schema's own name, which comes before others' names."""
    things: Things = {}
    for kind, query in _POSTGRESQL.items():
        rows: Any = connection.execute(text(query), {"schema": schema}).tuples()
        for name, made in rows:
            things[kind, name] = made.replace(f"{schema}.", "")
    return things


def _made_by_postgresql(engine: Engine) -> Things:
    """Nothing of it stays: the transaction is taken back."""
    name = f"mriad_check_{secrets.token_hex(8)}"
    with engine.connect() as connection, connection.begin() as transaction:
        try:
            connection.execute(text("SET TRANSACTION READ WRITE"))
            connection.execute(text(f"CREATE SCHEMA {name}"))
            connection.execute(text(f"SET LOCAL search_path TO {name}"))
            upgrade(connection)
            return _of_postgresql(connection, name)
        finally:
            transaction.rollback()
