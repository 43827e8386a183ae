"""What scoring found: scores, findings, decisions, warnings."""
