"""Sendings: which DICOM output was sent to which place, or why not."""

import sqlalchemy as sa
from alembic import op

from db.engine.append_only import number_rows, refuse_changes

revision = "r0011"
down_revision = "r0010"

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LETTERS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
UNIQUE = ("delivered", "destination")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "sending",
        sa.Column("id", WHOLE, primary_key=True),
        _of("heatmap"),
        sa.Column("destination", LETTERS, nullable=False),
        sa.Column("delivered", LETTERS, nullable=True),
        sa.Column("detail", LETTERS, nullable=False),
        _of("run"),
        sa.Column("created_at", LETTERS, nullable=False),
        sa.UniqueConstraint(*UNIQUE, name="uq_sending_delivered_destination"),
        sqlite_strict=True,
    )
    op.create_index("ix_sending_heatmap_id", "sending", ["heatmap_id"])
    dialect = op.get_context().dialect.name
    for statement in (
        *refuse_changes(dialect, "sending", has_id=True, unique=[UNIQUE]),
        *number_rows(dialect, "sending"),
    ):
        op.execute(statement)


def _of(other: str) -> sa.Column[int]:
    """A reference to a row of another table, which stays as long as this one does."""
    name = f"{other}_id"
    key = sa.ForeignKey(f"{other}.id", name=f"fk_sending_{name}", ondelete="RESTRICT")
    return sa.Column(name, WHOLE, key, nullable=False)
