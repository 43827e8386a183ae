"""The anomaly map of a volume as NIfTI, on the source's own grid."""

import gzip
from collections.abc import Iterable
from io import BytesIO

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from mriad_model.detection.scan_scores import ScanScores
from mriad_model.enums import NOTICE
from mriad_model.heatmaps.overlay import ColourScale
from mriad_model.preprocessing.slices import PreparedScan, restore
from mriad_model.preprocessing.slicing import onto_volume
from mriad_model.readers.volume.volumes import Volume
from mriad_model.recipes.recipe import Plane

COMPRESSION = 1  # of gzip: higher levels take several times as long for a few percent
COMMENT = 6  # code of a NIfTI header extension that holds plain text


def anomaly_volume(
    scored: ScanScores, prepared: PreparedScan, volume: Volume, plane: Plane
) -> NDArray[np.float32]:
    """The map on the volume's own grid, (Z, Y, X); 0 where no slice was scored."""
    maps = {
        position: restore(anomaly_map, placement)
        for position, anomaly_map, placement in zip(
            scored.positions, scored.maps, prepared.placements, strict=True
        )
    }
    return onto_volume(maps, volume, plane)


def nifti_map(
    anomaly: NDArray[np.float32], volume: Volume, scale: ColourScale, description: str
) -> bytes:
    """A map (Z, Y, X) on the volume's grid as `.nii.gz`; the same map gives the same bytes.

    Values are the map's, at least 0: an ordinary voxel, or one without a score. Colour begins and
    ends (`cal_min`, `cal_max`) with the model's scale, or every healthy head would light up. The
    sform is the source's affine; the notice stands in `descrip` in short, in a header extension in
    full.
    """
    shown = np.maximum(anomaly, np.float32(0))
    image = nib.Nifti1Image(shown.transpose(2, 1, 0), volume.affine)
    image.set_sform(volume.affine, code=1)
    image.set_qform(volume.affine, code=1)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = f"RESEARCH USE ONLY. {description}".encode()[:79]
    image.header["cal_min"], image.header["cal_max"] = scale.low, scale.high
    text = f"{NOTICE}\n{description}".encode()
    image.header.extensions.append(nib.nifti1.Nifti1Extension(COMMENT, text))
    return gzip.compress(image.to_bytes(), COMPRESSION, mtime=0)


def on_one_grid(maps: Iterable[bytes]) -> bool:
    """Whether files of `nifti_map` have the same shape and affine, to the last bit."""
    headers = [nib.Nifti1Header.from_fileobj(gzip.GzipFile(fileobj=BytesIO(each))) for each in maps]
    return all(
        each.get_data_shape() == headers[0].get_data_shape()
        and np.array_equal(each.get_sform(), headers[0].get_sform())
        for each in headers
    )
