"""The record: tables, engine, migrations, appends and history queries."""
