"""Every append to the record and every read of it, one file an aggregate."""
