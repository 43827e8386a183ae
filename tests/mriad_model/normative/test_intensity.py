import numpy as np

from mriad_model.normative.intensity import corrected
from mriad_model.normative.registration.frame import SHAPE
from mriad_model.normative.registration.mean_heads import drawn_template

TEMPLATE = drawn_template("t1")
EVERYWHERE = np.ones(SHAPE, np.bool_)


def test_a_darker_mean_head_is_brought_back():
    found = corrected(0.4 * TEMPLATE.mean, EVERYWHERE, TEMPLATE)
    brain = TEMPLATE.brain > 0.5
    assert np.abs(found - TEMPLATE.mean)[brain].max() < 0.02


def test_a_head_of_which_too_little_is_seen_keeps_its_grey_values():
    head = np.full(SHAPE, 0.3, np.float32)
    assert np.array_equal(corrected(head, np.zeros(SHAPE, np.bool_), TEMPLATE), head)


def test_the_same_head_gives_the_same_bits():
    head = (TEMPLATE.mean * 0.7).astype(np.float32)
    assert np.array_equal(
        corrected(head, EVERYWHERE, TEMPLATE), corrected(head, EVERYWHERE, TEMPLATE)
    )
