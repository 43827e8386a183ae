"""What people read and say: history, worklist, one scan, reports, reviews."""
