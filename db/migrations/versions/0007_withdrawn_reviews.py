"""A review may be withdrawn: by one more row, which names it.

SQLite cannot add a constraint, so there the table is made anew and its rows carried over with
their ids, as for other reasons before; no other table refers to this one.
"""

import sqlalchemy as sa
from alembic import op

from db.engine.append_only import number_rows, refuse_changes

revision = "0007"
down_revision = "0006"

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OLD = "review_of_0006"
COLUMNS = "id, scan_id, decision_id, reviewer, verdict, note, created_at"


def upgrade() -> None:
    """Add the column; it is empty in every row there is."""
    if op.get_context().dialect.name == "sqlite":
        _make_anew()
        return
    op.add_column("review", sa.Column("withdrawn", WHOLE, nullable=True))
    name = op.f("fk_review_withdrawn")
    op.create_foreign_key(name, "review", "review", ["withdrawn"], ["id"], ondelete="RESTRICT")


def _of(column: str, noun: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_review_{column}")
    return sa.ForeignKeyConstraint([column], [f"{noun}.id"], name=name, ondelete="RESTRICT")


def _make_anew() -> None:
    # The old table steps aside: a new one that is renamed would keep quotes in its statement.
    op.rename_table("review", OLD)
    op.create_table(
        "review",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("scan_id", WHOLE, nullable=False),
        sa.Column("decision_id", WHOLE, nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("withdrawn", WHOLE, nullable=True),
        sa.CheckConstraint("verdict IN ('normal', 'suspicious')", name=op.f("ck_review_verdict")),
        _of("decision_id", "decision"),
        _of("scan_id", "scan"),
        _of("withdrawn", "review"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review")),
        sqlite_strict=True,
    )
    op.execute(f"INSERT INTO review ({COLUMNS}) SELECT {COLUMNS} FROM {OLD}")  # noqa: S608
    op.drop_table(OLD)  # its index and triggers go along
    op.create_index(op.f("ix_review_scan_id"), "review", ["scan_id"], unique=False)
    for statement in (
        *refuse_changes("sqlite", "review", has_id=True),
        *number_rows("sqlite", "review"),
    ):
        op.execute(statement)
