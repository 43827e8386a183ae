import numpy as np

from mriad_model.normative.registration.affine import Registration
from mriad_model.normative.registration.frame import SliceStack
from mriad_model.normative.registration.poses import COLUMNS, placed_heads, poses_of
from tests.support.scans.stacks import rigid


def head(n: int, seed: int) -> tuple[SliceStack, Registration]:
    images = np.random.default_rng(seed).random((n, 8, 8)).astype(np.float32)
    stack = SliceStack(images, 1.5 + seed, np.arange(n) * 2.0)
    return stack, Registration(rigid(shift=(0, 0, seed)), 0.7 + 0.1 * seed)


def test_heads_side_by_side_come_apart_again():
    given = [head(5, 0), head(3, 1), head(3, 1), head(4, 2)]
    images = np.concatenate([stack.images for stack, _ in given])
    poses = np.concatenate([poses_of(*each) for each in given])

    found = list(placed_heads(images, poses))

    assert poses.shape == (15, COLUMNS)
    assert [each.slices for each in found] == [
        slice(0, 5),
        slice(5, 8),
        slice(8, 11),
        slice(11, 15),
    ]
    for each, (stack, registration) in zip(found, given, strict=True):
        assert np.array_equal(each.stack.images, stack.images)
        assert np.array_equal(each.stack.heights, stack.heights)
        assert each.stack.pixel == stack.pixel
        assert np.array_equal(each.registration.matrix, registration.matrix)
        assert each.registration.fit == registration.fit


def test_some_slices_of_a_head_keep_their_heights():
    stack, registration = head(6, 0)
    chosen = [0, 2, 5]
    (found,) = placed_heads(stack.images[chosen], poses_of(stack, registration)[chosen])
    assert found.stack.heights.tolist() == [0.0, 4.0, 10.0]
