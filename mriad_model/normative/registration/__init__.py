"""The frame, mean heads in it, and heads registered to them."""
