"""A picture decoded in a child and read in the parent: pixels travel as a file, not by a pipe."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mriad_model.files import PRIVATE_FILE
from mriad_model.images import ImageScan, read_image
from mriad_model.preprocess import PreparedSlice, prepare
from mriad_model.recipes import Preprocessing

ALIGNED = 64  # bytes; so that pixels of any type can be mapped
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture whose pixels lie in a scratch file, among others."""

    path: Path
    offset: int  # bytes
    shape: tuple[int, int]  # (H, W)
    bits: int  # 8 or 16
    sha256: str

    def load(self, mapped: NDArray[np.uint8] | None = None) -> ImageScan:
        """The picture, its pixels mapped from the file, read-only.

        Args:
            mapped: the file's bytes, where many pictures of it are loaded.
        """
        found = map_bytes(self.path) if mapped is None else mapped
        rows, columns = self.shape
        raw = found[self.offset : self.offset + rows * columns * self.bits // 8]
        return ImageScan(raw.view(f"u{self.bits // 8}").reshape(rows, columns), self.sha256)


def map_bytes(path: Path) -> NDArray[np.uint8]:
    """A file's bytes, (n,), mapped."""
    return np.memmap(path, np.uint8, "r").view(np.ndarray)


def prepare_stored(job: tuple[StoredPicture, Preprocessing]) -> PreparedSlice:
    """Prepare a stored picture. Runs in a child: its many short steps share no interpreter."""
    stored, preprocessing = job
    return prepare(stored.load().pixels, preprocessing)


def store_picture(job: tuple[Path, Path]) -> StoredPicture:
    """Read a picture and append its pixels to a scratch file of this process. Runs in a child.

    Args:
        job: the picture, and a folder, where `pixels-*.bin` is written, 0600.

    Raises:
        RejectedFile: the source is no good picture.
        OSError: the scratch file cannot be written.
    """
    source, folder = job
    scan = read_image(source)
    path = folder / f"pixels-{os.getpid()}.bin"
    with os.fdopen(os.open(path, APPEND, PRIVATE_FILE), "ab") as file:
        offset = file.seek(0, os.SEEK_END)
        file.write(b"\0" * (-offset % ALIGNED))
        file.write(scan.pixels.data)
    rows, columns = scan.pixels.shape
    return StoredPicture(path, offset + -offset % ALIGNED, (rows, columns), scan.bits, scan.sha256)
