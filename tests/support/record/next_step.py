"""The migrations with one more step, as the next version will bring it, or with fewer."""

import shutil
from pathlib import Path

import pytest

from db.engine import chain, connect
from tests.support.places import REPOSITORY

NEW_TABLES = {
    "0005_findings": ("finding_limit", "finding"),
    "0011_sendings": ("sending",),
    "0015_unscored": ("unscored",),
}  # that steps after the first made
STEP = """
import sqlalchemy as sa
from alembic import op

from db.engine.append_only import number_rows, refuse_changes

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    op.add_column("run", sa.Column("hostname", sa.Text(), nullable=True))
    op.create_table(
        "visit",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("day", sa.Text(), nullable=False),
        sqlite_strict=True,
    )
    dialect = op.get_context().dialect.name
    for statement in (
        *refuse_changes(dialect, "visit", has_id=True, unique=[["day"]]),
        *number_rows(dialect, "visit"),
    ):
        op.execute(statement)
"""


def bring_next_step(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on records are opened by the next version: a column and a table more."""
    migrations = folder / "migrations"
    shutil.copytree(REPOSITORY / "db" / "migrations", migrations)
    number = int(connect.HEAD[1:]) + 1
    step = STEP.format(revision=f"r{number:04}", before=connect.HEAD)
    (migrations / "versions" / f"{number:04}_next.py").write_text(step)
    monkeypatch.setattr(connect, "MIGRATIONS", str(migrations))
    monkeypatch.setattr(connect, "HEAD", f"r{number:04}")


def stay_before(step: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on records are opened by the version before this step, as in `0002_some_name`."""
    migrations = folder / "migrations-before"
    shutil.copytree(REPOSITORY / "db" / "migrations", migrations)
    for each in (migrations / "versions").glob("0*.py"):
        if each.stem >= step:
            each.unlink()
    monkeypatch.setattr(connect, "MIGRATIONS", str(migrations))
    monkeypatch.setattr(connect, "HEAD", f"r{int(step[:4]) - 1:04}")
    later = {table for made, tables in NEW_TABLES.items() if made >= step for table in tables}
    known = tuple(each for each in chain.shapes() if each.table not in later)
    monkeypatch.setattr(chain, "shapes", lambda: known)
