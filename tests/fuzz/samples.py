"""Good files of every format, a few kilobytes each: what the damage is done to.

They are the same bytes each time, so that a seed and a number name a case for good.
"""

import gzip
import io
from collections.abc import Callable
from itertools import count
from pathlib import Path
from unittest.mock import patch

import nibabel
import numpy as np
from PIL import Image

from tests.mriad_model import conftest
from tests.mriad_model.conftest import SYNTAXES, SeriesWriter, drawn_head, oblique_affine

HEAD = drawn_head((4, 36, 34))
GRAY = np.clip(HEAD[1] // 4, 0, 255).astype(np.uint8)
COLOUR = np.dstack([GRAY, GRAY // 2, GRAY[::-1]])
DEEP = HEAD[1].astype(np.uint16) * 60


def write_samples(folder: Path) -> list[str]:
    """Write `folder/FORMAT/NAME`: each folder in it is a sample, of one file or a whole series.

    Returns:
        The formats.
    """
    makers: dict[str, Callable[[Path], object]] = {
        "png": _pictures("PNG", (GRAY, {}), (COLOUR, {}), (DEEP, {})),
        "jpeg": _pictures("JPEG", (GRAY, {}), (COLOUR, {"progressive": True})),
        "tiff": _pictures(
            "TIFF",
            (DEEP, {}),
            (COLOUR, {"compression": "tiff_lzw"}),
            (GRAY, {"compression": "jpeg"}),
        ),
        "bmp": _pictures("BMP", (GRAY, {}), (COLOUR, {})),
        "dicom classic": lambda to: SeriesWriter(to / "series").classic(HEAD),
        "dicom enhanced": lambda to: SeriesWriter(to / "series").enhanced(HEAD),
        "nifti1": _volumes(nibabel.Nifti1Image, bytes),
        "nifti2": _volumes(nibabel.Nifti2Image, bytes),
        "nifti1.gz": _volumes(nibabel.Nifti1Image, lambda data: gzip.compress(data, mtime=0)),
    }
    for syntax in SYNTAXES:
        makers[f"dicom {syntax}"] = _compressed(syntax)
    numbers = count(10_000)
    with patch.object(
        conftest, "generate_uid", lambda: f"1.2.826.0.1.3680043.8.498.{next(numbers):d}"
    ):
        for name, make in makers.items():
            (folder / name).mkdir(parents=True)
            make(folder / name)
    return list(makers)


def _pictures(kind: str, *pictures: tuple[np.ndarray, dict[str, object]]):
    def write(to: Path) -> None:
        for number, (pixels, options) in enumerate(pictures):
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, kind, **options)
            (to / str(number)).mkdir()
            (to / str(number) / "picture").write_bytes(file.getvalue())

    return write


def _volumes(image: type, pack: Callable[[bytes], bytes]):
    def write(to: Path) -> None:
        for number, dtype in enumerate((np.int16, np.float32)):
            (to / str(number)).mkdir()
            data = image(HEAD.T.astype(dtype), oblique_affine()).to_bytes()
            (to / str(number) / "volume").write_bytes(pack(data))

    return write


def _compressed(syntax: str):
    def write(to: Path) -> None:
        SeriesWriter(to / "classic").classic(HEAD, syntax=syntax)
        SeriesWriter(to / "enhanced").enhanced(HEAD, syntax=syntax)

    return write
