"""Volumes: more reasons why a file is no scan, more kinds of heatmap, files of several scans.

A file may belong to more than one scan, one after the other: a series that was seen half
copied is another scan when it is whole, and a file of several stacks holds several. So a
sighting is told by its file and its scan.

SQLite cannot change a constraint, so there the tables are made anew and their rows carried
over with their ids; dropping a table fires no trigger
(https://www.sqlite.org/lang_droptable.html), and no other table refers to these three.
"""

import sqlalchemy as sa
from alembic import op

from db.engine.append_only import refuse_changes

revision = "0002"
down_revision = "0001"

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OLD = "_of_0001"

REASONS = (
    "reason IN ('symlink', 'not_regular', 'unreadable', 'empty', 'unsupported', 'too_large', "
    "'truncated', 'corrupt', 'multi_frame', 'bad_shape', 'no_signal', 'missing_tags', "
    "'wrong_modality', 'localizer', 'colour', 'burned_in_annotation', 'duplicate', "
    "'bad_geometry', 'too_few_slices', 'shared_positions', 'gap', 'several_volumes', "
    "'not_finite', 'label_map', 'timed_out', 'reader_died', 'other_kind', "
    "'no_frame_of_reference')"
)
KINDS = (
    "kind IN ('slice', 'montage', 'volume', 'secondary_capture', 'segmentation', "
    "'structured_report')"
)


def upgrade() -> None:
    """Let the columns hold the new words, and a file belong to several scans."""
    if op.get_context().dialect.name == "sqlite":
        _make_anew()
    else:
        _alter()
    op.create_index(op.f("ix_scan_series_uid"), "scan", ["series_uid"], unique=False)


# The tables that change: the other unique key of each, and the column of its index.
CHANGED = {
    "rejection": (["path", "size", "mtime_ns", "reason"], "run_id"),
    "heatmap": (["path"], "score_id"),
    "sighting": (["path", "size", "mtime_ns", "inode", "scan_id"], "scan_id"),
}


def _alter() -> None:
    for table, name, words in (
        ("rejection", "ck_rejection_reason", REASONS),
        ("heatmap", "ck_heatmap_kind", KINDS),
    ):
        op.drop_constraint(op.f(name), table, type_="check")
        op.create_check_constraint(op.f(name), table, words)
    op.drop_constraint(op.f("uq_sighting_path_size_mtime_ns_inode"), "sighting", type_="unique")
    key, _ = CHANGED["sighting"]
    op.create_unique_constraint(
        op.f("uq_sighting_path_size_mtime_ns_inode_scan_id"), "sighting", key
    )


def _make_anew() -> None:
    # The old table steps aside: a new one that is renamed would keep quotes in its statement.
    for table in CHANGED:
        op.rename_table(table, table + OLD)
    _rejection()
    _heatmap()
    _sighting()
    for table, (unique, indexed) in CHANGED.items():
        op.execute(f"INSERT INTO {table} SELECT * FROM {table}{OLD}")  # noqa: S608
        op.drop_table(table + OLD)  # its index and triggers go along
        op.create_index(op.f(f"ix_{table}_{indexed}"), table, [indexed], unique=False)
        for statement in refuse_changes("sqlite", table, has_id=True, unique=[unique]):
            op.execute(statement)


def _rejection() -> None:
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


def _heatmap() -> None:
    op.create_table(
        "heatmap",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("score_id", WHOLE, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("position", WHOLE, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.CheckConstraint(KINDS, name=op.f("ck_heatmap_kind")),
        sa.ForeignKeyConstraint(
            ["score_id"], ["score.id"], name=op.f("fk_heatmap_score_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heatmap")),
        sa.UniqueConstraint("path", name=op.f("uq_heatmap_path")),
        sqlite_strict=True,
    )


def _sighting() -> None:
    op.create_table(
        "sighting",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("scan_id", WHOLE, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", WHOLE, nullable=False),
        sa.Column("mtime_ns", WHOLE, nullable=False),
        sa.Column("inode", WHOLE, nullable=False),
        sa.Column("run_id", WHOLE, nullable=False),
        sa.Column("seen_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_sighting_run_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["scan_id"], ["scan.id"], name=op.f("fk_sighting_scan_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sighting")),
        sa.UniqueConstraint(
            "path",
            "size",
            "mtime_ns",
            "inode",
            "scan_id",
            name=op.f("uq_sighting_path_size_mtime_ns_inode_scan_id"),
        ),
        sqlite_strict=True,
    )
