"""Prepared scans as arrays side by side, and as text all that is no array: what a file holds."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mriad_model.preprocessing.slices import Placement, PreparedScan, SliceBatch

BESIDE_PIXELS: Final = ("positions", "n_slices", "spacing", "places", "window", "grey", "pixel")


def to_arrays(
    prepared: Sequence[PreparedScan],
) -> tuple[dict[str, NDArray[np.generic]], list[dict[str, Any]]]:
    """The slices of all scans, (N, ...) by name, and for each scan what JSON can hold."""
    arrays = {name: np.concatenate(each) for name, each in array_pieces(prepared).items()}
    return arrays, beside_arrays(prepared)


def array_pieces(prepared: Sequence[PreparedScan]) -> dict[str, list[NDArray[Any]]]:
    """The slices of each scan by name, to be joined; without what not all scans have."""
    batches = [scan.batch for scan in prepared]
    found: dict[str, list[NDArray[Any]]] = {
        "images": [each.images for each in batches],
        "masks": [each.masks for each in batches],
    }
    for name in ("levels", "poses"):
        values = [getattr(each, name) for each in batches]
        if all(each is not None for each in values):
            found[name] = values
    return found


def beside_arrays(prepared: Sequence[PreparedScan]) -> list[dict[str, Any]]:
    """Of each scan what JSON can hold."""
    return [
        {name: getattr(scan, name) for name in BESIDE_PIXELS}
        | {"placements": [astuple(placement) for placement in scan.placements]}
        for scan in prepared
    ]


def from_arrays(
    arrays: Mapping[str, NDArray[Any]], about: Sequence[Mapping[str, Any]]
) -> list[PreparedScan]:
    """What `to_arrays` was given, to the last bit. Raises KeyError or TypeError on other input."""
    batch = SliceBatch(arrays["images"], arrays["masks"], arrays.get("levels"), arrays.get("poses"))
    found, start = [], 0
    for each in about:
        mine = slice(start, start + len(each["positions"]))
        start = mine.stop
        beside = {name: _frozen(each[name]) for name in BESIDE_PIXELS}
        placements = [Placement(*row) for row in each["placements"]]
        found.append(PreparedScan(batch=_part(batch, mine), placements=placements, **beside))
    return found


def _part(batch: SliceBatch, mine: slice) -> SliceBatch:
    """Some of the slices, not copied."""
    levels = None if batch.levels is None else batch.levels[mine]
    poses = None if batch.poses is None else batch.poses[mine]
    return SliceBatch(batch.images[mine], batch.masks[mine], levels, poses)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
