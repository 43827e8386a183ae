"""The chain of links, over all rows that are there as its first; tables number their rows."""

import sqlalchemy as sa
from alembic import context, op

from db.engine import chain
from db.engine.append_only import number_rows, refuse_changes
from db.timestamps import now

revision = "0006"
down_revision = "0005"

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# The tables with ids.
NUMBERED = (
    "run", "run_end", "scan", "sighting", "rejection", "label", "dataset", "model", "threshold",
    "activation", "score", "heatmap", "decision", "review", "arrival", "arrival_end", "warning",
    "challenge", "link",
)  # fmt: skip


def upgrade() -> None:
    """Make the table, put the triggers on, link what is there."""
    dialect = op.get_context().dialect.name
    collation = "C" if dialect == "postgresql" else None
    op.create_table(
        "link",
        sa.Column("id", WHOLE, nullable=False),
        *(
            sa.Column(name, sa.Text(collation=collation), nullable=False)
            for name in ("previous", "sha256", "rows", "created_at")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link")),
        sa.UniqueConstraint("previous", name=op.f("uq_link_previous")),
        sqlite_strict=True,
    )
    for statement in refuse_changes(dialect, "link", has_id=True, unique=[["previous"]]):
        op.execute(statement)
    for table in NUMBERED:
        for statement in number_rows(dialect, table):
            op.execute(statement)
    if not context.is_offline_mode():
        there = chain.shapes_there(op.get_bind())
        chain.append_link(op.get_bind(), {}, now(), there)
