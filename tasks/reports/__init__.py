"""The rows of the pages that a run and a week write."""
