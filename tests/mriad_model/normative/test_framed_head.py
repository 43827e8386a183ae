import numpy as np
import pytest

from mriad_model.normative.framed_head import depth_in_head, framed_head, head_in_frame
from mriad_model.normative.registration.affine import refine, register
from mriad_model.normative.registration.frame import SHAPE, SliceStack
from mriad_model.normative.registration.mean_heads import drawn_template, drawn_templates
from tests.support.scans.stacks import another

TEMPLATE = drawn_template("t1")
BRAIN = TEMPLATE.brain > 0.5
BRAIN[:8] = False


@pytest.fixture(scope="module")
def head():
    stack = another().head
    found = refine(stack, TEMPLATE, register(stack, drawn_templates(None)))
    return stack, found, framed_head(stack, TEMPLATE, found)


def test_a_head_has_the_means_grey_values_in_the_brain(head):
    _, _, framed = head
    ratio = np.median(framed.grey[BRAIN]) / np.median(TEMPLATE.mean[BRAIN])
    assert ratio == pytest.approx(1, abs=0.05)
    assert framed.grey.min() >= 0
    assert framed.grey.max() <= 1


def test_gain_and_field_of_the_coil_make_little_difference(head):
    stack, found, framed = head
    z, y, x = (np.linspace(-1, 1, n) for n in stack.images.shape)
    field = 0.6 * np.exp(0.35 * x + 0.2 * y[:, None] - 0.25 * z[:, None, None])
    spoilt = SliceStack((stack.images * field).astype(np.float32), stack.pixel, stack.heights)

    again = framed_head(spoilt, TEMPLATE, found)

    change = np.abs(again.grey - framed.grey)[BRAIN]
    assert np.abs(spoilt.images - stack.images).mean() > 0.03
    assert change.mean() < 0.015


def test_a_large_lesion_is_not_corrected_away(head):
    stack, found, framed = head
    z, y, x = np.meshgrid(*(np.arange(n) for n in stack.images.shape), indexing="ij")
    away = ((z - 34) * stack.step) ** 2 + ((y - 70) ** 2 + (x - 45) ** 2) * stack.pixel**2
    lesion = away < 24**2  # 58 ml
    dark = SliceStack(
        np.where(lesion, 0.5 * stack.images, stack.images), stack.pixel, stack.heights
    )

    ill = framed_head(dark, TEMPLATE, found)

    ratio = ill.grey[BRAIN] / np.maximum(framed.grey[BRAIN], 0.05)
    assert np.quantile(ratio, 0.01) < 0.6
    assert np.median(ratio) == pytest.approx(1, abs=0.03)


def test_the_head_is_whole_and_without_air(head):
    _, _, framed = head
    assert framed.inside[BRAIN].mean() > 0.99
    assert not framed.inside[:, :4, :10].any()


def test_an_empty_frame_is_taken_for_head_everywhere():
    assert head_in_frame(np.zeros(SHAPE, np.float32)).all()


def test_a_mirrored_head_is_the_same_head_the_other_way_round(head):
    _, _, framed = head
    assert np.array_equal(framed.mirrored().grey[..., ::-1], framed.grey)


def test_depth_grows_inwards_and_the_lowest_plane_is_no_surface():
    inside = np.zeros(SHAPE, np.bool_)
    inside[:, 10:54, 10:54] = True

    depth = depth_in_head(inside)

    assert depth[0, 32, 32] > 0.9
    assert depth[-1, 32, 32] < 0.1  # the vertex is
    assert depth[20, 10, 32] < depth[20, 14, 32] < depth[20, 20, 32]
    assert not depth[~inside].any()
