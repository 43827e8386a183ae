"""Ingestion: from sources to scans, sightings and labels in the record, or rejections."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from db import record
from db.times import now
from mriad_model.errors import RejectedFile
from mriad_model.folders import FoundFile
from mriad_model.labels import label_from_folder, read_label_csv
from mriad_model.nouns import Label, LabelSource, LabelValue, RejectionReason, Sighting
from mriad_model.paths import recorded_path, unescape_path
from mriad_model.stored import store_picture
from mriad_model.volumes.stored import store_volume
from tasks.described import described
from tasks.home import site_key
from tasks.identities import as_recorded
from tasks.listing import Sources
from tasks.refused import Refused
from tasks.rejections import as_listed, rejection_of
from tasks.resources import opened_record, readers, time_budget
from tasks.timing import timed
from tasks.workspace import Stored, Workspace

# What is not readable is tried again, and by then the file may rest.
CHANGED = RejectedFile(RejectionReason.UNREADABLE, "changed while it was being read")
TOGETHER = 16  # pictures in one message to a child


@dataclass(frozen=True, slots=True)
class Labelling:
    """What to say of the scans found: one value for all, folder names, a CSV, or nothing."""

    author: str
    value: LabelValue | None = None
    from_folders: bool = False
    csv: str | None = None


@dataclass(frozen=True, slots=True)
class Ingested:
    """What reading sources gave: (scan id, path) in order, how many were new, what was refused."""

    seen: list[tuple[int, str]]
    new: int = 0
    n_sources: int = 0
    rejected: list[Refused] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a labelling said."""

    added: int  # rows that are new
    unlabelled: int  # files of which it says nothing


@task(name="ingest", cache_policy=NO_CACHE)
@timed("read and register")
def ingest_chunk(home: str, run_id: int, sources: Sources, folder: str, *, keep: bool) -> Ingested:
    """Read sources and append what they are: scans and sightings, or rejections.

    What was read is left in `folder`, a workspace, for the step that prepares it, if it is to
    be kept.
    """
    engine, place, workspace = opened_record(home), Path(home), Workspace(Path(folder))
    scratch, budget = workspace.scratch(), time_budget(home, run_id)
    pictures = readers().map(
        store_picture,
        [(each.path, scratch) for each in sources.pictures],
        together=TOGETHER,
        budget=budget,
        folder_of=lambda job: str(job[0].parent),
    )
    volumes = readers().map(
        store_volume,
        [(each, workspace.voxels(i, "read")) for i, each in enumerate(sources.volumes)],
        budget=budget,
        folder_of=lambda job: str(job[0].files[0].path.parent),
    )
    files = [*((each,) for each in sources.pictures), *(each.files for each in sources.volumes)]
    moment = now()
    rows, rejections, kept = [], [], []
    good = []
    for of_scan, outcome in zip(files, chain(pictures, volumes), strict=True):
        if not all(each.stands for each in of_scan):
            outcome = CHANGED  # noqa: PLW2901 - what was read is not what was listed
        if isinstance(outcome, RejectedFile):
            rejections += [rejection_of(each, place, outcome, run_id, moment) for each in of_scan]
        else:
            good.append((of_scan, outcome))
    named = as_recorded(engine, [outcome for _, outcome in good])
    for (of_scan, _), outcome in zip(good, named, strict=True):
        sightings = [_sighting(each, place, run_id, moment) for each in of_scan]
        scan = described(outcome, len(of_scan), lambda: site_key(place), run_id, moment)
        rows.append((scan, sightings))
        kept.append(Stored(of_scan[0].path, outcome))
    registered = record.register_scans(engine, rows)
    record.append_rejections(engine, rejections)
    if keep:
        workspace.keep(kept)
    else:
        workspace.discard()
    return Ingested(
        seen=[(row.scan_id, str(each.source)) for row, each in zip(registered, kept, strict=True)],
        new=sum(each.new for each in registered),
        n_sources=len(files),
        rejected=[as_listed(each) for each in rejections],
    )


def _sighting(file: FoundFile, home: Path, run_id: int, moment: str) -> Sighting:
    path = recorded_path(file.path, home)
    return Sighting(
        0, path, file.size, file.mtime_ns, file.inode, run_id, moment, ctime_ns=file.ctime_ns
    )


@task(name="label", cache_policy=NO_CACHE)
def label_scans(
    home: str, folder: str, labelling: Labelling, seen: Sequence[tuple[int, str]]
) -> Labelled:
    """Append what the labelling says of each (scan id, path).

    Raises:
        SettingsError: the CSV cannot be read.
    """
    say = labeller(Path(unescape_path(folder)), labelling)
    moment = now()
    source = LabelSource.CSV if labelling.csv else LabelSource.FOLDER
    labels = [
        Label(scan_id, value, source, labelling.author, moment)
        for scan_id, path in seen
        if (value := say(Path(path))) is not None
    ]
    return Labelled(
        added=record.append_labels(opened_record(home), labels),
        unlabelled=len(seen) - len(labels),
    )


def labeller(folder: Path, labelling: Labelling) -> Callable[[Path], LabelValue | None]:
    """What to say of a file, by the labelling's one rule."""
    if labelling.csv is not None:
        table = read_label_csv(Path(labelling.csv))
        return lambda path: table.get(os.path.relpath(path, folder)) or table.get(path.name)
    if labelling.from_folders:
        return lambda path: label_from_folder(path, folder)
    return lambda _: labelling.value
