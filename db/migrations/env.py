"""Runs the steps: on the connection of `db.engine.connect`, or as SQL text for a dialect.

The transaction is the caller's, so that a step and the record of it stand or fall together;
SQLite can do so too, though Alembic does not expect it to.
"""

from alembic import context

from db.schema import metadata


def _run() -> None:
    config = context.config
    if context.is_offline_mode():
        context.configure(
            dialect_name=config.attributes["dialect"],
            target_metadata=metadata,
            literal_binds=True,
        )
    else:
        context.configure(connection=config.attributes["connection"], target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


_run()
