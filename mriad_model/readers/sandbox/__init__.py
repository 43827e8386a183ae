"""Untrusted files are read in children with limits of memory and time."""
