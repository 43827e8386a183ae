"""Findings: connected parts of anomaly maps, and the limits of each model by which they are told.

Scores made before have none, and their models no limits.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

from db.engine.append_only import number_rows, refuse_changes

revision = "r0005"
down_revision = "r0004"

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBER: TypeEngine[float] = sa.Double().with_variant(sqlite.REAL(), "sqlite")
LETTERS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make both tables."""
    _limits()
    _findings()


def _limits() -> None:
    op.create_table(
        "finding_limit",
        sa.Column("id", WHOLE, primary_key=True),
        _of("model", "finding_limit"),
        *(sa.Column(name, NUMBER, nullable=False) for name in ("peak", "edge", "least")),
        sa.Column("n", WHOLE, nullable=False),
        sa.Column("rate", NUMBER, nullable=False),
        _of("run", "finding_limit"),
        sa.Column("created_at", LETTERS, nullable=False),
        sa.UniqueConstraint("model_id", name="uq_finding_limit_model_id"),
        sa.CheckConstraint("n > 0", name="n"),
        sqlite_strict=True,
    )
    dialect = op.get_context().dialect.name
    for statement in (
        *refuse_changes(dialect, "finding_limit", has_id=True, unique=[["model_id"]]),
        *number_rows(dialect, "finding_limit"),
    ):
        op.execute(statement)


def _findings() -> None:
    op.create_table(
        "finding",
        sa.Column("id", WHOLE, primary_key=True),
        _of("score", "finding"),
        sa.Column("position", WHOLE, nullable=False),
        *(sa.Column(name, NUMBER, nullable=False) for name in ("size", "peak", "x", "y", "z")),
        sa.Column("side", LETTERS, nullable=True),
        sa.UniqueConstraint("score_id", "position", name="uq_finding_score_id_position"),
        sa.CheckConstraint("size > 0", name="size"),
        sa.CheckConstraint("side IN ('left', 'right', 'midline')", name="side"),
        sqlite_strict=True,
    )
    dialect = op.get_context().dialect.name
    for statement in (
        *refuse_changes(dialect, "finding", has_id=True, unique=[["score_id", "position"]]),
        *number_rows(dialect, "finding"),
    ):
        op.execute(statement)


def _of(other: str, table: str) -> sa.Column[int]:
    """A reference to a row of another table, which stays as long as this one does."""
    name = f"{other}_id"
    key = sa.ForeignKey(f"{other}.id", name=f"fk_{table}_{name}", ondelete="RESTRICT")
    return sa.Column(name, WHOLE, key, nullable=False)
