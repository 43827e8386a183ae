"""Anomalies implanted in healthy slices on the fly, with exact masks: what a network trains on."""
