"""Drawn heads as stacks of slices, also as other scanners and other heads would give them."""

from dataclasses import replace
from functools import cache

import numpy as np
from scipy.ndimage import affine_transform

from mriad_model.detection.training.volume_pretraining import DrawnStack, drawn_stack
from mriad_model.normative.registration.frame import FIRST, SHAPE, SPACING, SliceStack
from mriad_model.normative.registration.resampling import chained, inverse, to_voxels
from mriad_model.phantom.scanner import Contrast

drawn = cache(drawn_stack)
SEEN = 500  # numbers from here on are heads that nothing was made of


def another(number: int = 0, contrast: Contrast = Contrast.T1) -> DrawnStack:
    """A head that the shipped mean heads were not made of."""
    return drawn(SEEN + number, contrast)


def turned(stack: SliceStack, to_old: np.ndarray) -> SliceStack:
    """What lies at `to_old` (3, 4) times a place, mm, in `stack`, on the same grid."""
    at = chained(chained(to_voxels(stack), to_old), inverse(to_voxels(stack)))
    images = affine_transform(
        stack.images, at[::-1, 2::-1], at[::-1, 3], stack.images.shape, order=1, mode="nearest"
    )
    return replace(stack, images=images)


def rigid(degrees=(0.0, 0.0, 0.0), shift=(0.0, 0.0, 0.0), scale=1.0) -> np.ndarray:
    """A turn about x, y and z, then a scale and a shift, (3, 4)."""
    a, b, c = np.radians(degrees)
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.hstack([scale * (x @ y @ z), np.array(shift, float)[:, None]])


def about(middle, matrix: np.ndarray) -> np.ndarray:
    """The same turn and scale about `middle` (3,), mm, instead of the origin."""
    middle = np.array(middle, float)
    moved = matrix.copy()
    moved[:, 3] += middle - matrix[:, :3] @ middle
    return moved


def every(stack: SliceStack, n: int) -> SliceStack:
    """Slices n times as thick."""
    whole = len(stack.images) // n * n
    images = stack.images[:whole].reshape(-1, n, *stack.images.shape[1:]).mean(1)
    return SliceStack(images, stack.pixel, np.arange(len(images)) * stack.step * n)


def in_voxels(points: np.ndarray) -> np.ndarray:
    """Places of the frame (n, 3), mm, as (plane, row, column)."""
    return (points[:, ::-1] - np.array(FIRST)) / np.array(SPACING)


def empty_frame() -> np.ndarray:
    return np.zeros(SHAPE, np.float32)
