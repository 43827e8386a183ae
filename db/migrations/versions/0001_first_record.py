"""The record's first tables, and the triggers that make them append-only."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite

from db.engine.append_only import POSTGRESQL_FUNCTION, refuse_changes

revision = "0001"
down_revision = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBER: sa.types.TypeEngine[float] = sa.Double().with_variant(sqlite.REAL(), "sqlite")

# Unique keys beside the id, of every table but `claim`, which may change.
APPEND_ONLY: dict[str, list[list[str]]] = {
    "run": [["flow_run_id"]],
    "run_end": [["run_id"]],
    "scan": [["sha256"]],
    "sighting": [["path", "size", "mtime_ns", "inode"]],
    "rejection": [["path", "size", "mtime_ns", "reason"]],
    "label": [],
    "dataset": [["sha256"]],
    "dataset_scan": [["dataset_id", "scan_id"]],
    "model": [["sha256"]],
    "threshold": [["model_id", "dataset_id", "policy", "k"]],
    "activation": [],
    "score": [["scan_id", "model_id"]],
    "slice_score": [["score_id", "position"]],
    "heatmap": [["path"]],
    "decision": [["scan_id", "threshold_id"]],
    "review": [],
}


def upgrade() -> None:
    """Make all tables, then put the triggers on them."""
    _tables()
    dialect = op.get_context().dialect.name
    if dialect == "postgresql":
        op.execute(POSTGRESQL_FUNCTION)
    for table, unique in APPEND_ONLY.items():
        has_id = table not in ("dataset_scan", "slice_score")
        for statement in refuse_changes(dialect, table, has_id=has_id, unique=unique):
            op.execute(statement)


def _tables() -> None:
    op.create_table(
        "run",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("flow_run_id", sa.Text(), nullable=False),
        sa.Column("software_version", sa.Text(), nullable=False),
        sa.Column("git_sha", sa.Text(), nullable=True),
        sa.Column("libraries", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.UniqueConstraint("flow_run_id", name=op.f("uq_run_flow_run_id")),
        sqlite_strict=True,
    )
    op.create_table(
        "dataset",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("run_id", WHOLE, nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_dataset_run_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
        sa.UniqueConstraint("sha256", name=op.f("uq_dataset_sha256")),
        sqlite_strict=True,
    )
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
        sa.CheckConstraint(
            "reason IN ('symlink', 'not_regular', 'unreadable', 'empty', 'unsupported', "
            "'too_large', 'truncated', 'corrupt', 'multi_frame', 'bad_shape', 'no_signal')",
            name=op.f("ck_rejection_reason"),
        ),
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
    op.create_index(op.f("ix_rejection_run_id"), "rejection", ["run_id"], unique=False)
    op.create_table(
        "run_end",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("run_id", WHOLE, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text(), nullable=False),
        sa.CheckConstraint("status IN ('completed', 'failed')", name=op.f("ck_run_end_status")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_run_end_run_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_end")),
        sa.UniqueConstraint("run_id", name=op.f("uq_run_end_run_id")),
        sqlite_strict=True,
    )
    op.create_table(
        "scan",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("patient", sa.Text(), nullable=True),
        sa.Column("study_uid", sa.Text(), nullable=True),
        sa.Column("series_uid", sa.Text(), nullable=True),
        sa.Column("scanner", sa.Text(), nullable=True),
        sa.Column("geometry", sa.Text(), nullable=False),
        sa.Column("n_slices", WHOLE, nullable=False),
        sa.Column("run_id", WHOLE, nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('image', 'dicom', 'nifti')", name=op.f("ck_scan_kind")),
        sa.CheckConstraint("n_slices > 0", name=op.f("ck_scan_n_slices")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_scan_run_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scan")),
        sa.UniqueConstraint("sha256", name=op.f("uq_scan_sha256")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_scan_scanner"), "scan", ["scanner"], unique=False)
    op.create_table(
        "dataset_scan",
        sa.Column("dataset_id", WHOLE, nullable=False),
        sa.Column("scan_id", WHOLE, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("twin_group", WHOLE, nullable=False),
        sa.CheckConstraint(
            "role IN ('train', 'validation', 'calibration', 'test')",
            name=op.f("ck_dataset_scan_role"),
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["dataset.id"],
            name=op.f("fk_dataset_scan_dataset_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["scan_id"], ["scan.id"], name=op.f("fk_dataset_scan_scan_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("dataset_id", "scan_id", name=op.f("pk_dataset_scan")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "label",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("scan_id", WHOLE, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.CheckConstraint("source IN ('folder', 'csv', 'reviewer')", name=op.f("ck_label_source")),
        sa.CheckConstraint("value IN ('healthy', 'abnormal')", name=op.f("ck_label_value")),
        sa.ForeignKeyConstraint(
            ["scan_id"], ["scan.id"], name=op.f("fk_label_scan_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_label_scan_id"), "label", ["scan_id"], unique=False)
    op.create_table(
        "model",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("dataset_id", WHOLE, nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("run_id", WHOLE, nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.id"], name=op.f("fk_model_dataset_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_model_run_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model")),
        sa.UniqueConstraint("sha256", name=op.f("uq_model_sha256")),
        sqlite_strict=True,
    )
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
            "path", "size", "mtime_ns", "inode", name=op.f("uq_sighting_path_size_mtime_ns_inode")
        ),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_sighting_scan_id"), "sighting", ["scan_id"], unique=False)
    op.create_table(
        "claim",
        sa.Column("scan_id", WHOLE, nullable=False),
        sa.Column("model_id", WHOLE, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["model.id"], name=op.f("fk_claim_model_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["scan_id"], ["scan.id"], name=op.f("fk_claim_scan_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("scan_id", "model_id", name=op.f("pk_claim")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "score",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("scan_id", WHOLE, nullable=False),
        sa.Column("model_id", WHOLE, nullable=False),
        sa.Column("value", NUMBER, nullable=False),
        sa.Column("run_id", WHOLE, nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["model.id"], name=op.f("fk_score_model_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_score_run_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["scan_id"], ["scan.id"], name=op.f("fk_score_scan_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_score")),
        sa.UniqueConstraint("scan_id", "model_id", name=op.f("uq_score_scan_id_model_id")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_score_model_id"), "score", ["model_id"], unique=False)
    op.create_table(
        "threshold",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("model_id", WHOLE, nullable=False),
        sa.Column("dataset_id", WHOLE, nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("mean", NUMBER, nullable=False),
        sa.Column("sd", NUMBER, nullable=False),
        sa.Column("n", WHOLE, nullable=False),
        sa.Column("k", NUMBER, nullable=False),
        sa.Column("value", NUMBER, nullable=False),
        sa.Column("run_id", WHOLE, nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.CheckConstraint("policy IN ('sigmas', 'quantile')", name=op.f("ck_threshold_policy")),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["dataset.id"],
            name=op.f("fk_threshold_dataset_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["model.id"], name=op.f("fk_threshold_model_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_threshold_run_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_threshold")),
        sa.UniqueConstraint(
            "model_id",
            "dataset_id",
            "policy",
            "k",
            name=op.f("uq_threshold_model_id_dataset_id_policy_k"),
        ),
        sqlite_strict=True,
    )
    op.create_table(
        "activation",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("threshold_id", WHOLE, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["threshold_id"],
            ["threshold.id"],
            name=op.f("fk_activation_threshold_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activation")),
        sqlite_strict=True,
    )
    op.create_table(
        "decision",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("scan_id", WHOLE, nullable=False),
        sa.Column("threshold_id", WHOLE, nullable=False),
        sa.Column("score_id", WHOLE, nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("p_value", NUMBER, nullable=False),
        sa.Column("run_id", WHOLE, nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.CheckConstraint("verdict IN ('normal', 'suspicious')", name=op.f("ck_decision_verdict")),
        sa.CheckConstraint("p_value > 0 AND p_value <= 1", name=op.f("ck_decision_p_value")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_decision_run_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["scan_id"], ["scan.id"], name=op.f("fk_decision_scan_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["score_id"], ["score.id"], name=op.f("fk_decision_score_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["threshold_id"],
            ["threshold.id"],
            name=op.f("fk_decision_threshold_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision")),
        sa.UniqueConstraint(
            "scan_id", "threshold_id", name=op.f("uq_decision_scan_id_threshold_id")
        ),
        sqlite_strict=True,
    )
    op.create_index(
        op.f("ix_decision_threshold_id_verdict_created_at"),
        "decision",
        ["threshold_id", "verdict", "created_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_decision_verdict_created_at"), "decision", ["verdict", "created_at"], unique=False
    )
    op.create_table(
        "heatmap",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("score_id", WHOLE, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("position", WHOLE, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('slice', 'volume')", name=op.f("ck_heatmap_kind")),
        sa.ForeignKeyConstraint(
            ["score_id"], ["score.id"], name=op.f("fk_heatmap_score_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heatmap")),
        sa.UniqueConstraint("path", name=op.f("uq_heatmap_path")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_heatmap_score_id"), "heatmap", ["score_id"], unique=False)
    op.create_table(
        "slice_score",
        sa.Column("score_id", WHOLE, nullable=False),
        sa.Column("position", WHOLE, nullable=False),
        sa.Column("value", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(
            ["score_id"], ["score.id"], name=op.f("fk_slice_score_score_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("score_id", "position", name=op.f("pk_slice_score")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "review",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("scan_id", WHOLE, nullable=False),
        sa.Column("decision_id", WHOLE, nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.CheckConstraint("verdict IN ('normal', 'suspicious')", name=op.f("ck_review_verdict")),
        sa.ForeignKeyConstraint(
            ["decision_id"],
            ["decision.id"],
            name=op.f("fk_review_decision_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["scan_id"], ["scan.id"], name=op.f("fk_review_scan_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_review_scan_id"), "review", ["scan_id"], unique=False)
