"""Padding: stored values that stand where nothing was scanned (PS3.3, C.7.5.1.1.2).

A padding of -32768 lies far below air, and one of 65535 far above the head: taken for grey
values, either moves every estimate of what is air and what is bright. Such voxels become air. A
padding that lies within air's reach is left as it is, and the scan is as if nothing were stated.
"""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from mriad_model.volumes import tags
from mriad_model.volumes.grid import Voxels

DARK = 5.0  # per cent of the other voxels that are darker than what padding becomes: air
ENOUGH = 1_000_000  # voxels to know that by
SHORT = 2  # bytes
AMBIGUOUS = ("US", "SS", "US or SS", "OW", "UN", None)  # types of the tags, and of unread ones
NEAR = 0.02  # of the range of all other values: so near to the lowest, padding looks like air


def stated_padding(dataset: Dataset, bits: int, *, signed: bool) -> tuple[int, int] | None:
    """The lowest and highest stored value that is padding; None where none is stated.

    Args:
        dataset: of the file.
        bits: that are allocated to a stored value.
        signed: whether stored values are signed. The tags often are the other way.
    """
    values = [
        _stored(dataset, keyword, bits, signed)
        for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")
    ]
    value, limit = values
    if value is None:
        return None
    return (value, value) if limit is None else (min(value, limit), max(value, limit))


def without_padding(voxels: Voxels, padded: NDArray[np.bool_]) -> None:
    """Give padded voxels the grey of air, unless they are near the lowest value of the others.

    Args:
        voxels: (Z, Y, X), changed in place.
        padded: where padding was stored, (Z, Y, X).
    """
    others = voxels[~padded]
    if others.size in (0, voxels.size):
        return
    low, high = float(others.min()), float(others.max())
    there = voxels[padded].astype(np.float64)
    near = (there >= low - NEAR * (high - low)) & (there <= low + NEAR * (high - low))
    if not near.all():
        every = max(1, others.size // ENOUGH)
        voxels[padded] = np.percentile(others[::every], DARK, method="lower")


def _stored(dataset: Dataset, keyword: str, bits: int, signed: bool) -> int | None:
    element = dataset.get_item(keyword)
    value = None if element is None else element.value
    number: float | None
    if isinstance(value, bytes) and len(value) == SHORT and element.VR in AMBIGUOUS:
        little = getattr(element, "is_little_endian", True)
        number = float(int.from_bytes(value, "little" if little else "big"))
    else:
        number = tags.optional_number(dataset, keyword)
    if number is None:
        return None
    span = 1 << bits
    whole = int(number) % span
    return whole - span if signed and whole >= span // 2 else whole
