"""Rules of the tables, changed by migrations."""

import sqlalchemy as sa
from alembic import op


def widen_rule(table: str, column: str, before: str, after: str) -> None:
    """Let a column take more values. `after` must allow all that `before` does.

    So no row is touched. SQLite cannot change a rule, and other tables may refer to this one:
    its text is changed in place (https://www.sqlite.org/lang_altertable.html, 7).
    """
    if op.get_context().dialect.name == "postgresql":
        rule = f"ck_{table}_{column}"
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {rule}")
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {rule} CHECK ({after})")
        return
    connection = op.get_bind()
    version = connection.execute(sa.text("PRAGMA schema_version")).scalar_one()
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    connection.execute(
        sa.text(
            "UPDATE sqlite_master SET sql = replace(sql, :before, :after) "
            "WHERE type = 'table' AND name = :table"
        ),
        {"before": before, "after": after, "table": table},
    )
    connection.execute(sa.text(f"PRAGMA schema_version = {version + 1}"))
    connection.execute(sa.text("PRAGMA writable_schema = OFF"))
