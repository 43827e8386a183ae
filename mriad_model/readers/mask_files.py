"""Masks of lesions, by their files' names: NAME_mask.png is the mask of NAME.png beside it.

NAME_mask.nii.gz is that of NAME.nii.gz, packed or not.
"""

from pathlib import Path
from typing import Final

MASK_SUFFIX: Final = "_mask"
ENDINGS: Final[tuple[str, ...]] = (".png", ".tif", ".tiff", ".bmp", ".gif", ".jpg", ".jpeg")
NIFTI_ENDINGS: Final[tuple[str, ...]] = (".nii.gz", ".nii")


def mask_beside(path: Path) -> Path | None:
    """The mask that lies beside a picture or a NIfTI file, of the same sort; None without one."""
    own, endings = path.stem, ENDINGS
    for ending in NIFTI_ENDINGS:
        if path.name.lower().endswith(ending):
            own, endings = path.name[: -len(ending)], NIFTI_ENDINGS
            break
    for ending in endings:
        for name in (ending, ending.upper()):
            mask = path.with_name(f"{own}{MASK_SUFFIX}{name}")
            if mask.is_file():
                return mask
    return None


def masked_by(path: Path) -> Path | None:
    """The picture that a file is the mask of, by its name; None where it is no mask of a picture.

    NIfTI files named so are no scans whatever lies beside them (`nifti.content_kind`).
    """
    if not path.stem.endswith(MASK_SUFFIX) or path.suffix.lower() not in ENDINGS:
        return None
    own = path.stem.removesuffix(MASK_SUFFIX)
    for ending in ENDINGS:
        for name in (ending, ending.upper()):
            picture = path.with_name(f"{own}{name}")
            if own and picture.is_file():
                return picture
    return None
