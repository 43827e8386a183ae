"""Running by itself: folders that arrived, warnings, and challengers that met the champion.

On PostgreSQL all text is compared byte by byte from here on, as SQLite does: by the language
of a database, what begins with some letters does not lie between two others.
"""

import sqlalchemy as sa
from alembic import op

from db.engine.append_only import refuse_changes

revision = "0003"
down_revision = "0002"

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# The other unique keys of each new table.
APPEND_ONLY: dict[str, list[list[str]]] = {
    "arrival": [["path", "fingerprint"]],
    "arrival_end": [["arrival_id"]],
    "warning": [["run_id", "kind", "subject"]],
    "challenge": [["run_id", "challenger_threshold_id"]],
}

COMPARE_BY_BYTE = """
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = current_schema() AND data_type = 'text'
    LOOP
        EXECUTE 'ALTER TABLE ' || quote_ident(found.table_name)
            || ' ALTER COLUMN ' || quote_ident(found.column_name) || ' TYPE text COLLATE "C"';
    END LOOP;
END
$$
"""


def upgrade() -> None:
    """Make the tables, then put the triggers on them."""
    _arrivals()
    _warning()
    _challenge()
    dialect = op.get_context().dialect.name
    if dialect == "postgresql":
        op.execute(COMPARE_BY_BYTE)
    for table, unique in APPEND_ONLY.items():
        for statement in refuse_changes(dialect, table, has_id=True, unique=unique):
            op.execute(statement)


def _of(table: str, column: str, noun: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{noun}.id"], name=name, ondelete="RESTRICT")


def _arrivals() -> None:
    op.create_table(
        "arrival",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("n_files", WHOLE, nullable=False),
        sa.Column("settled_by", sa.Text(), nullable=False),
        sa.Column("settled_at", sa.Text(), nullable=False),
        sa.CheckConstraint("n_files >= 0", name=op.f("ck_arrival_n_files")),
        sa.CheckConstraint(
            "settled_by IN ('complete', 'quiet')", name=op.f("ck_arrival_settled_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_arrival")),
        sa.UniqueConstraint("path", "fingerprint", name=op.f("uq_arrival_path_fingerprint")),
        sqlite_strict=True,
    )
    op.create_table(
        "arrival_end",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("arrival_id", WHOLE, nullable=False),
        sa.Column("run_id", WHOLE, nullable=False),
        sa.Column("ended_at", sa.Text(), nullable=False),
        _of("arrival_end", "arrival_id", "arrival"),
        _of("arrival_end", "run_id", "run"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_arrival_end")),
        sa.UniqueConstraint("arrival_id", name=op.f("uq_arrival_end_arrival_id")),
        sqlite_strict=True,
    )


def _warning() -> None:
    op.create_table(
        "warning",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("run_id", WHOLE, nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('drift', 'scanner_drift', 'calibration')", name=op.f("ck_warning_kind")
        ),
        _of("warning", "run_id", "run"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warning")),
        sa.UniqueConstraint(
            "run_id", "kind", "subject", name=op.f("uq_warning_run_id_kind_subject")
        ),
        sqlite_strict=True,
    )


def _challenge() -> None:
    op.create_table(
        "challenge",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("champion_threshold_id", WHOLE, nullable=False),
        sa.Column("challenger_threshold_id", WHOLE, nullable=False),
        sa.Column("dataset_id", WHOLE, nullable=False),
        sa.Column("promoted", WHOLE, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.Column("run_id", WHOLE, nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.CheckConstraint("promoted IN (0, 1)", name=op.f("ck_challenge_promoted")),
        _of("challenge", "champion_threshold_id", "threshold"),
        _of("challenge", "challenger_threshold_id", "threshold"),
        _of("challenge", "dataset_id", "dataset"),
        _of("challenge", "run_id", "run"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_challenge")),
        sa.UniqueConstraint(
            "run_id",
            "challenger_threshold_id",
            name=op.f("uq_challenge_run_id_challenger_threshold_id"),
        ),
        sqlite_strict=True,
    )
