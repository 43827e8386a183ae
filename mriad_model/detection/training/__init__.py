"""Training: of healthy scans, drawn heads, implants, labelled slices."""
