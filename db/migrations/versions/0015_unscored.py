"""Unscored: which model has tried which scan and can give it no score, so that it tries it once.

Scans that failed before are tried once more, and then remembered.
"""

import sqlalchemy as sa
from alembic import op

from db.engine.append_only import number_rows, refuse_changes

revision = "r0015"
down_revision = "r0014"

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LETTERS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
UNIQUE = ("scan_id", "model_id")
REASONS = (
    "symlink", "not_regular", "unreadable", "empty", "unsupported", "too_large", "truncated",
    "corrupt", "multi_frame", "bad_shape", "no_signal", "missing_tags", "wrong_modality",
    "localizer", "colour", "burned_in_annotation", "duplicate", "bad_geometry", "too_few_slices",
    "shared_positions", "gap", "incomplete", "several_volumes", "unregistered", "not_finite",
    "label_map", "not_magnitude", "quantitative_map", "derived", "screenshot", "timed_out",
    "reader_died", "other_kind", "no_frame_of_reference",
)  # fmt: skip


def upgrade() -> None:
    """Make the table."""
    allowed = ", ".join(f"'{reason}'" for reason in REASONS)
    op.create_table(
        "unscored",
        sa.Column("id", WHOLE, primary_key=True),
        _of("scan"),
        _of("model"),
        sa.Column("reason", LETTERS, nullable=False),
        sa.Column("detail", LETTERS, nullable=False),
        _of("run"),
        sa.Column("created_at", LETTERS, nullable=False),
        sa.UniqueConstraint(*UNIQUE, name="uq_unscored_scan_id_model_id"),
        sa.CheckConstraint(f"reason IN ({allowed})", name="reason"),
        sqlite_strict=True,
    )
    dialect = op.get_context().dialect.name
    for statement in (
        *refuse_changes(dialect, "unscored", has_id=True, unique=[UNIQUE]),
        *number_rows(dialect, "unscored"),
    ):
        op.execute(statement)


def _of(other: str) -> sa.Column[int]:
    """A reference to a row of another table, which stays as long as this one does."""
    name = f"{other}_id"
    key = sa.ForeignKey(f"{other}.id", name=f"fk_unscored_{name}", ondelete="RESTRICT")
    return sa.Column(name, WHOLE, key, nullable=False)
