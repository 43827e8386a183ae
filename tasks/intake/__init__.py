"""From files to registered scans: find, read, register, reject; folders that have arrived."""
