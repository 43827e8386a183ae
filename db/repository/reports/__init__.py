"""What people read and record: history, worklist, one scan, reports, reviews."""
