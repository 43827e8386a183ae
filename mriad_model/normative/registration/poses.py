"""Where each slice of a head lies: rows of numbers that travel with the slices.

A row is of one slice: mm of its pixels, its height in mm above the head's lowest slice, the fit
of the head's registration, and the twelve numbers of its matrix (see `Registration`).
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriad_model.normative.registration.affine import Registration
from mriad_model.normative.registration.frame import Floats, SliceStack

COLUMNS = 15
Poses = NDArray[np.float64]  # (N, 15)


@dataclass(frozen=True, slots=True, eq=False)
class PlacedHead:
    """A head among slices that lie side by side."""

    slices: slice  # which are its own
    stack: SliceStack
    registration: Registration


def poses_of(stack: SliceStack, found: Registration) -> Poses:
    """The rows of a head's slices, (N, 15)."""
    n = len(stack.heights)
    same = [stack.pixel, found.fit, *found.matrix.ravel()]
    rows = np.tile(np.array(same), (n, 1))
    return np.insert(rows, 1, stack.heights, axis=1)


def placed_heads(images: Floats, poses: Poses) -> Iterator[PlacedHead]:
    """The heads of slices (N, S, S), in order. In each, heights rise and all else is the same."""
    others = np.delete(poses, 1, axis=1)
    begins = (np.diff(poses[:, 1]) <= 0) | (np.diff(others, axis=0) != 0).any(1)
    edges = [0, *(np.flatnonzero(begins) + 1), len(poses)]
    for start, end in itertools.pairwise(edges):
        row = poses[start]
        yield PlacedHead(
            slices=slice(int(start), int(end)),
            stack=SliceStack(images[start:end], float(row[0]), poses[start:end, 1]),
            registration=Registration(row[3:].reshape(3, 4).copy(), float(row[2])),
        )
