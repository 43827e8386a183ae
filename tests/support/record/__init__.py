"""Small records and homes, and what is done to them."""
