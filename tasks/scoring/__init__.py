"""From registered scans to decisions: select, preprocess, score, export, watch for drift."""
