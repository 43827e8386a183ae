"""The record kept whole: check, verify, backup."""
