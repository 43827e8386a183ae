"""A warning may say `silent_detector`: the active model finds few implants, or none.

As in `0003_rates`, the rule is changed in the text of the SQLite table: the new one allows all that
the old one did, so no row is touched.
"""

import sqlalchemy as sa
from alembic import op

revision = "r0006"
down_revision = "r0005"

BEFORE = "kind IN ('drift', 'scanner_drift', 'calibration', 'not_scorable')"
AFTER = "kind IN ('drift', 'scanner_drift', 'calibration', 'not_scorable', 'silent_detector')"
RULE = "ck_warning_kind"


def upgrade() -> None:
    """Let warnings be of one more kind."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE warning DROP CONSTRAINT {RULE}")
        op.execute(f"ALTER TABLE warning ADD CONSTRAINT {RULE} CHECK ({AFTER})")
        return
    connection = op.get_bind()
    version = connection.execute(sa.text("PRAGMA schema_version")).scalar_one()
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    connection.execute(
        sa.text(
            "UPDATE sqlite_master SET sql = replace(sql, :before, :after) "
            "WHERE type = 'table' AND name = 'warning'"
        ),
        {"before": BEFORE, "after": AFTER},
    )
    connection.execute(sa.text(f"PRAGMA schema_version = {version + 1}"))
    connection.execute(sa.text("PRAGMA writable_schema = OFF"))
