"""Anomaly maps: smoothed, put together, mirrored about the midline."""
