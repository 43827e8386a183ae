import numpy as np
import pytest

from mriad_model.normative.likeness import likeness, resemblance
from mriad_model.normative.registration.mean_heads import FLAIR, T1, drawn_template


@pytest.mark.parametrize("contrast", [T1, FLAIR])
def test_a_head_is_like_itself_and_not_like_itself_turned(contrast):
    template = drawn_template(contrast)
    assert likeness(template.mean, template) == pytest.approx(1)
    assert likeness(0.5 * template.mean + 0.1, template) == pytest.approx(1, abs=1e-3)
    for turned in (template.mean[:, ::-1], template.mean[::-1], template.mean.swapaxes(1, 2)):
        assert likeness(np.ascontiguousarray(turned), template) < 0.5


def test_an_even_body_is_like_no_head():
    template = drawn_template(T1)
    assert likeness(np.full_like(template.mean, 0.6), template) == 0
    assert likeness((template.brain > 0.3).astype(np.float32), template) < 0.5


def test_grey_values_of_another_gain_and_a_large_lesion_change_no_resemblance_but_a_curve_does():
    template = drawn_template(T1)
    assert resemblance(template.mean, template) == pytest.approx(1)
    assert resemblance(0.5 * template.mean + 0.1, template) == pytest.approx(1)
    lesion = template.mean.copy()
    lesion[22:34, 24:40, 8:28] = 0.1  # 180 ml
    assert resemblance(lesion, template) == pytest.approx(1, abs=1e-3)
    assert resemblance(np.abs(template.mean - 0.6), template) < 0.9
    assert resemblance(np.zeros_like(template.mean), template) == 0
