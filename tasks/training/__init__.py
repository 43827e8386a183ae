"""Models and thresholds: train, calibrate, compare, evaluate."""
