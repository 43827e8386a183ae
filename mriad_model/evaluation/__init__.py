"""Evaluation: how well a recipe separates abnormal scans from healthy ones it never saw.

`dataset` holds prepared scans in one file, `protocol` deals them out, `folds` trains and scores one
fold, `results` is its outcome as one JSON file, so that folds can run as tasks anywhere, `summary`
joins the folds.
"""
