"""Reviews carry tags: words by which people find scans again. Reviews of before have none."""

import sqlalchemy as sa
from alembic import op

revision = "r0008"
down_revision = "r0007"

LETTERS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the column, empty in rows of before."""
    op.add_column("review", sa.Column("tags", LETTERS, nullable=True))
