"""NIfTI maps as version 0.1 wrote them, letter by letter: homes of before hold them."""

import gzip

import nibabel
import numpy as np
from numpy.typing import NDArray

from mriad_model.enums import NOTICE
from mriad_model.readers.volumes import Volume


def map_of_version_0_1(
    anomaly: NDArray[np.float32], volume: Volume, _scale: object, description: str
) -> bytes:
    """A map with its own largest value as `cal_max`, and values below 0."""
    image = nibabel.Nifti1Image(anomaly.transpose(2, 1, 0), volume.affine)
    image.set_sform(volume.affine, code=1)
    image.set_qform(volume.affine, code=1)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = f"RESEARCH USE ONLY. {description}".encode()[:79]
    image.header["cal_max"] = float(anomaly.max(initial=0))
    text = f"{NOTICE}\n{description}".encode()
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, text))
    return gzip.compress(image.to_bytes(), 1, mtime=0)
