"""Evaluation on labelled scans."""
