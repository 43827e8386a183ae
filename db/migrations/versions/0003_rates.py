"""Thresholds carry the rate they promise, dataset scans their fold, scores the members' spread.

A threshold's policy may be `rate`. SQLite cannot change a table's rule, and other tables refer to
this one, so its text is changed in place (https://www.sqlite.org/lang_altertable.html, 7): the new
rule allows all that the old one did, so no row is touched.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

revision = "r0003"
down_revision = "r0002"

BEFORE, AFTER = "policy IN ('sigmas', 'quantile')", "policy IN ('sigmas', 'quantile', 'rate')"
RULE = "ck_threshold_policy"
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBER: TypeEngine[float] = sa.Double().with_variant(sqlite.REAL(), "sqlite")


def upgrade() -> None:
    """Add the columns, empty in rows of before, and let thresholds have one more policy."""
    op.add_column("threshold", sa.Column("n_groups", WHOLE, nullable=True))
    for name in ("rate", "rate_low", "rate_high"):
        op.add_column("threshold", sa.Column(name, NUMBER, nullable=True))
    op.add_column("dataset_scan", sa.Column("fold", WHOLE, nullable=True))
    op.add_column("score", sa.Column("spread", NUMBER, nullable=True))
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE threshold DROP CONSTRAINT {RULE}")
        op.execute(f"ALTER TABLE threshold ADD CONSTRAINT {RULE} CHECK ({AFTER})")
    else:
        _rewrite_rule("threshold", BEFORE, AFTER)


def _rewrite_rule(table: str, before: str, after: str) -> None:
    """Change a rule in the text of a SQLite table."""
    connection = op.get_bind()
    version = connection.execute(sa.text("PRAGMA schema_version")).scalar_one()
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    connection.execute(
        sa.text(
            "UPDATE sqlite_master SET sql = replace(sql, :before, :after) "
            "WHERE type = 'table' AND name = :table"
        ),
        {"before": before, "after": after, "table": table},
    )
    connection.execute(sa.text(f"PRAGMA schema_version = {version + 1}"))
    connection.execute(sa.text("PRAGMA writable_schema = OFF"))
