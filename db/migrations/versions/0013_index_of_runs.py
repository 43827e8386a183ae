"""An index finds what a run decided: a run's page looked through all decisions for it."""

from alembic import op

revision = "r0013"
down_revision = "r0012"


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_decision_run_id", "decision", ["run_id"])
