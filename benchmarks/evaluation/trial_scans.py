"""Scans of a set, put where a home can take them, under names that say whose they are."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np


def put(folder: Path, person: str, what: Path | nib.Nifti1Image, end: str) -> Path:
    """A copy of a file, or a volume written, as `sub-PERSON_END`; where it lies now.

    Of a person's name letters and figures are kept, as names of BIDS have no others.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"sub-{''.join(filter(str.isalnum, person))}_{end}"
    if isinstance(what, Path):
        shutil.copyfile(what, path)
    else:
        nib.save(what, path)
    path.chmod(0o600)
    return path


def with_difference(head: nib.Nifti1Image, difference: Path) -> nib.Nifti1Image:
    """A volume with the values of a file on its canonical grid added."""
    lies = nib.as_closest_canonical(head)
    more = nib.Nifti1Image.from_filename(difference).get_fdata(dtype=np.float32)
    return nib.Nifti1Image(lies.get_fdata(dtype=np.float32) + more, lies.affine)
