"""More reasons why a file is no scan: what its picture is, and what of it is missing.

SQLite cannot change a constraint, so there the table is made anew and its rows carried over
with their ids; dropping a table fires no trigger
(https://www.sqlite.org/lang_droptable.html), and no other table refers to this one.
"""

import sqlalchemy as sa
from alembic import op

from db.engine.append_only import refuse_changes

revision = "0004"
down_revision = "0003"

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OLD = "rejection_of_0003"

REASONS = (
    "reason IN ('symlink', 'not_regular', 'unreadable', 'empty', 'unsupported', 'too_large', "
    "'truncated', 'corrupt', 'multi_frame', 'bad_shape', 'no_signal', 'missing_tags', "
    "'wrong_modality', 'localizer', 'colour', 'burned_in_annotation', 'duplicate', "
    "'bad_geometry', 'too_few_slices', 'shared_positions', 'gap', 'incomplete', "
    "'several_volumes', 'not_finite', 'label_map', 'not_magnitude', 'quantitative_map', "
    "'derived', 'screenshot', 'timed_out', 'reader_died', 'other_kind', "
    "'no_frame_of_reference')"
)


def upgrade() -> None:
    """Let the column hold the new words."""
    if op.get_context().dialect.name == "sqlite":
        _make_anew()
        return
    name = op.f("ck_rejection_reason")
    op.drop_constraint(name, "rejection", type_="check")
    op.create_check_constraint(name, "rejection", REASONS)


def _make_anew() -> None:
    # The old table steps aside: a new one that is renamed would keep quotes in its statement.
    op.rename_table("rejection", OLD)
    op.create_table(
        "rejection",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", WHOLE, nullable=False),
        sa.Column("mtime_ns", WHOLE, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("run_id", WHOLE, nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.CheckConstraint(REASONS, name=op.f("ck_rejection_reason")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_rejection_run_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejection")),
        sa.UniqueConstraint(
            "path",
            "size",
            "mtime_ns",
            "reason",
            name=op.f("uq_rejection_path_size_mtime_ns_reason"),
        ),
        sqlite_strict=True,
    )
    op.execute(f"INSERT INTO rejection SELECT * FROM {OLD}")  # noqa: S608
    op.drop_table(OLD)  # its index and triggers go along
    op.create_index(op.f("ix_rejection_run_id"), "rejection", ["run_id"], unique=False)
    unique = [["path", "size", "mtime_ns", "reason"]]
    for statement in refuse_changes("sqlite", "rejection", has_id=True, unique=unique):
        op.execute(statement)
