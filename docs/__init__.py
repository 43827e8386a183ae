"""The handbook's pages, and what makes parts of them: `make docs`."""
