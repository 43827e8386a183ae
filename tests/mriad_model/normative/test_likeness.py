import numpy as np
import pytest

from mriad_model.normative.likeness import likeness, resemblance, resemblances_among
from mriad_model.normative.registration.mean_heads import FLAIR, T1, drawn_template
from mriad_model.normative.registration.template import template_of


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


def test_a_healthy_head_resembles_the_others_as_a_new_one_does():
    """A head resembles a mean that it is part of for that alone: a gate by it is too narrow."""
    drawn = drawn_template(T1)
    rng = np.random.default_rng(3)
    shape = (20, *drawn.mean.shape)
    heads = [drawn.mean + each for each in rng.normal(0, 0.2, shape).astype(np.float32)]
    learned, new = heads[:10], heads[10:]
    site = template_of(learned, drawn.brain)
    part_of_it, fresh = (
        np.median([resemblance(each, site) for each in some]) for some in (learned, new)
    )
    among = np.median(resemblances_among(learned, range(10), dict(enumerate(learned)), site))
    assert abs(among - fresh) < 0.2 * (part_of_it - fresh)


def test_scans_of_one_patient_are_not_compared_with_each_other():
    drawn = drawn_template(T1)
    rng = np.random.default_rng(4)
    heads = [drawn.mean + each for each in rng.normal(0, 0.2, (3, *drawn.mean.shape))]
    of_mean = dict(enumerate(heads))
    once = resemblances_among(heads, [5, 3, 9], of_mean, drawn)
    twice = resemblances_among([*heads, heads[0]], [5, 3, 9, 5], of_mean, drawn)
    assert twice[0] == twice[3] == once[0]
    alone = resemblances_among(heads, [1, 1, 1], of_mean, drawn)
    assert alone.tolist() == [resemblance(each, drawn) for each in heads]
