"""A volume decoded in a child and used in the parent: it travels as a file, not through a pipe."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mriad_model.files import PRIVATE_FILE
from mriad_model.readers.contents import VolumeSource
from mriad_model.readers.dicom.reading import read_series
from mriad_model.readers.nifti.reading import read_nifti
from mriad_model.readers.volume.volume_identity import Identity
from mriad_model.readers.volume.volumes import Origin, Volume


@dataclass(frozen=True, slots=True)
class StoredVolume:
    """A volume whose voxels lie in a scratch file."""

    path: Path  # .npy, (Z, Y, X)
    affine_values: tuple[float, ...]  # 4x4, row by row
    origin: Origin
    identity: Identity
    n_slices: int  # along the grid's last axis

    @property
    def sha256(self) -> str:
        """The identity of the volume in the record."""
        return self.identity.sha256

    def geometry(self, n_files: int) -> dict[str, Any]:
        """What the record keeps of its grid, and of the files that it was read from."""
        volume, origin = self.load(), self.origin
        geometry: dict[str, Any] = {
            "shape": list(volume.voxels.shape),  # slices, rows, columns, as stored
            "spacing": [round(each, 6) for each in volume.spacing],  # mm, along x, y, z
            "affine": list(self.affine_values),  # 4x4, row by row: voxel -> RAS mm
            "bits": 8 * volume.voxels.dtype.itemsize,
            "contrast": origin.contrast,
            "decoder": origin.decoder,
            "files": n_files,
        }
        if origin.remarks:
            geometry["remarks"] = list(origin.remarks)
        if origin.session is not None:
            geometry["bids"] = {"session": origin.session}
        return geometry

    def load(self) -> Volume:
        """The volume, with its voxels mapped from the file, read-only: no memory is taken."""
        voxels = np.load(self.path, mmap_mode="r", allow_pickle=False)
        affine = np.array(self.affine_values, np.float64).reshape(4, 4)
        return Volume(voxels, affine, self.origin, self.identity)

    def discard(self) -> None:
        """Remove the voxels, after their last use."""
        self.path.unlink(missing_ok=True)


def store_volume(job: tuple[VolumeSource, Path]) -> StoredVolume:
    """Read a volume and write its voxels to a scratch file, 0600, which its owner removes.

    Runs in a child; a file left by a killed one is overwritten. Raises RejectedFile where the
    source is no good volume, OSError where the file cannot be written.
    """
    source, path = job
    volume = read_series(source.series) if source.series else read_nifti(source.files[0].path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        np.save(file, volume.voxels, allow_pickle=False)
    affine = tuple(volume.affine.ravel().tolist())
    return StoredVolume(path, affine, volume.origin, volume.identity, len(volume.voxels))
