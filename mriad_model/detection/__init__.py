"""From prepared slices to a score and a decision: networks, training, maps, thresholds, gates."""
