"""Evaluation: how well a recipe tells abnormal scans from healthy ones it never saw.

`data` holds prepared images in one file, `plan` deals them out, `folds` trains and scores one
fold, `results` is what a fold found, `summary` puts the folds together. A fold travels as one
JSON file, so that a workflow can run folds as tasks anywhere.
"""
