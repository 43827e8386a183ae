"""The tables of the record, one a dataclass of `db.entities`, whose fields are the columns.

Here stand the keys, indexes and checks. Every table is append-only: triggers refuse
UPDATE and DELETE (`db.engine.append_only`), and each transaction's rows are hashed into the chain
of links (`db.engine.chain`). What is current is the latest row, never a flag. On SQLite the
tables are STRICT: a column holds what its type says; on PostgreSQL text is compared byte by byte.

The migrations make the tables in the database; a test compares the two.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from enum import StrEnum
from typing import Any, Final, get_args, get_type_hints

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

from db import entities
from db.references import References

# SQLite's rowid alias must be spelled INTEGER, and STRICT tables know REAL but not DOUBLE.
WHOLE: Final = BigInteger().with_variant(Integer(), "sqlite")
NUMBER: Final[TypeEngine[float]] = Double().with_variant(REAL(), "sqlite")
# Compared byte by byte, whatever the language of the database: so SQLite does.
LETTERS: Final = Text().with_variant(Text(collation="C"), "postgresql")

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _table(
    name: str,
    entity: type,
    *,
    unique: Sequence[str] = (),
    indexes: Iterable[Sequence[str]] = (),
    checks: Mapping[str, str] | None = None,
) -> Table:
    """The table of a dataclass. `unique` is the primary key of one without an id."""
    hints = get_type_hints(entity, include_extras=True)
    named = sorted((field.name for field in fields(entity)), key=lambda each: each != "id")
    parts = [part for each in named for part in _column(each, hints[each])]
    if unique:
        parts.append((UniqueConstraint if "id" in hints else PrimaryKeyConstraint)(*unique))
    parts += [CheckConstraint(rule, name=each) for each, rule in (checks or {}).items()]
    parts += [Index(None, *columns) for columns in indexes]
    return Table(name, metadata, *parts, sqlite_strict=True, sqlite_with_rowid="id" in hints)


def _column(name: str, hint: Any) -> Iterator[SchemaItem]:
    """A column, and the words it is limited to if its type is an enum."""
    optional = type(None) in get_args(hint)
    kind = get_args(hint)[0] if optional else hint
    if name == "id":
        yield Column(name, WHOLE, primary_key=True)
    elif references := [each for each in get_args(kind) if isinstance(each, References)]:
        key = ForeignKey(f"{references[0].table}.id", ondelete="RESTRICT")
        yield Column(name, WHOLE, key, nullable=optional)
    elif issubclass(kind, StrEnum):
        allowed = ", ".join(f"'{word.value}'" for word in kind)
        yield Column(name, LETTERS, nullable=optional)
        yield CheckConstraint(f"{name} IN ({allowed})", name=name)
    else:
        yield Column(name, _TYPES[kind], nullable=optional)


_TYPES: Final[dict[type, TypeEngine[Any]]] = {int: WHOLE, float: NUMBER, str: LETTERS}

run = _table("run", entities.Run, unique=["flow_run_id"])
run_end = _table("run_end", entities.RunEnd, unique=["run_id"])
scan = _table(
    "scan",
    entities.Scan,
    unique=["sha256"],
    checks={"n_slices": "n_slices > 0"},
    indexes=[["scanner"], ["series_uid"]],
)
sighting = _table(
    "sighting",
    entities.Sighting,
    unique=["path", "size", "mtime_ns", "ctime_ns", "inode", "scan_id"],
    indexes=[["scan_id"]],
)
rejection = _table(
    "rejection",
    entities.Rejection,
    unique=["path", "size", "mtime_ns", "ctime_ns", "reason"],
    indexes=[["run_id"], ["reason"]],
)
label = _table("label", entities.Label, indexes=[["scan_id"]])
dataset = _table("dataset", entities.Dataset, unique=["sha256"])
dataset_scan = _table("dataset_scan", entities.DatasetScan, unique=["dataset_id", "scan_id"])
model = _table("model", entities.Model, unique=["sha256"])
threshold = _table(
    "threshold", entities.Threshold, unique=["model_id", "dataset_id", "policy", "k"]
)
activation = _table("activation", entities.Activation)
score = _table("score", entities.Score, unique=["scan_id", "model_id"], indexes=[["model_id"]])
unscored = _table("unscored", entities.Unscored, unique=["scan_id", "model_id"])
slice_score = _table("slice_score", entities.SliceScore, unique=["score_id", "position"])
heatmap = _table("heatmap", entities.Heatmap, unique=["path"], indexes=[["score_id"]])
sending = _table(
    "sending",
    entities.Sending,
    unique=["delivered", "destination"],  # of attempts that failed, `delivered` is empty
    indexes=[["heatmap_id"]],
)
finding_limit = _table(
    "finding_limit", entities.FindingLimit, unique=["model_id"], checks={"n": "n > 0"}
)
finding = _table(
    "finding", entities.Finding, unique=["score_id", "position"], checks={"size": "size > 0"}
)
decision = _table(
    "decision",
    entities.Decision,
    unique=["scan_id", "threshold_id"],
    checks={"p_value": "p_value > 0 AND p_value <= 1"},
    # The history walks the first two newest first, see db.repository.reports.history; a run's page
    # asks what it decided.
    indexes=[["verdict", "created_at"], ["threshold_id", "verdict", "created_at"], ["run_id"]],
)
review = _table("review", entities.Review, indexes=[["scan_id"]])
arrival = _table(
    "arrival",
    entities.Arrival,
    unique=["path", "fingerprint"],
    checks={"n_files": "n_files >= 0"},
)
arrival_end = _table("arrival_end", entities.ArrivalEnd, unique=["arrival_id"])
warning = _table("warning", entities.RecordedWarning, unique=["run_id", "kind", "subject"])
comparison = _table(
    "comparison",
    entities.Comparison,
    unique=["run_id", "candidate_threshold_id"],
    checks={"promoted": "promoted IN (0, 1)"},
)
report = _table(
    "report", entities.Report, unique=["run_id", "changes_until"], indexes=[["changes_until"]]
)
link = _table("link", entities.Link, unique=["previous"])
