"""Folders that arrive: snapshots, when they have settled, what is still pending."""
