"""Kills at random moments, and the record compared with that of an undisturbed run."""
