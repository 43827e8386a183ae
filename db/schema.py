"""The tables of the record, one a dataclass of `db.entities`, with the same columns.

Every table but `claim` is append-only: triggers refuse UPDATE and DELETE (`db.engine.append_only`),
and each transaction's rows are hashed into the chain of links (`db.engine.chain`). What is
current is the latest row, never a flag. On SQLite the tables are STRICT: a column holds what its
type says; on PostgreSQL text is compared byte by byte.

The tables stand in the database through the migrations; a test holds the two to each other.
"""

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.sqlite import REAL
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from db.entities import (
    Activation,
    Arrival,
    ArrivalEnd,
    Challenge,
    Claim,
    Dataset,
    DatasetScan,
    Decision,
    Heatmap,
    Label,
    Model,
    RecordedWarning,
    Rejection,
    Review,
    Run,
    RunEnd,
    Scan,
    Score,
    Sighting,
    SliceScore,
    Threshold,
)
from mriad_model.enums import (
    HeatmapKind,
    LabelSource,
    LabelValue,
    Link,
    Policy,
    RejectionReason,
    Role,
    RunStatus,
    ScanKind,
    SettledBy,
    Verdict,
    WarningKind,
)

# SQLite's rowid alias must be spelled INTEGER, and STRICT tables know REAL but not DOUBLE.
WHOLE = BigInteger().with_variant(Integer(), "sqlite")
NUMBER: TypeEngine[float] = Double().with_variant(REAL(), "sqlite")
# Compared byte by byte, whatever the language of the database: so SQLite does.
LETTERS = Text().with_variant(Text(collation="C"), "postgresql")

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", WHOLE, primary_key=True)


def _whole(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, WHOLE, nullable=nullable)


def _number(name: str) -> Column[float]:
    return Column(name, NUMBER, nullable=False)


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, LETTERS, nullable=nullable)


def _of(name: str, noun: str) -> Column[int]:
    """A reference to a row that stays as long as this one does."""
    return Column(name, WHOLE, ForeignKey(f"{noun}.id", ondelete="RESTRICT"), nullable=False)


def _one_of(name: str, words: type[StrEnum]) -> tuple[Column[str], CheckConstraint]:
    """A text column that holds one word of an enum, and nothing else."""
    allowed = ", ".join(f"'{word.value}'" for word in words)
    return _text(name), CheckConstraint(f"{name} IN ({allowed})", name=name)


def _table(name: str, *items: SchemaItem | Iterable[SchemaItem], rowid: bool = True) -> Table:
    flat = [
        part for item in items for part in ([item] if isinstance(item, SchemaItem) else [*item])
    ]
    return Table(name, metadata, *flat, sqlite_strict=True, sqlite_with_rowid=rowid)


run = _table(
    "run",
    _id(),
    _text("flow"),
    _text("flow_run_id"),
    _text("software_version"),
    _text("git_sha", nullable=True),
    _text("libraries"),
    _text("device"),
    _text("started_at"),
    _text("environment", nullable=True),
    UniqueConstraint("flow_run_id"),
)

run_end = _table(
    "run_end",
    _id(),
    _of("run_id", "run"),
    _one_of("status", RunStatus),
    _text("counts"),
    _text("ended_at"),
    UniqueConstraint("run_id"),
)

scan = _table(
    "scan",
    _id(),
    _text("sha256"),
    _one_of("kind", ScanKind),
    _text("patient", nullable=True),
    _text("study_uid", nullable=True),
    _text("series_uid", nullable=True),
    _text("scanner", nullable=True),
    _text("geometry"),
    _whole("n_slices"),
    _of("run_id", "run"),
    _text("created_at"),
    UniqueConstraint("sha256"),
    CheckConstraint("n_slices > 0", name="n_slices"),
    Index(None, "scanner"),
    Index(None, "series_uid"),
)

sighting = _table(
    "sighting",
    _id(),
    _of("scan_id", "scan"),
    _text("path"),
    _whole("size"),
    _whole("mtime_ns"),
    _whole("inode"),
    _of("run_id", "run"),
    _text("seen_at"),
    _whole("ctime_ns", nullable=True),
    UniqueConstraint("path", "size", "mtime_ns", "ctime_ns", "inode", "scan_id"),
    Index(None, "scan_id"),
)

rejection = _table(
    "rejection",
    _id(),
    _text("path"),
    _whole("size"),
    _whole("mtime_ns"),
    _text("sha256", nullable=True),
    _one_of("reason", RejectionReason),
    _text("detail"),
    _of("run_id", "run"),
    _text("created_at"),
    _whole("ctime_ns", nullable=True),
    UniqueConstraint("path", "size", "mtime_ns", "ctime_ns", "reason"),
    Index(None, "run_id"),
)

label = _table(
    "label",
    _id(),
    _of("scan_id", "scan"),
    _one_of("value", LabelValue),
    _one_of("source", LabelSource),
    _text("author"),
    _text("created_at"),
    Index(None, "scan_id"),
)

dataset = _table(
    "dataset",
    _id(),
    _text("sha256"),
    _of("run_id", "run"),
    _text("created_at"),
    UniqueConstraint("sha256"),
)

