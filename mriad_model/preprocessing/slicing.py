"""A volume as slices of one plane, normalised together; and maps of slices back on its grid.

Slices are shown as radiologists hang them: the patient's left on the right of axial and coronal
slices; anterior on top of axial, superior on top of coronal and sagittal ones.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.preprocessing.air import without_padding
from mriad_model.readers.volume.geometry import Voxels, canonical, canonical_affine, voxel_spacing
from mriad_model.readers.volume.volumes import Volume
from mriad_model.recipes.recipe import Plane, Slicing

# Of a canonical volume (R, A, S): the axis that is cut across, the slice's rows, its columns.
AXES = {Plane.AXIAL: (2, 1, 0), Plane.CORONAL: (1, 2, 0), Plane.SAGITTAL: (0, 2, 1)}
LEVELS = 65535  # of a normalised slice
AIR_PERCENTILE = 5.0  # of all voxels; even a tight field of view holds that much air
TOP_PERCENTILE = 99.0  # of all voxels; above it lie vessels and artefacts
SQUARE = 0.01  # pixels whose sides differ by less, as a share, are square
SAMPLES = 2_000_000  # voxels that percentiles are taken of, at most about


@dataclass(frozen=True, slots=True, eq=False)
class VolumeSlice:
    """One slice, normalised with its volume, with square pixels."""

    position: int  # along the plane's axis, from 0: up, forward, or to the patient's right
    pixels: NDArray[np.uint16]  # (H, W)


@dataclass(frozen=True, slots=True, eq=False)
class NativeSlices:
    """The slices of a volume in their own size. They are made one at a time."""

    plane: Plane
    shape: tuple[int, int]  # with square pixels
    grey: tuple[float, float]  # the intensities that become 0 and LEVELS
    _view: Voxels = field(repr=False)  # (N, rows, columns), a view of the volume

    def at(self, position: int) -> NDArray[np.uint16]:
        """The pixels of one slice, (H, W), be it judged or not."""
        low, high = self.grey
        values = self._view[position].astype(np.float32)
        scaled = (values - np.float32(low)) / np.float32(high - low)
        pixels = _resized(np.clip(scaled, 0, 1), self.shape) * np.float32(LEVELS)
        return np.asarray(np.rint(pixels), np.uint16)


@dataclass(frozen=True, slots=True, eq=False)
class SlicedVolume:
    """A volume cut into slices. The slices are made one at a time, as they are asked for."""

    slicing: Slicing
    shape: tuple[int, int]  # of the slices, with square pixels
    slice_spacing: float  # mm
    n_slices: int  # in the volume
    positions: tuple[int, ...]  # of the slices with enough foreground
    low: float  # the intensity that becomes 0
    high: float  # the intensity that becomes LEVELS
    threshold: float  # the intensity above which a voxel is no air
    areas: NDArray[np.intp] = field(repr=False)  # (N,) voxels of foreground in each slice
    voxel_spacing: tuple[float, float, float]  # mm, along slices, rows, columns of the view
    _view: Voxels = field(repr=False)  # (N, rows, columns), a view of the volume

    def __iter__(self) -> Iterator[VolumeSlice]:
        return (self.slice_at(position) for position in self.positions)

    def __len__(self) -> int:
        return len(self.positions)

    def foreground(self) -> tuple[NDArray[np.bool_], tuple[float, float, float]]:
        """Which voxels are no air, (n, rows, columns), thinned out; how far apart they lie, mm."""
        step = _step(self._view)
        slices, rows, columns = (step * each for each in self.voxel_spacing)
        return _sample(self._view) > self.threshold, (slices, rows, columns)

    def slice_at(self, position: int) -> VolumeSlice:
        """One slice, be it among `positions` or not."""
        native = NativeSlices(self.slicing.plane, self.shape, (self.low, self.high), self._view)
        return VolumeSlice(position, native.at(position))


def native_slices(volume: Volume, plane: Plane, grey: tuple[float, float]) -> NativeSlices:
    """The slices of a volume that was cut before, with the grey range that was found then."""
    view = _plane_view(volume.voxels, volume, plane)
    across, down, _ = _spacing(volume, plane)
    return NativeSlices(plane, _shape(view, across, down), grey, view)


def cut(volume: Volume, slicing: Slicing | None = None) -> SlicedVolume:
    """Cut a volume into slices.

    Raises:
        RejectedFile: `no_signal` where no foreground stands out of the air.
    """
    slicing = slicing or Slicing()
    view = _plane_view(volume.voxels, volume, slicing.plane)
    threshold = _foreground_threshold(view, slicing)
    areas = np.array([np.count_nonzero(each > threshold) for each in view])
    enough = np.maximum(
        slicing.min_share * view[0].size, slicing.min_share_of_largest * areas.max(initial=0)
    )
    positions = tuple(np.flatnonzero(areas >= enough).tolist()) if areas.any() else ()
    low, high = _window(view, threshold, slicing)
    if not positions or not high > low:
        raise RejectedFile(RejectionReason.NO_SIGNAL, "nothing stands out of the air")
    across, down, along = _spacing(volume, slicing.plane)
    return SlicedVolume(
        slicing=slicing,
        shape=_shape(view, across, down),
        slice_spacing=along,
        n_slices=len(view),
        positions=positions,
        low=low,
        high=high,
        threshold=threshold,
        areas=areas,
        voxel_spacing=(along, down, across),
        _view=view,
    )


def onto_volume(
    maps: Mapping[int, NDArray[np.float32]], volume: Volume, plane: Plane
) -> NDArray[np.float32]:
    """Lay maps of slices, by position, onto the volume's own grid: (Z, Y, X), 0 elsewhere.

    With the volume's affine, the result lies where the source lies.
    """
    laid = np.zeros(volume.voxels.shape, np.float32)
    view = _plane_view(laid, volume, plane)
    for position, anomaly_map in maps.items():
        view[position] = _resized(anomaly_map, (view.shape[1], view.shape[2]))
    return laid


def areas_across(
    mask: NDArray[np.bool_], affine: NDArray[np.float64], plane: Plane
) -> NDArray[np.intp]:
    """How many voxels of a mask (Z, Y, X) each slice of a plane holds, (N,), by position."""
    voxels = canonical(mask, affine).transpose(AXES[plane])
    return np.asarray(np.count_nonzero(voxels, axis=(1, 2)), np.intp)


def ras_of(
    volume: Volume, plane: Plane, shape: tuple[int, int], place: tuple[int, float, float]
) -> tuple[float, float, float]:
    """RAS mm of a place in the slices of a volume.

    Args:
        volume: the volume.
        plane: which way it is cut.
        shape: (H, W) of the slices, with square pixels.
        place: the slice's position, row and column in it.
    """
    position, row, column = place
    z, y, x = volume.voxels.shape
    sides = canonical(volume.voxels, volume.affine).shape
    _, down, across = (sides[axis] for axis in AXES[plane])
    voxel = [0.0, 0.0, 0.0, 1.0]
    # Rows and columns are turned round, see `_plane_view`.
    own_row, own_column = (
        (each + 0.5) * n / side - 0.5
        for each, n, side in zip((row, column), (down, across), shape, strict=True)
    )
    found = (position, down - 1 - own_row, across - 1 - own_column)
    for axis, each in zip(AXES[plane], found, strict=True):
        voxel[axis] = each
    right, front, up = (canonical_affine((z, y, x), volume.affine) @ voxel)[:3].tolist()
    return right, front, up


def _plane_view(voxels: Voxels, volume: Volume, plane: Plane) -> Voxels:
    """A view of voxels (Z, Y, X) on the volume's grid, as slices (N, rows, columns)."""
    view = canonical(voxels, volume.affine).transpose(AXES[plane])
    # Rows run up or forward: turned round. Columns run to the right: turned round, for a
    # viewer at the patient's feet or face; forward: turned round, so that the nose is left.
    return view[:, ::-1, ::-1]


