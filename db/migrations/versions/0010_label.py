"""A warning may be of a `label`: something speaks against healthy labels."""

from db.migrations.rules import widen_rule

revision = "r0010"
down_revision = "r0009"

KINDS = "kind IN ('drift', 'scanner_drift', 'calibration', 'not_scorable', 'silent_detector'"
BEFORE, AFTER = f"{KINDS})", f"{KINDS}, 'label')"


def upgrade() -> None:
    """Let warnings be of one more kind."""
    widen_rule("warning", "kind", BEFORE, AFTER)
