"""The steps, numbered in the order they are taken."""