def pixel_side(volume: Volume, plane: Plane) -> float:
    """The side of a slice's square pixels, mm."""
    across, down, _ = _spacing(volume, plane)
    return min(across, down)


def _spacing(volume: Volume, plane: Plane) -> tuple[float, float, float]:
    """Distances between columns, rows and slices of a plane, mm."""
    z, y, x = volume.voxels.shape
    spacing = voxel_spacing(canonical_affine((z, y, x), volume.affine))
    along, down, across = (spacing[axis] for axis in AXES[plane])
    return across, down, along


def _foreground_threshold(view: Voxels, slicing: Slicing) -> float:
    """The intensity above which a voxel is no air."""
    sample = without_padding(_sample(view))
    air, top = np.percentile(sample, (AIR_PERCENTILE, TOP_PERCENTILE))
    return float(air + slicing.foreground * (top - air))


def _window(view: Voxels, threshold: float, slicing: Slicing) -> tuple[float, float]:
    """The percentiles of the foreground; equal where there is none."""
    sample = _sample(view)
    inside = sample[sample > threshold]
    if inside.size == 0:
        return threshold, threshold
    low, high = np.percentile(inside, (slicing.low_percentile, slicing.high_percentile))
    return float(low), float(high)


def _sample(view: Voxels) -> NDArray[Any]:
    """Every voxel of a small volume, every second or third along each axis of a large one."""
    step = _step(view)
    return np.asarray(view[::step, ::step, ::step])


def _step(view: Voxels) -> int:
    return max(1, int(np.ceil((view.size / SAMPLES) ** (1 / 3))))


def _shape(view: Voxels, across: float, down: float) -> tuple[int, int]:
    """Of slices with square pixels."""
    rows, columns = view.shape[1:]
    side = min(across, down)
    return _stretched(rows, down / side), _stretched(columns, across / side)


def _stretched(side: int, ratio: float) -> int:
    return side if ratio <= 1 + SQUARE else round(side * ratio)


def _resized(values: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """`values` (H, W) at another shape; themselves where it is the same."""
    if values.shape == shape:
        return values
    smaller = shape[0] < values.shape[0] or shape[1] < values.shape[1]
    interpolation = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    contiguous = np.ascontiguousarray(values, np.float32)
    return np.asarray(cv2.resize(contiguous, shape[::-1], interpolation=interpolation), np.float32)
