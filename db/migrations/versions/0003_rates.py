"""Thresholds carry the rate they promise, dataset scans their fold, scores the members' spread.

A threshold's policy may be `rate`.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

from db.migrations.rules import widen_rule

revision = "r0003"
down_revision = "r0002"

BEFORE, AFTER = "policy IN ('sigmas', 'quantile')", "policy IN ('sigmas', 'quantile', 'rate')"
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBER: TypeEngine[float] = sa.Double().with_variant(sqlite.REAL(), "sqlite")


def upgrade() -> None:
    """Add the columns, empty in rows of before, and let thresholds have one more policy."""
    op.add_column("threshold", sa.Column("n_groups", WHOLE, nullable=True))
    for name in ("rate", "rate_low", "rate_high"):
        op.add_column("threshold", sa.Column(name, NUMBER, nullable=True))
    op.add_column("dataset_scan", sa.Column("fold", WHOLE, nullable=True))
    op.add_column("score", sa.Column("spread", NUMBER, nullable=True))
    widen_rule("threshold", "policy", BEFORE, AFTER)
