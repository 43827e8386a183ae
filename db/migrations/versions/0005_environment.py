"""What sways the last bits of a score is kept with the run that computes it.

The column stays empty in rows of before: what they ran on is not known.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column. It takes no rewriting of the table, so its triggers stay as they are."""
    letters = sa.Text()
    if op.get_context().dialect.name == "postgresql":
        letters = sa.Text(collation="C")
    op.add_column("run", sa.Column("environment", letters, nullable=True))
