"""Small phantom volumes, for tests that need many."""

from mriad_model.phantom.contrast import Contrast

CONTRAST = Contrast.T1
SHAPE = (24, 64, 56)
