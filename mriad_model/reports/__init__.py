"""The pages: HTML and CSV of a run, a week, an evaluation."""
