"""What a file is, by its first bytes; and files opened safely."""

import errno
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mriad_model.enums import RejectionReason, ScanKind
from mriad_model.errors import RejectedFile
from mriad_model.files import NotRegularFileError, open_regular
from mriad_model.readers.folders import FoundFile

DICM = slice(128, 132)  # PS3.10, 7.1
SOP_CLASS = b"1.2.840.10008.5.1.4."  # PS3.6, A: roots of all storage classes
GZIP = b"\x1f\x8b"
NIFTI1 = slice(344, 348)
NIFTI2 = slice(4, 12)
NIFTI1_MAGIC = (b"n+1\0", b"ni1\0")  # one file, a pair of files
NIFTI2_MAGIC = (b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n")
LONGEST_LOOK = 1024  # bytes


def volume_kind(path: Path) -> ScanKind | None:
    """DICOM or NIfTI by content, else None. Raises RejectedFile where it cannot be opened."""
    with opened(path) as file:
        start = file.read(LONGEST_LOOK)
    if start[DICM] == b"DICM" or begins_bare(start):
        return ScanKind.DICOM
    if start.startswith(GZIP):
        start = _inflated(start)
    if start[NIFTI1] in NIFTI1_MAGIC or start[NIFTI2] in NIFTI2_MAGIC:
        return ScanKind.NIFTI
    return None


def begins_bare(start: bytes) -> bool:
    """Whether a file begins as a DICOM dataset without its preamble.

    With the file meta (group 0002), or with group 0008 and the SOP class of a storage class.
    """
    meta = start[:2] == b"\x02\0" and start[4:6] in (b"UL", b"OB", b"UI")
    identifying = start[:2] == b"\x08\0" and b"\x08\0\x16\0" in start and SOP_CLASS in start
    return meta or identifying


@contextmanager
def opened(path: Path, found: FoundFile | None = None) -> Iterator[BinaryIO]:
    """A regular file for reading, as it was `found`.

    Raises RejectedFile where it is neither, or cannot be read to the end of the `with` block.
    """
    try:
        descriptor = open_regular(path)
    except NotRegularFileError as error:
        raise RejectedFile(RejectionReason.NOT_REGULAR, "not a regular file") from error
    except OSError as error:
        link = error.errno == errno.ELOOP
        reason = RejectionReason.SYMLINK if link else RejectionReason.UNREADABLE
        raise RejectedFile(reason, error.strerror or type(error).__name__) from None
    try:
        with os.fdopen(descriptor, "rb") as file:
            if found is not None and not found.is_of(os.fstat(file.fileno())):
                raise RejectedFile(RejectionReason.UNREADABLE, "changed while it was being read")
            yield file
    except OSError as error:  # a bad sector, a share that dropped
        detail = error.strerror or type(error).__name__
        raise RejectedFile(RejectionReason.UNREADABLE, detail) from None


def require_size(size: int, most: int) -> None:
    """Reject a file of no bytes, or of too many."""
    if size == 0:
        raise RejectedFile(RejectionReason.EMPTY, "no bytes")
    if size > most:
        raise RejectedFile(RejectionReason.TOO_LARGE, f"{size:,} bytes, more than {most:,}")


def _inflated(start: bytes) -> bytes:
    """The first bytes inside a gzip stream; none where it is damaged."""
    try:
        return zlib.decompressobj(wbits=31).decompress(start, LONGEST_LOOK)
    except zlib.error:
        return b""
