"""Models: which healthy scans, which roles, train, gates, power."""
