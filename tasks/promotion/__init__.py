"""Whether a candidate replaces the current model: growth, comparison, retraining."""
