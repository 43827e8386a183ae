"""The tables of 0.1.0, and the triggers that make them append-only and number their rows.

Written out, and independent of `db.schema`, so that it stays as it ran. A later step adds columns
and tables with Alembic's operations and puts the triggers on what it makes. The numbers of steps
begin with `r`: those without are of versions in development, whose records are refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable, SchemaItem
from sqlalchemy.types import TypeEngine

from db.engine.append_only import POSTGRESQL_FUNCTION, number_rows, refuse_changes

revision = "r0001"
down_revision = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBER: TypeEngine[float] = sa.Double().with_variant(sqlite.REAL(), "sqlite")
LETTERS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

TABLES = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)
REASONS = (
    "symlink", "not_regular", "unreadable", "empty", "unsupported", "too_large", "truncated",
    "corrupt", "multi_frame", "bad_shape", "no_signal", "missing_tags", "wrong_modality",
    "localizer", "colour", "burned_in_annotation", "duplicate", "bad_geometry", "too_few_slices",
    "shared_positions", "gap", "incomplete", "several_volumes", "not_finite", "label_map",
    "not_magnitude", "quantitative_map", "derived", "screenshot", "timed_out", "reader_died",
    "other_kind", "no_frame_of_reference",
)  # fmt: skip


def upgrade() -> None:
    """Make all tables."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(POSTGRESQL_FUNCTION)
    _scans()
    _models()
    _decisions()
    _service()


def _scans() -> None:
    _table(
        "run",
        _text("flow", "flow_run_id", "software_version"),
        _text("git_sha", empty=True),
        _text("libraries", "device", "started_at"),
        _text("environment", empty=True),
        unique=["flow_run_id"],
    )
    _table(
        "run_end",
        _of("run"),
        _text("status", "counts", "ended_at"),
        unique=["run_id"],
        words={"status": ("completed", "failed")},
    )
    _table(
        "scan",
        _text("sha256", "kind"),
        _text("patient", "study_uid", "series_uid", "scanner", empty=True),
        _text("geometry"),
        _whole("n_slices"),
        _of("run"),
        _text("created_at"),
        unique=["sha256"],
        words={"kind": ("image", "dicom", "nifti")},
        checks={"n_slices": "n_slices > 0"},
        indexes=[["scanner"], ["series_uid"]],
    )
    _table(
        "sighting",
        _of("scan"),
        _text("path"),
        _whole("size", "mtime_ns", "inode"),
        _of("run"),
        _text("seen_at"),
        _whole("ctime_ns", empty=True),
        unique=["path", "size", "mtime_ns", "ctime_ns", "inode", "scan_id"],
        indexes=[["scan_id"]],
    )
    _table(
        "rejection",
        _text("path"),
        _whole("size", "mtime_ns"),
        _text("sha256", empty=True),
        _text("reason", "detail"),
        _of("run"),
        _text("created_at"),
        _whole("ctime_ns", empty=True),
        unique=["path", "size", "mtime_ns", "ctime_ns", "reason"],
        words={"reason": REASONS},
        indexes=[["run_id"]],
    )
    _table(
        "label",
        _of("scan"),
        _text("value", "source", "author", "created_at"),
        words={"value": ("healthy", "abnormal"), "source": ("folder", "csv", "reviewer")},
        indexes=[["scan_id"]],
    )


def _models() -> None:
    _table("dataset", _text("sha256"), _of("run"), _text("created_at"), unique=["sha256"])
    _table(
        "dataset_scan",
        _of("dataset", "scan"),
        _text("role"),
        _whole("twin_group"),
        unique=["dataset_id", "scan_id"],
        words={"role": ("train", "validation", "calibration", "test")},
        has_id=False,
    )
    _table(
        "model",
        _text("sha256", "path", "recipe"),
        _of("dataset"),
        _text("metrics"),
        _of("run"),
        _text("created_at"),
        unique=["sha256"],
    )
    _table(
        "threshold",
        _of("model", "dataset"),
        _text("policy"),
        _number("mean", "sd"),
        _whole("n"),
        _number("k", "value"),
        _of("run"),
        _text("created_at"),
        unique=["model_id", "dataset_id", "policy", "k"],
        words={"policy": ("sigmas", "quantile")},
    )
    _table("activation", _of("threshold"), _text("reason", "author", "created_at"))
    _table(
        "comparison",
        [
            _reference("current_threshold_id", "threshold"),
            _reference("candidate_threshold_id", "threshold"),
        ],
        _of("dataset"),
        _whole("promoted"),
        _text("reason", "figures"),
        _of("run"),
        _text("created_at"),
        unique=["run_id", "candidate_threshold_id"],
        checks={"promoted": "promoted IN (0, 1)"},
    )


