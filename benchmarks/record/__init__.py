"""The record and the reader's pages over a million decisions."""
