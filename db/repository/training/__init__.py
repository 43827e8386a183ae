"""What was trained: data sets, models, thresholds, comparisons."""
