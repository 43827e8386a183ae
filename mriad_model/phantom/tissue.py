"""Tissues, and how a plane is painted with them."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from mriad_model.phantom.fields import Array

Window = tuple[slice, slice]
EVERYWHERE: Window = (slice(None), slice(None))


class Tissue(IntEnum):
    """What a voxel is made of; the values are those of `PhantomVolume.labels`."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    BONE = 3
    MARROW = 4
    CSF = 5
    GREY = 6
    WHITE = 7
    STRIATUM = 8
    PALLIDUM = 9
    THALAMUS = 10
    DURA = 11
    SKIN = 12
    EYE = 13
    BRAINSTEM = 14


BRAIN = frozenset(
    {
        Tissue.GREY,
        Tissue.WHITE,
        Tissue.STRIATUM,
        Tissue.PALLIDUM,
        Tissue.THALAMUS,
        Tissue.BRAINSTEM,
    }
)


class Canvas:
    """A plane being painted, back to front: signal (H, W) float32 and labels (H, W) uint8."""

    def __init__(self, shape: tuple[int, int], signals: dict[Tissue, float]) -> None:
        self.signal = np.full(shape, signals[Tissue.AIR], np.float32)
        self.labels = np.full(shape, int(Tissue.AIR), np.uint8)
        self._signals = signals

    def paint(self, tissue: Tissue, coverage: Array, window: Window = EVERYWHERE) -> None:
        """Lay a tissue over a window of what is there, as far as it covers each voxel (0..1)."""
        signal = self.signal[window]
        signal += coverage * (np.float32(self._signals[tissue]) - signal)
        self.labels[window][coverage > np.float32(0.5)] = tissue

    def blend(self, signal: float, coverage: Array) -> None:
        """Move the signal towards a value, leaving the labels: what a lesion does to tissue."""
        self.signal += coverage * (np.float32(signal) - self.signal)

    def is_one_of(self, tissues: frozenset[Tissue]) -> NDArray[np.bool_]:
        """Where the label is one of these, (H, W)."""
        table = np.zeros(256, np.bool_)
        table[[int(t) for t in tissues]] = True
        return table[self.labels]
