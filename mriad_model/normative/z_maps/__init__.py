"""The network that reads z-maps, and lesions implanted in healthy heads to train it."""
