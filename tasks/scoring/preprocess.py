"""Preprocessing: from scans in the record to prepared slices in a file, for the steps after.

Tasks pass on a folder's path. Prepared slices are scratch, removed when their chunk is done.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from safetensors import safe_open
from safetensors.numpy import save_file

from db.entities import Unscored
from db.repository.intake.rejections import append_rejections
from db.repository.reports.unscored import SCORING_REASONS
from db.repository.scoring.unscored import append_unscored
from db.timestamps import now
from mriad_model.errors import RejectedFile
from mriad_model.preprocessing.prepared_file import from_arrays, to_arrays
from mriad_model.preprocessing.scan_slices import prepare_stored
from mriad_model.preprocessing.slices import PreparedScan
from mriad_model.readers.scan_types import StoredScan
from mriad_model.recipes.recipe import Recipe
from tasks.intake.rejections import rejection_at
from tasks.runtime.connections import database, reader_pool
from tasks.runtime.progress import timed
from tasks.runtime.source_files import LocatedScan, load_scans
from tasks.runtime.workspace import Workspace
from tasks.scoring.selection import PendingScans

TOGETHER = 32  # slices in one message to a child


@dataclass(frozen=True, slots=True)
class PreparedItem:
    """A scan of the record, prepared."""

    scan_id: int
    source: Path  # the first of the files that it was read from
    kept: StoredScan | None  # as read, for drawing; None where nothing will be drawn
    slices: PreparedScan

    @property
    def stored(self) -> StoredScan:
        """The scan as read."""
        assert self.kept is not None, "nothing is drawn of scans that were not kept"
        return self.kept


@dataclass(frozen=True, slots=True)
class FailedScan:
    """A scan of the record that cannot be prepared or placed."""

    scan_id: int
    source: Path  # the first of the files that it was read from
    why: RejectedFile


@task(name="preprocess", cache_policy=NO_CACHE)
@timed("prepare")
def preprocess_chunk(
    home: str,
    run_id: int,
    recipe: str,
    wanted: PendingScans,
    folder: str,
    *,
    model_id: int | None = None,
    keep: bool = True,
) -> int:
    """Prepare scans by the recipe, into a file in `folder`, a workspace; how many.

    Scans are those that the step before left there, or are read again. One whose files are gone or
    changed, or that has no slice to score, gets a rejection row. With none there is no file. Scans
    as read are removed unless `keep`. With `model_id`, one that cannot be prepared for this model
    is not tried again by it.
    """
    workspace = Workspace(Path(folder))
    located = load_scans(home, run_id, wanted.scan_ids, workspace)
    prepared = prepare_located(home, run_id, located, Recipe.from_json(recipe), model_id)
    if prepared:
        save_prepared(workspace, prepared)
    if not keep:
        workspace.forget()
    return len(prepared)


def prepare_located(
    home: str,
    run_id: int,
    located: Sequence[LocatedScan],
    recipe: Recipe,
    model_id: int | None = None,
) -> list[PreparedItem]:
    """Prepare scans; one that has no slice to score gets a rejection row."""
    outcomes = prepare_outcomes(located, recipe)
    failed = [
        FailedScan(each.scan_id, each.kept.source, outcome)
        for each, outcome in zip(located, outcomes, strict=True)
        if isinstance(outcome, RejectedFile)
    ]
    reject_scans(home, run_id, failed, model_id)
    return [each for each in outcomes if not isinstance(each, RejectedFile)]


def reject_scans(
    home: str, run_id: int, failed: Sequence[FailedScan], model_id: int | None = None
) -> None:
    """A rejection row for each scan that cannot be scored; with `model_id` that this has tried it.

    What is no fault of the scan, such as a reader that died, is tried again.
    """
    engine, moment = database(home), now()
    append_rejections(
        engine,
        [rejection_at(each.source, Path(home), each.why, run_id, moment) for each in failed],
    )
    if model_id is not None:
        tried = [
            Unscored(each.scan_id, model_id, each.why.reason, each.why.detail, run_id, moment)
            for each in failed
            if each.why.reason in SCORING_REASONS
        ]
        append_unscored(engine, tried)


def prepare_outcomes(
    located: Sequence[LocatedScan], recipe: Recipe
) -> list[PreparedItem | RejectedFile]:
    """Prepare scans in children."""
    jobs = [(each.kept.scan, recipe) for each in located]
    most = max((stored.n_slices for stored, _ in jobs), default=1)
    prepared = reader_pool().map(prepare_stored, jobs, together=max(1, TOGETHER // most))
    return [
        one
        if isinstance(one, RejectedFile)
        else PreparedItem(each.scan_id, each.kept.source, each.kept.scan, one)
        for each, one in zip(located, prepared, strict=True)
    ]


def save_prepared(workspace: Workspace, prepared: Sequence[PreparedItem]) -> None:
    """Write prepared slices, and which scan each is of."""
    arrays, about = to_arrays([each.slices for each in prepared])
    scans = [
        of_scan
        | {
            "scan_id": each.scan_id,
            "source": str(each.source),
            "sha256": each.stored.sha256,
        }
        for each, of_scan in zip(prepared, about, strict=True)
    ]
    save_file(arrays, workspace.prepared, metadata={"scans": json.dumps(scans)})


def load_prepared(workspace: Workspace) -> list[PreparedItem]:
    """Read what `save_prepared` wrote, with the scans that the workspace keeps."""
    with safe_open(workspace.prepared, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        scans = json.loads(file.metadata()["scans"])
    kept = workspace.kept()
    return [
        PreparedItem(
            scan_id=each["scan_id"],
            source=Path(each["source"]),
            kept=kept[each["sha256"]].scan if each["sha256"] in kept else None,
            slices=slices,
        )
        for each, slices in zip(scans, from_arrays(arrays, scans), strict=True)
    ]
