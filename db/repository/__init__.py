"""Every append to the record and every read of it, by stage, one file an aggregate."""
