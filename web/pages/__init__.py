"""One file a page: what it reads, and the template that it fills in."""
