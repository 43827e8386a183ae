"""A decision may be uncertain or not scorable, and says why; a score keeps its gate.

SQLite cannot change a table's rule, so `decision` and `warning` are made again with their rows,
indexes and triggers, and `review` with them, which refers to decisions.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import TextClause
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

revision = "r0004"
down_revision = "r0003"

NUMBER: TypeEngine[float] = sa.Double().with_variant(sqlite.REAL(), "sqlite")
LETTERS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

VERDICTS = "verdict IN ('normal', 'suspicious', 'uncertain', 'not_scorable')"
REASONS = (
    "reason IN ('not_above_threshold', 'above_threshold', 'near_threshold', 'near_gate', "
    "'folds_disagree', 'unlike_learned', 'contrast_unknown', 'needs_local_healthy', "
    "'registration_failed')"
)
WARNINGS = "kind IN ('drift', 'scanner_drift', 'calibration', 'not_scorable')"


def upgrade() -> None:
    """Let decisions have four verdicts and a reason."""
    op.add_column("score", sa.Column("gate", NUMBER, nullable=True))
    if op.get_context().dialect.name == "postgresql":
        _on_postgresql()
    else:
        _on_sqlite()


def _on_sqlite() -> None:
    decision, review = _parts("decision"), _parts("review")
    _set_aside("decision", decision)  # reviews refer to where it is now
    op.execute(_with_reason(decision[("table", "decision")]))
    op.execute(
        "INSERT INTO decision (id, scan_id, threshold_id, score_id, verdict, p_value, run_id, "
        "created_at) SELECT id, scan_id, threshold_id, score_id, verdict, p_value, run_id, "
        "created_at FROM decision_before ORDER BY id"
    )
    _set_aside("review", review)
    op.execute(review[("table", "review")])
    op.execute("INSERT INTO review SELECT * FROM review_before ORDER BY id")
    op.execute("UPDATE review_before SET withdrawn = NULL")  # a row that is named cannot go
    op.execute("DROP TABLE review_before")
    op.execute("DROP TABLE decision_before")
    for parts in (decision, review):
        _put_back(parts)
    warning = _parts("warning")
    _set_aside("warning", warning)
    op.execute(
        warning[("table", "warning")].replace(
            "kind IN ('drift', 'scanner_drift', 'calibration')", WARNINGS
        )
    )
    op.execute("INSERT INTO warning SELECT * FROM warning_before ORDER BY id")
    op.execute("DROP TABLE warning_before")
    _put_back(warning)


def _parts(table: str) -> dict[tuple[str, str], str]:
    """(kind, name) -> statement, of a table, its indexes and its triggers."""
    found = op.get_bind().execute(_QUERY, {"table": table})
    return {(part.type, part.name): part.sql for part in found}


_QUERY: TextClause = sa.text(
    "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = :table AND sql <> ''"
)


def _set_aside(table: str, parts: dict[tuple[str, str], str]) -> None:
    for kind, name in parts:
        if kind != "table":
            op.execute(f"DROP {kind} {name}")
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_before")


def _put_back(parts: dict[tuple[str, str], str]) -> None:
    for (kind, _), statement in parts.items():
        if kind != "table":
            op.execute(statement)


def _with_reason(table: str) -> str:
    column = "created_at TEXT NOT NULL"
    reason = f"{column}, \n\treason TEXT, \n\tCONSTRAINT ck_decision_reason CHECK ({REASONS})"
    return table.replace("verdict IN ('normal', 'suspicious')", VERDICTS).replace(column, reason)


def _on_postgresql() -> None:
    op.add_column("decision", sa.Column("reason", LETTERS, nullable=True))
    for table, name, rule in (
        ("decision", "verdict", VERDICTS),
        ("warning", "kind", WARNINGS),
    ):
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}")
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({rule})")
    op.execute(f"ALTER TABLE decision ADD CONSTRAINT ck_decision_reason CHECK ({REASONS})")
