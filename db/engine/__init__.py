"""Opening and keeping the record: connections, SQLite, PostgreSQL, append-only triggers, checks."""
