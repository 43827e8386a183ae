"""Servers and child processes."""
