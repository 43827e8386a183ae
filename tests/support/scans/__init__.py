"""Drawn pictures, volumes and series, and files of them."""
