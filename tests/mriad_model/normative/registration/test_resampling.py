import numpy as np
import pytest

from mriad_model.normative.registration.frame import FIRST, SHAPE, SPACING, SliceStack
from mriad_model.normative.registration.resampling import (
    Sampler,
    chained,
    from_voxels,
    inverse,
    off_frame,
    onto_frame,
    to_voxels,
)
from tests.support.scans.stacks import rigid

MATRIX = rigid(degrees=(8, -5, 12), shift=(3, -4, 70), scale=1.05)


def smooth_stack() -> SliceStack:
    """Grey values that are linear in x, y and z, mm."""
    stack = SliceStack(np.zeros((70, 128, 128), np.float32), 1.9, np.arange(70) * 2.2)
    back = inverse(to_voxels(stack))
    z, y, x = np.meshgrid(*(np.arange(n) for n in stack.images.shape), indexing="ij")
    places = np.stack([x, y, z]).reshape(3, -1)
    mm = back[:, :3] @ places + back[:, 3:]
    values = 200 + mm[0] + 2 * mm[1] + 3 * mm[2]
    return SliceStack(values.reshape(stack.images.shape).astype(np.float32), 1.9, stack.heights)


def expected(shape=SHAPE):
    z, y, x = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    to_mm = chained(MATRIX, from_voxels())
    mm = to_mm[:, :3] @ np.stack([x, y, z]).reshape(3, -1) + to_mm[:, 3:]
    return (200 + mm[0] + 2 * mm[1] + 3 * mm[2]).reshape(shape)


MIDDLE = (slice(20, 32), slice(24, 40), slice(24, 40))


def test_the_frame_gets_the_stacks_values_at_its_places():
    found = onto_frame(smooth_stack(), MATRIX)
    assert np.allclose(found[MIDDLE], expected()[MIDDLE], atol=0.05)


def test_outside_the_stack_the_frame_is_zero():
    far = rigid(shift=(0, 0, 1000))
    assert not onto_frame(smooth_stack(), far).any()


def test_values_come_back_to_the_stacks_pixels():
    stack = smooth_stack()
    z, y, x = np.meshgrid(
        *(np.arange(n) * s + f for n, s, f in zip(SHAPE, SPACING, FIRST, strict=True)),
        indexing="ij",
    )
    values = (500 + x - 2 * y + z).astype(np.float32)

    found = off_frame(values, stack, MATRIX)

    voxel = np.array([66.0, 60.0, 33.0])  # column, row, slice
    to_stack = inverse(to_voxels(stack))
    at = inverse(MATRIX)
    mm = at[:, :3] @ (to_stack[:, :3] @ voxel + to_stack[:, 3]) + at[:, 3]
    assert found[33, 60, 66] == pytest.approx(500 + mm[0] - 2 * mm[1] + mm[2], abs=0.05)
    assert found.shape == stack.images.shape


def test_a_map_there_and_back_keeps_its_peak_in_place():
    stack = smooth_stack()
    values = np.zeros(SHAPE, np.float32)
    values[25:28, 30:33, 40:43] = 1

    there = SliceStack(off_frame(values, stack, MATRIX), stack.pixel, stack.heights)
    back = onto_frame(there, MATRIX)

    assert np.unravel_index(back.argmax(), SHAPE) == (26, 31, 41)


def test_slices_that_lie_unevenly_get_the_same_values():
    stack = smooth_stack()
    chosen = [0, 3, 4, 9, 30, 33, 69]
    values = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    few = SliceStack(stack.images[chosen], stack.pixel, stack.heights[chosen])

    assert np.array_equal(off_frame(values, few, MATRIX), off_frame(values, stack, MATRIX)[chosen])


def test_a_matrix_and_its_inverse_undo_each_other():
    assert np.allclose(chained(inverse(MATRIX), MATRIX), np.eye(3, 4), atol=1e-12)


def test_a_sampler_is_linear_between_voxels_and_zero_outside():
    values = np.random.default_rng(1).random((4, 5, 6, 2)).astype(np.float32)
    points = np.array([[2.0, 1.0, 3.0], [2.5, 1.0, 3.0], [-5.0, 0.0, 0.0]], np.float32)

    found = Sampler(values).at(points, np.eye(3, 4))

    assert np.allclose(found[0], values[3, 1, 2], atol=1e-5)
    assert np.allclose(found[1], (values[3, 1, 2] + values[3, 1, 3]) / 2, atol=1e-5)
    assert np.allclose(found[2], 0, atol=1e-5)
