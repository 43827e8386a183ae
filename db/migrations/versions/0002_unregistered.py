"""A rejection may say `unregistered`: a head was not found where it can be compared.

SQLite cannot change a table's rule, so the table is made again with its rows, indexes and triggers.
"""

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"

BEFORE, AFTER = "'several_volumes', ", "'several_volumes', 'unregistered', "
RULE = "ck_rejection_reason"


def upgrade() -> None:
    """Let rejections have one more reason."""
    if op.get_context().dialect.name == "postgresql":
        _on_postgresql()
    else:
        _on_sqlite()


def _on_sqlite() -> None:
    parts = op.get_bind().execute(
        sa.text(
            "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'rejection' AND sql <> ''"
        )
    )
    made = {(part.type, part.name): part.sql for part in parts}
    table = made.pop(("table", "rejection"))
    for kind, name in made:
        op.execute(f"DROP {kind} {name}")
    op.execute("ALTER TABLE rejection RENAME TO rejection_before")
    op.execute(table.replace(BEFORE, AFTER))
    op.execute("INSERT INTO rejection SELECT * FROM rejection_before ORDER BY id")
    op.execute("DROP TABLE rejection_before")
    for statement in made.values():
        op.execute(statement)


def _on_postgresql() -> None:
    reasons = (
        "symlink", "not_regular", "unreadable", "empty", "unsupported", "too_large", "truncated",
        "corrupt", "multi_frame", "bad_shape", "no_signal", "missing_tags", "wrong_modality",
        "localizer", "colour", "burned_in_annotation", "duplicate", "bad_geometry",
        "too_few_slices", "shared_positions", "gap", "incomplete", "several_volumes",
        "unregistered", "not_finite", "label_map", "not_magnitude", "quantitative_map", "derived",
        "screenshot", "timed_out", "reader_died", "other_kind", "no_frame_of_reference",
    )  # fmt: skip
    allowed = ", ".join(f"'{reason}'" for reason in reasons)
    op.execute(f"ALTER TABLE rejection DROP CONSTRAINT {RULE}")
    op.execute(f"ALTER TABLE rejection ADD CONSTRAINT {RULE} CHECK (reason IN ({allowed}))")
