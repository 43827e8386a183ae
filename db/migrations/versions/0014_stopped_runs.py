"""A run may end as `stopped`: by Ctrl-C or SIGTERM, which is no failure."""

from db.migrations.rules import widen_rule

revision = "r0014"
down_revision = "r0013"

BEFORE = "status IN ('completed', 'failed')"
AFTER = "status IN ('completed', 'failed', 'stopped')"


def upgrade() -> None:
    """Let runs end in one more way."""
    widen_rule("run_end", "status", BEFORE, AFTER)
