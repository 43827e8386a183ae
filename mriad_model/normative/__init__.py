"""The normative frame: every head on one grid, beside the mean and spread of healthy ones there."""
