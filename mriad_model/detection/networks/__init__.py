"""The networks, and how slices are given to them."""
