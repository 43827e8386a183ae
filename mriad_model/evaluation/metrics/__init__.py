"""Figures of an evaluation with their intervals: of scans, of lesions; ROC curves, plots."""
