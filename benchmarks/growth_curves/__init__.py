"""CPU time and memory against size: slices, folders, decisions."""
