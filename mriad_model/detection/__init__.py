"""From prepared slices to a score: networks, training, anomaly maps, thresholds, drift."""
