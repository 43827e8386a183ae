"""Pixels on their way from the step that reads scans to the step that prepares them.

A file between two tasks, so that a night's new scans are read once. It holds a chunk; a chunk
too large is read again instead.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from safetensors import safe_open
from safetensors.numpy import save_file

from mriad_model.images import ImageScan

MOST_PIXEL_BYTES = 256 * 2**20  # of a chunk


def are_few(scans: Sequence[ImageScan]) -> bool:
    """Whether the pixels of these scans may be kept in a file."""
    return sum(scan.pixels.nbytes for scan in scans) <= MOST_PIXEL_BYTES


def keep_pixels(path: Path, read: Sequence[tuple[Path, ImageScan]]) -> None:
    """Write scans and the files they were read from, unless they are too many."""
    if read and are_few([scan for _, scan in read]):
        sources = {scan.sha256: str(source) for source, scan in read}
        pixels = {scan.sha256: scan.pixels for _, scan in read}
        save_file(pixels, path, metadata={"sources": json.dumps(sources)})


def kept_pixels(path: Path | None) -> dict[str, tuple[Path, ImageScan]]:
    """What `keep_pixels` left, by the scans' sha256; nothing where it left no file."""
    if path is None or not path.exists():
        return {}
    with safe_open(path, framework="numpy") as file:
        sources = json.loads(file.metadata()["sources"])
        return {
            sha256: (Path(source), ImageScan(file.get_tensor(sha256), sha256))
            for sha256, source in sources.items()
        }
