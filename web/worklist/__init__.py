"""Which scans a list shows: decisions and reviews in memory, queries, lines."""
