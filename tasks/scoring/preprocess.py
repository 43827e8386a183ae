"""Preprocessing: from scans in the record to prepared slices in a file, for the steps after.

Only a folder's path travels between tasks. The prepared slices are scratch: they are removed
when their chunk is done.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from prefect import task
from prefect.cache_policies import NO_CACHE
from safetensors import safe_open
from safetensors.numpy import save_file

from db.repository.rejections import append_rejections
from db.timestamps import now
from mriad_model.errors import RejectedFile
from mriad_model.preprocessing.slices import Placement, SliceBatch, joined, prepare_stored
from mriad_model.preprocessing.volumes import prepare_volume
from mriad_model.readers.images.reading import StoredImage
from mriad_model.readers.volume_files import StoredVolume
from mriad_model.recipes import Recipe
from tasks.intake.rejections import rejection_at
from tasks.runtime.connections import database, reader_pool
from tasks.runtime.progress import timed
from tasks.runtime.source_files import LocatedScan, load_scans
from tasks.runtime.workspace import ReadScan, Workspace
from tasks.scoring.selection import PendingScans

READERS = 2  # threads
TOGETHER = 32  # pictures in one message to a child


@dataclass(frozen=True, slots=True)
class PreparedScan:
    """A scan's slices as the detectors see them."""

    scan_id: int
    sha256: str
    source: Path  # the first of the files that it was read from
    scan: ReadScan | None  # for drawing; None where nothing will be drawn
    batch: SliceBatch  # (N, S, S)
    placements: list[Placement]
    positions: tuple[int, ...]  # of the slices in the scan
    n_slices: int  # in the scan, judged or not
    places: tuple[float, ...] = ()  # of a volume's slices, mm, see `PreparedVolume`
    window: tuple[float, float] = (0.0, 1.0)  # of a volume, for a screen


@task(name="preprocess", cache_policy=NO_CACHE)
@timed("prepare")
def preprocess_chunk(
    home: str, run_id: int, recipe: str, wanted: PendingScans, folder: str, *, keep: bool = True
) -> int:
    """Prepare scans as the recipe says, and leave the slices in `folder`, a workspace.

    The scans are those that the step before left there, or are read again. One whose files have
    all vanished or changed, or that holds nothing to judge, gets a rejection row and is left out.
    Unless they are to be kept, the scans as read are removed from there.

    Returns:
        How many were prepared; with none there is no file.
    """
    workspace = Workspace(Path(folder))
    located = load_scans(home, run_id, wanted.scan_ids, workspace)
    prepared = prepare_located(home, run_id, located, Recipe.from_json(recipe))
    if prepared:
        save_prepared(workspace, prepared)
    if not keep:
        workspace.forget()
    return len(prepared)


def prepare_located(
    home: str, run_id: int, located: Sequence[LocatedScan], recipe: Recipe
) -> list[PreparedScan]:
    """Prepare scans; one that holds nothing to judge gets a rejection row and is left out."""
    outcomes = prepare_outcomes(located, recipe)
    rejections = [
        rejection_at(each.kept.source, Path(home), outcome, run_id, now())
        for each, outcome in zip(located, outcomes, strict=True)
        if isinstance(outcome, RejectedFile)
    ]
    append_rejections(database(home), rejections)
    return [each for each in outcomes if not isinstance(each, RejectedFile)]


def prepare_outcomes(
    located: Sequence[LocatedScan], recipe: Recipe
) -> list[PreparedScan | RejectedFile]:
    """Prepare scans: pictures in children, volumes in threads."""
    if recipe.volumes is None:
        return _prepared_pictures(located, recipe)
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(lambda each: _prepared_volume(each, recipe), located))


def _prepared_pictures(
    located: Sequence[LocatedScan], recipe: Recipe
) -> list[PreparedScan | RejectedFile]:
    jobs = []
    for each in located:
        assert isinstance(each.kept.stored, StoredImage), "recipes are for one kind"
        jobs.append((each.kept.stored, recipe.preprocessing))
    slices = reader_pool().map(prepare_stored, jobs, together=TOGETHER)
    return [
        one
        if isinstance(one, RejectedFile)
        else PreparedScan(
            scan_id=each.scan_id,
            sha256=each.kept.scan.sha256,
            source=each.kept.source,
            scan=each.kept.scan,
            batch=SliceBatch(one.image[None], one.mask[None]),
            placements=[one.placement],
            positions=(0,),
            n_slices=1,
        )
        for each, one in zip(located, slices, strict=True)
    ]


def _prepared_volume(located: LocatedScan, recipe: Recipe) -> PreparedScan | RejectedFile:
    scan = located.kept.scan
    assert isinstance(scan, StoredVolume), "recipes are for one kind"
    try:
        volume = prepare_volume(scan.load(), recipe)
    except RejectedFile as rejection:
        return rejection
    return PreparedScan(
        scan_id=located.scan_id,
        sha256=scan.sha256,
        source=located.kept.source,
        scan=scan,
        batch=volume.batch,
        placements=volume.placements,
        positions=volume.positions,
        n_slices=volume.n_slices,
        places=volume.places,
        window=volume.window,
    )


def save_prepared(workspace: Workspace, prepared: Sequence[PreparedScan]) -> None:
    """Write prepared slices, and which scan each is of."""
    placements = [astuple(each) for scan in prepared for each in scan.placements]
    batch = joined([scan.batch for scan in prepared])
    tensors: dict[str, NDArray[np.generic]] = {
        "images": batch.images,
        "masks": batch.masks,
        "placements": np.array(placements, np.float64),
        "positions": np.array([p for scan in prepared for p in scan.positions], np.int64),
        "judged": np.array([len(scan.positions) for scan in prepared], np.int64),
        "n_slices": np.array([scan.n_slices for scan in prepared], np.int64),
        "scan_ids": np.array([scan.scan_id for scan in prepared], np.int64),
        "places": np.array([place for scan in prepared for place in scan.places], np.float64),
        "windows": np.array([scan.window for scan in prepared], np.float64),
    }
    if batch.levels is not None:
        tensors["levels"] = batch.levels
    scans = json.dumps([(scan.sha256, str(scan.source)) for scan in prepared])
    save_file(tensors, workspace.prepared, metadata={"scans": scans})


def load_prepared(workspace: Workspace) -> list[PreparedScan]:
    """Read what `save_prepared` wrote, with the scans that the workspace keeps."""
    with safe_open(workspace.prepared, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        scans = json.loads(file.metadata()["scans"])
    kept = workspace.kept()
    batch = SliceBatch(tensors["images"], tensors["masks"], tensors.get("levels"))
    ends = np.cumsum(tensors["judged"])
    found = []
    for i, ((sha256, source), end) in enumerate(zip(scans, ends, strict=True)):
        of_scan = np.arange(end - tensors["judged"][i], end)
        places = tensors["places"]  # none where the scans are pictures
        low, high = tensors["windows"][i].tolist()
        found.append(
            PreparedScan(
                scan_id=int(tensors["scan_ids"][i]),
                sha256=sha256,
                source=Path(source),
                scan=kept[sha256].scan if sha256 in kept else None,
                batch=batch.take(of_scan),
                placements=[_placement(row) for row in tensors["placements"][of_scan]],
                positions=tuple(tensors["positions"][of_scan].tolist()),
                n_slices=int(tensors["n_slices"][i]),
                places=tuple(places[of_scan].tolist()) if len(places) else (),
                window=(low, high),
            )
        )
    return found


def _placement(row: NDArray[np.float64]) -> Placement:
    return Placement(int(row[0]), int(row[1]), *(float(each) for each in row[2:]))
