import numpy as np
import pytest

from mriad_model.detection.volume_pretraining import mean_heads
from mriad_model.normative.drawn import FLAIR, T1
from mriad_model.phantom.scanner import Contrast
from tests.support.stacks import another


@pytest.fixture(scope="module")
def means():
    t1, flair = ([another(n, contrast) for n in range(2)] for contrast in Contrast)
    return mean_heads(t1, flair)


def test_mean_heads_are_symmetric_and_of_one_frame(means):
    heads, brain = means
    assert set(heads) == {T1, FLAIR}
    for mean in (*heads.values(), brain):
        assert np.array_equal(mean, mean[..., ::-1])
    edge = np.corrcoef(heads[T1][20:40].ravel(), heads[FLAIR][20:40].ravel())[0, 1]
    assert edge > 0.8


def test_a_brain_fills_about_a_litre_and_a_half(means):
    _, brain = means
    millilitres = brain.sum() * 3.0 * 3.5 * 3.5 / 1000
    assert 1200 < millilitres < 2200


def test_a_drawn_stack_is_a_head_and_its_brain():
    drawn = another()
    inside = drawn.brain.images > 0
    assert drawn.head.images[inside].mean() > 2 * drawn.head.images[~inside].mean()
    assert drawn.head.images.min() == 0
    assert drawn.head.images.max() == 1
