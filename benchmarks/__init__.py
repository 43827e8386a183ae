"""How fast, next to what. `python -m benchmarks` runs all; ratios come from one run."""
