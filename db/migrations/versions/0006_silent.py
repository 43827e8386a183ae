"""A warning may say `silent_detector`: the active model finds few implants, or none."""

from db.migrations.rules import widen_rule

revision = "r0006"
down_revision = "r0005"

BEFORE = "kind IN ('drift', 'scanner_drift', 'calibration', 'not_scorable')"
AFTER = "kind IN ('drift', 'scanner_drift', 'calibration', 'not_scorable', 'silent_detector')"


def upgrade() -> None:
    """Let warnings be of one more kind."""
    widen_rule("warning", "kind", BEFORE, AFTER)
