"""Small pictures, and files of them in any format."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

FORMATS = ("PNG", "JPEG", "TIFF", "BMP")


def slice_like(rows=48, columns=40, dtype=np.uint8, seed=0):
    """A bright ellipse with texture on black, (rows, columns)."""
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    noise = np.random.default_rng(seed).random((rows, columns))
    top = np.iinfo(dtype).max
    return ((x**2 + y**2 < 0.8) * (0.5 + 0.1 * y + 0.3 * noise) * top).astype(dtype)


GRAY = slice_like()


DEEP = slice_like(dtype=np.uint16)


COLOUR = np.dstack([slice_like(seed=seed) for seed in (1, 2, 3)])


def encoded(picture, kind="PNG", **options):
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def tiff(rows, columns, data, *, bits=16, photometric=1, order="<", sample_format=1, samples=1):
    """A minimal uncompressed TIFF, tag by tag (TIFF 6.0, section 2)."""
    tags = [
        (256, 4, 1, columns),
        (257, 4, 1, rows),
        (258, 3, 1, bits),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, 8),
        (277, 3, 1, samples),
        (278, 4, 1, rows),
        (279, 4, 1, len(data)),
        (339, 3, 1, sample_format),
    ]
    body = b""
    for tag, kind, count, value in tags:
        shown = (
            struct.pack(f"{order}I", value) if kind == 4 else struct.pack(f"{order}HH", value, 0)
        )
        body += struct.pack(f"{order}HHI", tag, kind, count) + shown
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(data))
    return head + data + struct.pack(f"{order}H", len(tags)) + body + bytes(4)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(rows, columns, *, bits=8, colour=0, raw=b""):
    head = struct.pack(">IIBBBBB", columns, rows, bits, colour, 0, 0, 0)
    chunks = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