def _decisions() -> None:
    _table(
        "score",
        _of("scan", "model"),
        _number("value"),
        _of("run"),
        _text("created_at"),
        unique=["scan_id", "model_id"],
        indexes=[["model_id"]],
    )
    _table(
        "slice_score",
        _of("score"),
        _whole("position"),
        _number("value"),
        unique=["score_id", "position"],
        has_id=False,
    )
    _table(
        "heatmap",
        _of("score"),
        _text("kind"),
        _whole("position"),
        _text("path", "sha256", "created_at"),
        unique=["path"],
        words={
            "kind": (
                "slice", "montage", "volume", "secondary_capture", "segmentation",
                "structured_report",
            )
        },
        indexes=[["score_id"]],
    )  # fmt: skip
    _table(
        "decision",
        _of("scan", "threshold", "score"),
        _text("verdict"),
        _number("p_value"),
        _of("run"),
        _text("created_at"),
        unique=["scan_id", "threshold_id"],
        words={"verdict": ("normal", "suspicious")},
        checks={"p_value": "p_value > 0 AND p_value <= 1"},
        indexes=[["verdict", "created_at"], ["threshold_id", "verdict", "created_at"]],
    )
    _table(
        "review",
        _of("scan", "decision"),
        _text("reviewer", "verdict", "note", "created_at"),
        [_reference("withdrawn", "review", empty=True)],
        words={"verdict": ("normal", "suspicious")},
        indexes=[["scan_id"]],
    )


def _service() -> None:
    _table(
        "arrival",
        _text("path", "fingerprint"),
        _whole("n_files"),
        _text("settled_by", "settled_at"),
        unique=["path", "fingerprint"],
        words={"settled_by": ("complete", "quiet")},
        checks={"n_files": "n_files >= 0"},
    )
    _table("arrival_end", _of("arrival", "run"), _text("ended_at"), unique=["arrival_id"])
    _table(
        "warning",
        _text("kind", "subject", "text"),
        _of("run"),
        _text("created_at"),
        unique=["run_id", "kind", "subject"],
        words={"kind": ("drift", "scanner_drift", "calibration")},
    )
    _table(
        "report",
        _of("run"),
        _text("path"),
        _text("changes_since", empty=True),
        _text("changes_until", "created_at"),
        unique=["run_id", "changes_until"],
        indexes=[["changes_until"]],
    )
    _table("link", _text("previous", "sha256", "rows", "created_at"), unique=["previous"])


def _text(*names: str, empty: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, LETTERS, nullable=empty) for name in names]


def _whole(*names: str, empty: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, WHOLE, nullable=empty) for name in names]


def _number(*names: str) -> list[sa.Column[float]]:
    return [sa.Column(name, NUMBER, nullable=False) for name in names]


def _of(*tables: str) -> list[sa.Column[int]]:
    """References to rows of these tables, which stay as long as this one does."""
    return [_reference(f"{table}_id", table) for table in tables]


def _reference(name: str, table: str, *, empty: bool = False) -> sa.Column[int]:
    key = sa.ForeignKey(f"{table}.id", ondelete="RESTRICT")
    return sa.Column(name, WHOLE, key, nullable=empty)


def _table(
    name: str,
    *columns: Sequence[sa.Column[Any]],
    unique: Sequence[str] = (),
    words: Mapping[str, Sequence[str]] | None = None,
    checks: Mapping[str, str] | None = None,
    indexes: Sequence[Sequence[str]] = (),
    has_id: bool = True,
) -> None:
    """One table, its indexes and triggers. `unique` is the primary key of one without an id."""
    parts: list[SchemaItem] = [sa.Column("id", WHOLE, primary_key=True)] if has_id else []
    for column in (each for several in columns for each in several):
        parts.append(column)
        if words and column.name in words:
            allowed = ", ".join(f"'{word}'" for word in words[column.name])
            parts.append(sa.CheckConstraint(f"{column.name} IN ({allowed})", name=column.name))
    if unique:
        parts.append((sa.UniqueConstraint if has_id else sa.PrimaryKeyConstraint)(*unique))
    parts += [sa.CheckConstraint(rule, name=each) for each, rule in (checks or {}).items()]
    made = sa.Table(name, TABLES, *parts, sqlite_strict=True, sqlite_with_rowid=has_id)
    op.execute(CreateTable(made))
    for each in indexes:
        op.execute(CreateIndex(sa.Index(None, *(made.c[column] for column in each))))
    dialect = op.get_context().dialect.name
    empty = [column for column in unique if made.c[column].nullable]
    for statement in refuse_changes(
        dialect, name, has_id=has_id, unique=[unique] if unique else [], empty=empty
    ):
        op.execute(statement)
    if has_id:
        for statement in number_rows(dialect, name):
            op.execute(statement)
