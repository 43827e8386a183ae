"""The tables agree with the dataclasses, and the migrations with the tables."""

import io
import re
from contextlib import redirect_stdout
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, Table, create_engine, text

from db import entities, schema
from db.engine.connect import HEAD, open_record, reading

TABLES = sorted(schema.metadata.tables)
PYTHON_TYPES = {"INTEGER": int, "REAL": float, "TEXT": str}


def config(**attributes: Any) -> Config:
    made = Config(attributes=attributes)
    made.set_main_option("script_location", "db:migrations")
    return made


def test_there_is_a_table_for_every_dataclass_and_no_other() -> None:
    dataclasses = [
        {field.name for field in fields(each)}
        for each in vars(entities).values()
        if isinstance(each, type) and is_dataclass(each)
    ]
    tables = [set(table.columns.keys()) for table in schema.metadata.tables.values()]
    assert len(dataclasses) == len(tables)
    assert all(columns in tables for columns in dataclasses)


def _statements(connection: Connection) -> dict[str, list[str]]:
    rows = connection.execute(
        text(
            "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index')"
            " AND sql IS NOT NULL AND name <> 'alembic_version'"
        )
    )
    return {
        row.name: sorted(part for each in re.split(r",\s|\n", row.sql) if (part := each.strip()))
        for row in rows
    }


def test_the_migrations_make_exactly_the_tables_of_the_schema(home: Path) -> None:
    fresh = create_engine("sqlite://", poolclass=NullPool)
    with fresh.connect() as connection, reading(open_record(home)) as migrated:
        schema.metadata.create_all(connection)
        assert _statements(migrated) == _statements(connection)
        context = MigrationContext.configure(migrated, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_the_newest_migration_is_the_one_the_engine_expects() -> None:
    assert ScriptDirectory.from_config(config()).get_heads() == [HEAD]


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_strict(home: Path, name: str) -> None:
    with reading(open_record(home)) as connection:
        strict = connection.scalar(
            text("SELECT strict FROM pragma_table_list WHERE name = :name"), {"name": name}
        )
    assert strict == 1


def test_the_same_migration_speaks_postgresql() -> None:
    out = io.StringIO()
    made = config(dialect="postgresql")
    made.output_buffer = out
    with redirect_stdout(out):
        command.upgrade(made, "head", sql=True)
    sql = out.getvalue()
    for name in TABLES:
        assert f"CREATE TABLE {name} (" in sql
        assert f"BEFORE UPDATE OR DELETE ON {name} " in sql
        assert f"BEFORE TRUNCATE ON {name} " in sql
    assert "DOUBLE PRECISION" in sql
    assert ") STRICT" not in sql.replace("\n", " ")


def referenced(table: Table) -> set[str]:
    return {key.column.table.name for key in table.foreign_keys}


def test_every_reference_refuses_to_lose_its_row() -> None:
    keys = [key for table in schema.metadata.tables.values() for key in table.foreign_keys]
    assert keys
    assert {key.ondelete for key in keys} == {"RESTRICT"}
