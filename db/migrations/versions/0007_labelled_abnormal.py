"""A scan of a dataset may be labelled abnormal, and be learned from as such.

SQLite cannot change a table's rule, so its text is changed in place, as in step r0003: the new
rule allows all that the old one did.
"""

import sqlalchemy as sa
from alembic import op

revision = "r0007"
down_revision = "r0006"

BEFORE = "role IN ('train', 'validation', 'calibration', 'test')"
AFTER = "role IN ('train', 'validation', 'calibration', 'test', 'labelled_abnormal')"
RULE = "ck_dataset_scan_role"


def upgrade() -> None:
    """Let scans of datasets have one more role."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE dataset_scan DROP CONSTRAINT {RULE}")
        op.execute(f"ALTER TABLE dataset_scan ADD CONSTRAINT {RULE} CHECK ({AFTER})")
    else:
        _rewrite_rule("dataset_scan", BEFORE, AFTER)


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
