"""Masks of lesions, by their files' names: NAME_mask.png is the mask of NAME.png beside it."""

from pathlib import Path
from typing import Final

MASK_SUFFIX: Final = "_mask"
ENDINGS: Final = (".png", ".tif", ".tiff", ".bmp", ".gif", ".jpg", ".jpeg")


def mask_beside(path: Path) -> Path | None:
    """The mask that lies beside a picture; None without one."""
    for ending in ENDINGS:
        for name in (ending, ending.upper()):
            mask = path.with_name(f"{path.stem}{MASK_SUFFIX}{name}")
            if mask.is_file():
                return mask
    return None


def masked_by(path: Path) -> Path | None:
    """The picture that a file is the mask of, by its name; None where it is no mask."""
    if not path.stem.endswith(MASK_SUFFIX) or path.suffix.lower() not in ENDINGS:
        return None
    own = path.stem.removesuffix(MASK_SUFFIX)
    for ending in ENDINGS:
        for name in (ending, ending.upper()):
            picture = path.with_name(f"{own}{name}")
            if own and picture.is_file():
                return picture
    return None
