"""When a file's inode last changed is part of what tells that it is as it was.

A file that is written over in place, its time of modification put back, keeps its path, size,
time and inode. The column is empty in every row there is: such a file is read once more, and the
row that then comes says when it changed.

SQLite cannot change a constraint, so there the tables are made anew and their rows carried over
with their ids, as for other reasons before; no other table refers to these two.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from db.engine.append_only import number_rows, refuse_changes

revision = "0008"
down_revision = "0007"

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEYS = {
    "sighting": ("path", "size", "mtime_ns", "inode", "scan_id"),
    "rejection": ("path", "size", "mtime_ns", "reason"),
}
COLUMNS = {
    "sighting": "id, scan_id, path, size, mtime_ns, inode, run_id, seen_at",
    "rejection": "id, path, size, mtime_ns, sha256, reason, detail, run_id, created_at",
}
INDEXED = {"sighting": "scan_id", "rejection": "run_id"}
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
    """Add the column to both tables, and to what makes a row one of its own."""
    for table, key in KEYS.items():
        wider = [*key[:3], "ctime_ns", *key[3:]]
        if op.get_context().dialect.name == "sqlite":
            _make_anew(table, wider)
            continue
        op.add_column(table, sa.Column("ctime_ns", WHOLE, nullable=True))
        op.drop_constraint(op.f(_name(table, key)), table, type_="unique")
        op.create_unique_constraint(op.f(_name(table, wider)), table, wider)


def _name(table: str, key: tuple[str, ...] | list[str]) -> str:
    return f"uq_{table}_{'_'.join(key)}"


def _make_anew(table: str, key: list[str]) -> None:
    # The old table steps aside: a new one that is renamed would keep quotes in its statement.
    old = f"{table}_of_0007"
    op.rename_table(table, old)
    op.create_table(
        table,
        *_columns(table),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint(*key, name=op.f(_name(table, key))),
        sqlite_strict=True,
    )
    names = COLUMNS[table]
    op.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {old} ORDER BY id")  # noqa: S608
    op.drop_table(old)  # its index and triggers go along
    column = INDEXED[table]
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
    for statement in (
        *refuse_changes("sqlite", table, has_id=True, unique=[key], empty=["ctime_ns"]),
        *number_rows("sqlite", table),
    ):
        op.execute(statement)


def _columns(table: str) -> list[SchemaItem]:
    named: list[SchemaItem] = [sa.Column("id", WHOLE, nullable=False)]
    whole = ("size", "mtime_ns", "inode", "run_id", "scan_id")
    for name in COLUMNS[table].split(", ")[1:]:
        kind: TypeEngine[Any] = WHOLE if name in whole else sa.Text()
        named.append(sa.Column(name, kind, nullable=name == "sha256"))
    named.append(sa.Column("ctime_ns", WHOLE, nullable=True))
    found = [*named, _of(table, "run_id", "run")]
    if table == "sighting":
        return [*found, _of(table, "scan_id", "scan")]
    return [*found, sa.CheckConstraint(REASONS, name=op.f("ck_rejection_reason"))]


def _of(table: str, column: str, noun: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{noun}.id"], name=name, ondelete="RESTRICT")
