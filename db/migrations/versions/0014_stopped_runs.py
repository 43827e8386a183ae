"""A run may end as `stopped`: by Ctrl-C or SIGTERM, which is no failure.

SQLite cannot change a table's rule, so the table is made again with its rows, indexes and triggers.
"""

import sqlalchemy as sa
from alembic import op

revision = "r0014"
down_revision = "r0013"

BEFORE, AFTER = "'completed', 'failed'", "'completed', 'failed', 'stopped'"
RULE = "ck_run_end_status"


def upgrade() -> None:
    """Let runs end in one more way."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE run_end DROP CONSTRAINT {RULE}")
        op.execute(f"ALTER TABLE run_end ADD CONSTRAINT {RULE} CHECK (status IN ({AFTER}))")
    else:
        _on_sqlite()


def _on_sqlite() -> None:
    parts = op.get_bind().execute(
        sa.text(
            "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'run_end' AND sql <> ''"
        )
    )
    made = {(part.type, part.name): part.sql for part in parts}
    table = made.pop(("table", "run_end"))
    for kind, name in made:
        op.execute(f"DROP {kind} {name}")
    op.execute("ALTER TABLE run_end RENAME TO run_end_before")
    op.execute(table.replace(BEFORE, AFTER))
    op.execute("INSERT INTO run_end SELECT * FROM run_end_before ORDER BY id")
    op.execute("DROP TABLE run_end_before")
    for statement in made.values():
        op.execute(statement)
