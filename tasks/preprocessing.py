"""Preprocessing: from scans in the record to prepared slices in a file, for the steps after.

Only the file's path travels between tasks. The prepared slices are scratch: they are removed
when their run ends.
"""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from prefect import task
from prefect.cache_policies import NO_CACHE
from safetensors import safe_open
from safetensors.numpy import save_file

from db import history, record
from db.times import now
from mriad_model.errors import RejectedFile
from mriad_model.images import ImageScan, read_image
from mriad_model.nouns import Rejection, RejectionReason
from mriad_model.paths import source_path
from mriad_model.preprocess import Pixels, Placement, PreparedSlice, SliceBatch, prepare, stack
from mriad_model.recipes import Preprocessing, Recipe
from tasks.pixels import are_few, kept_pixels
from tasks.resources import opened_record
from tasks.selection import Undecided

READERS = 2


@dataclass(frozen=True, slots=True)
class PreparedChunk:
    """Prepared slices, and which scan each is of."""

    batch: SliceBatch
    placements: list[Placement]
    scan_ids: list[int]
    sources: list[Path]  # the file that each was read from
    hashes: list[str]  # its pixels' sha256
    pixels: list[Pixels] | None  # (H, W) each, for drawing; None where they are too many to keep

    def native(self, i: int) -> Pixels | None:
        """The pixels of slice i, (H, W); None where its file went away meanwhile."""
        if self.pixels is not None:
            return self.pixels[i]
        try:
            scan = read_image(self.sources[i])
        except RejectedFile:
            return None
        return scan.pixels if scan.sha256 == self.hashes[i] else None


@dataclass(frozen=True, slots=True)
class Located:
    """A scan and its file."""

    scan_id: int
    source: Path
    scan: ImageScan


@task(name="preprocess", cache_policy=NO_CACHE)
def preprocess_chunk(
    home: str, run_id: int, recipe: str, wanted: Undecided, path: str, kept: str | None = None
) -> int:
    """Prepare scans as the recipe says, and write them to one file.

    Their pixels are those that the step before left in the file `kept`, or are read again. A
    scan whose files have all vanished or changed gets a rejection row and is left out.

    Returns:
        How many were prepared; with none there is no file.
    """
    there = kept_pixels(Path(kept) if kept else None)
    located = locate(home, run_id, wanted.scan_ids, there)
    if located:
        how = Recipe.from_json(recipe).preprocessing
        save_chunk(Path(path), located, prepare_all([each.scan for each in located], how))
    if kept is not None:
        Path(kept).unlink(missing_ok=True)
    return len(located)


def locate(
    home: str,
    run_id: int,
    scan_ids: Sequence[int],
    there: Mapping[str, tuple[Path, ImageScan]] | None = None,
) -> list[Located]:
    """Each scan with the first of its files, newest sighting first, that still holds it.

    Those in `there`, by sha256, are taken as they are.
    """
    engine, place, there = opened_record(home), Path(home), there or {}
    wanted = history.scan_sources(engine, scan_ids)
    with ThreadPoolExecutor(READERS) as pool:
        found = list(
            pool.map(lambda each: there.get(each.sha256) or read_source(each, place), wanted)
        )
    outcomes = list(zip(wanted, found, strict=True))
    record.append_rejections(
        engine, [_vanished(each, run_id) for each, source in outcomes if source is None]
    )
    return [Located(each.scan_id, *source) for each, source in outcomes if source is not None]


def read_source(source: history.ScanSource, home: Path) -> tuple[Path, ImageScan] | None:
    """The first of a scan's files that still has its pixels; None where none has."""
    for recorded in source.paths:
        path = source_path(recorded, home)
        try:
            scan = read_image(path)
        except RejectedFile:
            continue
        if scan.sha256 == source.sha256:
            return path, scan
    return None


def _vanished(source: history.ScanSource, run_id: int) -> Rejection:
    return Rejection(
        path=source.paths[0],
        size=-1,
        mtime_ns=-1,
        sha256=None,
        reason=RejectionReason.UNREADABLE,
        detail="the file vanished or changed after it was registered",
        run_id=run_id,
        created_at=now(),
    )


def prepare_all(scans: Sequence[ImageScan], how: Preprocessing) -> list[PreparedSlice]:
    """Prepare many slices, two at a time: OpenCV lets go of the interpreter."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(lambda scan: prepare(scan.pixels, how), scans))


def save_chunk(path: Path, located: Sequence[Located], prepared: Sequence[PreparedSlice]) -> None:
    """Write prepared slices and where they come from."""
    batch = stack(prepared)
    tensors: dict[str, NDArray[np.generic]] = {
        "images": batch.images,
        "masks": batch.masks,
        "placements": np.array([astuple(p.placement) for p in prepared], np.float64),
        "scan_ids": np.array([each.scan_id for each in located], np.int64),
    }
    if are_few([each.scan for each in located]):
        tensors |= {f"pixels-{i}": each.scan.pixels for i, each in enumerate(located)}
    files = json.dumps([[str(each.source), each.scan.sha256] for each in located])
    save_file(tensors, path, metadata={"files": files})


def load_chunk(path: Path) -> PreparedChunk:
    """Read what `save_chunk` wrote."""
    with safe_open(path, framework="numpy") as file:
        placements = [
            Placement(int(row[0]), int(row[1]), *(float(each) for each in row[2:]))
            for row in file.get_tensor("placements")
        ]
        files = json.loads(file.metadata()["files"])
        kept = "pixels-0" in file.keys()  # noqa: SIM118 - it is no mapping
        return PreparedChunk(
            batch=SliceBatch(file.get_tensor("images"), file.get_tensor("masks")),
            placements=placements,
            scan_ids=[int(each) for each in file.get_tensor("scan_ids")],
            sources=[Path(source) for source, _ in files],
            hashes=[sha256 for _, sha256 in files],
            pixels=[file.get_tensor(f"pixels-{i}") for i in range(len(files))] if kept else None,
        )
