"""A scan of a dataset may be labelled abnormal, and be learned from as such."""

from db.migrations.rules import widen_rule

revision = "r0007"
down_revision = "r0006"

BEFORE = "role IN ('train', 'validation', 'calibration', 'test')"
AFTER = "role IN ('train', 'validation', 'calibration', 'test', 'labelled_abnormal')"


def upgrade() -> None:
    """Let scans of datasets have one more role."""
    widen_rule("dataset_scan", "role", BEFORE, AFTER)
