"""What lies beside a scan, on its grid: the mask of its lesions, or a difference to add to it.

Neither is a scan, so neither passes `read_image` or `read_nifti`: a mask has few values, and an
empty one has a single value.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriad_model.enums import RejectionReason, ScanKind
from mriad_model.errors import RejectedFile
from mriad_model.readers.images.reading import read_pixels
from mriad_model.readers.nifti.reading import read_nifti_grid
from mriad_model.readers.signatures import volume_kind
from mriad_model.readers.volume.checks import require
from mriad_model.readers.volume.geometry import Affine, Voxels, canonical, canonical_affine
from mriad_model.readers.volume.volume_identity import identity_of
from mriad_model.readers.volume.volumes import MOST_LABELS, Volume

SAME_PLACE = 0.1  # mm that the corners of one grid may be off the other's
LARGEST_LESION_ML = 500.0  # more is the mask of a brain, as skull stripping leaves it


@dataclass(frozen=True, slots=True, eq=False)
class GridValues:
    """The values of a file on a scan's grid."""

    values: NDArray[Any]  # (H, W) of a picture, (Z, Y, X) of a volume
    affine: Affine | None = None  # of a volume


def read_values(path: Path) -> GridValues:
    """The values of a picture or of a NIfTI file. Raises RejectedFile."""
    if volume_kind(path) is ScanKind.NIFTI:
        return GridValues(*read_nifti_grid(path))
    return GridValues(read_pixels(path))


def read_mask(path: Path) -> GridValues:
    """Where the lesions are, bool. Raises RejectedFile.

    Whatever is not 0, as label maps have it; of a picture with many grey levels, which lossy
    compression leaves, whatever is at least half of white.
    """
    read = read_values(path)
    values, least = read.values, 1.0
    if values.dtype.kind == "f":
        return GridValues(values > 0, read.affine)
    if read.affine is None and len(np.unique(values)) > MOST_LABELS:
        least = np.iinfo(values.dtype).max / 2
    return GridValues(values >= least, read.affine)


def laid_on(grid: GridValues, volume: Volume) -> NDArray[Any]:
    """The values on the volume's own grid (Z, Y, X), from that grid or its closest RAS order.

    Raises RejectedFile: `bad_geometry` where they lie somewhere else.
    """
    if grid.affine is None:
        raise RejectedFile(RejectionReason.BAD_GEOMETRY, "a picture lies beside a volume")
    theirs, ours = (_canonical(*each) for each in ((grid.values, grid.affine), _grid_of(volume)))
    corners = np.array([[0, 0, 0, 1], [*(side - 1 for side in ours[0].shape), 1]], np.float64)
    off = np.abs((theirs[1] - ours[1]) @ corners.T).max()
    same = theirs[0].shape == ours[0].shape and off <= SAME_PLACE
    require(bool(same), RejectionReason.BAD_GEOMETRY, "what lies beside it is of another grid")
    laid = np.empty(volume.voxels.shape, grid.values.dtype)
    canonical(laid, volume.affine)[...] = theirs[0]
    return laid


def with_difference(volume: Volume, difference: GridValues) -> Volume:
    """The volume with a difference added to its voxels, as float32; another scan than before."""
    voxels = volume.voxels.astype(np.float32) + laid_on(difference, volume).astype(np.float32)
    return Volume(voxels, volume.affine, volume.origin, identity_of(voxels, volume.affine))


def _grid_of(volume: Volume) -> tuple[Voxels, Affine]:
    return volume.voxels, volume.affine


def _canonical(voxels: Voxels, affine: Affine) -> tuple[Voxels, Affine]:
    z, y, x = voxels.shape
    return canonical(voxels, affine), canonical_affine((z, y, x), affine)


def marks_lesion(path: Path) -> bool:
    """Whether a mask is not empty. Runs in a child. Raises RejectedFile where it is no mask."""
    return bool(read_mask(path).values.any())


def speaks_of_lesion(path: Path) -> bool:
    """Whether a mask beside a scan of unknown meaning marks a lesion: not nothing, nor a brain.

    Runs in a child. Raises RejectedFile where it is no mask.
    """
    mask = read_mask(path)
    marked = int(np.count_nonzero(mask.values))
    if mask.affine is None:
        return marked > 0
    voxel_ml = float(abs(np.linalg.det(mask.affine[:3, :3]))) / 1000.0
    return 0.0 < marked * voxel_ml <= LARGEST_LESION_ML
