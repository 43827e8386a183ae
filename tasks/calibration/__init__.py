"""Thresholds from stored scores: drawn, drawn again, and figures to choose one by."""
