"""A warning may be of a `label`: something speaks against healthy labels.

As in `0006_silent`, the rule is changed in the text of the SQLite table: the new one allows all
that the old one did, so no row is touched.
"""

import sqlalchemy as sa
from alembic import op

revision = "r0010"
down_revision = "r0009"

KINDS = "kind IN ('drift', 'scanner_drift', 'calibration', 'not_scorable', 'silent_detector'"
BEFORE, AFTER = f"{KINDS})", f"{KINDS}, 'label')"
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
