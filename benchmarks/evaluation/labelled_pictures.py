"""Labelled pictures of a folder, prepared: what the measurements of training on them share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.preprocessing.slices import SliceBatch, onto_square, prepare, stack
from mriad_model.readers.images.reading import read_image
from mriad_model.readers.mask_files import MASK_SUFFIX, mask_beside
from mriad_model.recipes.built_in_recipes import DEFAULT

LEAST_MASK = 30  # native pixels: a slice with fewer counts as healthy


@dataclass(frozen=True, slots=True)
class Pictures:
    """Prepared pictures with label, patient and lesion."""

    slices: SliceBatch
    abnormal: NDArray[np.bool_]  # (N,)
    patients: NDArray[np.intp]  # (N,)
    lesions: NDArray[np.bool_]  # (N, 128, 128) on the prepared square; empty without a mask
    levels: NDArray[np.intp]  # (N,) the number that a file's name begins with; 0 without one

    def take(self, items: NDArray[np.integer]) -> SliceBatch:
        """The slices at these positions."""
        return self.slices.take(items)


def labelled_pictures(folder: Path) -> Pictures:
    """The pictures of `no/` and `yes/`, each of its own patient, or of a folder a patient.

    In the latter a picture is abnormal that has a mask, NAME_mask.png, of LEAST_MASK pixels.
    """
    prepared, abnormal, patients, lesions = [], [], [], []
    files = _files(folder)
    for number, (path, is_abnormal, patient) in enumerate(files):
        found = prepare(read_image(path).pixels, DEFAULT.preprocessing)
        beside, lesion = mask_beside(path), np.zeros(found.mask.shape, np.bool_)
        mask = None if beside is None else cv2.imread(str(beside), cv2.IMREAD_GRAYSCALE)
        if mask is not None and (mask > 0).sum() >= LEAST_MASK:
            lesion = onto_square(mask > 0, found.placement, len(lesion)) >= 0.5
        prepared.append(found)
        abnormal.append(lesion.any() if is_abnormal is None else is_abnormal)
        patients.append(number if patient is None else patient)
        lesions.append(lesion)
    return Pictures(
        stack(prepared),
        np.array(abnormal, np.bool_),
        np.array(patients),
        np.stack(lesions),
        np.array([int(path.stem) if path.stem.isdigit() else 0 for path, _, _ in files]),
    )


def _files(folder: Path) -> Sequence[tuple[Path, bool | None, int | None]]:
    """Each picture, whether it is abnormal and its patient, where the folders show them."""
    if (folder / "no").is_dir():
        return [
            (path, name == "yes", None)
            for name in ("no", "yes")
            for path in sorted((folder / name).iterdir())
        ]
    return [
        (path, None, number)
        for number, patient in enumerate(sorted(folder.iterdir()))
        for path in sorted(patient.glob("*.png"))
        if not path.stem.endswith(MASK_SUFFIX)
    ]
