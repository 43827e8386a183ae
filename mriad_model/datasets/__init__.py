"""Who is in a dataset: labels, near-duplicate groups, one role a scan."""