dataset_scan = _table(
    "dataset_scan",
    _of("dataset_id", "dataset"),
    _of("scan_id", "scan"),
    _one_of("role", Role),
    _whole("twin_group"),
    PrimaryKeyConstraint("dataset_id", "scan_id"),
    rowid=False,
)

model = _table(
    "model",
    _id(),
    _text("sha256"),
    _text("path"),
    _text("recipe"),
    _of("dataset_id", "dataset"),
    _text("metrics"),
    _of("run_id", "run"),
    _text("created_at"),
    UniqueConstraint("sha256"),
)

threshold = _table(
    "threshold",
    _id(),
    _of("model_id", "model"),
    _of("dataset_id", "dataset"),
    _one_of("policy", Policy),
    _number("mean"),
    _number("sd"),
    _whole("n"),
    _number("k"),
    _number("value"),
    _of("run_id", "run"),
    _text("created_at"),
    UniqueConstraint("model_id", "dataset_id", "policy", "k"),
)

activation = _table(
    "activation",
    _id(),
    _of("threshold_id", "threshold"),
    _text("reason"),
    _text("author"),
    _text("created_at"),
)

score = _table(
    "score",
    _id(),
    _of("scan_id", "scan"),
    _of("model_id", "model"),
    _number("value"),
    _of("run_id", "run"),
    _text("created_at"),
    UniqueConstraint("scan_id", "model_id"),
    Index(None, "model_id"),
)

slice_score = _table(
    "slice_score",
    _of("score_id", "score"),
    _whole("position"),
    _number("value"),
    PrimaryKeyConstraint("score_id", "position"),
    rowid=False,
)

heatmap = _table(
    "heatmap",
    _id(),
    _of("score_id", "score"),
    _one_of("kind", HeatmapKind),
    _whole("position"),
    _text("path"),
    _text("sha256"),
    _text("created_at"),
    UniqueConstraint("path"),
    Index(None, "score_id"),
)

decision = _table(
    "decision",
    _id(),
    _of("scan_id", "scan"),
    _of("threshold_id", "threshold"),
    _of("score_id", "score"),
    _one_of("verdict", Verdict),
    _number("p_value"),
    _of("run_id", "run"),
    _text("created_at"),
    UniqueConstraint("scan_id", "threshold_id"),
    CheckConstraint("p_value > 0 AND p_value <= 1", name="p_value"),
    # The history walks these newest first, see db.repository.decisions.
    Index(None, "verdict", "created_at"),
    Index(None, "threshold_id", "verdict", "created_at"),
)

review = _table(
    "review",
    _id(),
    _of("scan_id", "scan"),
    _of("decision_id", "decision"),
    _text("reviewer"),
    _one_of("verdict", Verdict),
    _text("note"),
    _text("created_at"),
    Column("withdrawn", WHOLE, ForeignKey("review.id", ondelete="RESTRICT")),
    Index(None, "scan_id"),
)

arrival = _table(
    "arrival",
    _id(),
    _text("path"),
    _text("fingerprint"),
    _whole("n_files"),
    _one_of("settled_by", SettledBy),
    _text("settled_at"),
    UniqueConstraint("path", "fingerprint"),
    CheckConstraint("n_files >= 0", name="n_files"),
)

arrival_end = _table(
    "arrival_end",
    _id(),
    _of("arrival_id", "arrival"),
    _of("run_id", "run"),
    _text("ended_at"),
    UniqueConstraint("arrival_id"),
)

warning = _table(
    "warning",
    _id(),
    _one_of("kind", WarningKind),
    _text("subject"),
    _text("text"),
    _of("run_id", "run"),
    _text("created_at"),
    UniqueConstraint("run_id", "kind", "subject"),
)

challenge = _table(
    "challenge",
    _id(),
    _of("champion_threshold_id", "threshold"),
    _of("challenger_threshold_id", "threshold"),
    _of("dataset_id", "dataset"),
    _whole("promoted"),
    _text("reason"),
    _text("figures"),
    _of("run_id", "run"),
    _text("created_at"),
    UniqueConstraint("run_id", "challenger_threshold_id"),
    CheckConstraint("promoted IN (0, 1)", name="promoted"),
)

link = _table(
    "link",
    _id(),
    _text("previous"),
    _text("sha256"),
    _text("rows"),
    _text("created_at"),
    UniqueConstraint("previous"),
)

claim = _table(
    "claim",
    _of("scan_id", "scan"),
    _of("model_id", "model"),
    _text("owner"),
    _text("expires_at"),
    PrimaryKeyConstraint("scan_id", "model_id"),
    rowid=False,
)

NOUN_OF: dict[str, type] = {
    "run": Run,
    "run_end": RunEnd,
    "scan": Scan,
    "sighting": Sighting,
    "rejection": Rejection,
    "label": Label,
    "dataset": Dataset,
    "dataset_scan": DatasetScan,
    "model": Model,
    "threshold": Threshold,
    "activation": Activation,
    "score": Score,
    "slice_score": SliceScore,
    "heatmap": Heatmap,
    "decision": Decision,
    "review": Review,
    "arrival": Arrival,
    "arrival_end": ArrivalEnd,
    "warning": RecordedWarning,
    "challenge": Challenge,
    "link": Link,
    "claim": Claim,
}
