"""Ingestion: from sources to scans, sightings and labels in the record, or rejections."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from db.engine.connect import reading
from db.entities import Label, Scan, Sighting
from db.repository.intake.labels import append_labels, last_labels
from db.repository.intake.rejections import append_rejections
from db.repository.intake.scans import register_scans
from db.repository.training.models import current_threshold
from db.timestamps import now
from mriad_model.datasets.labels import Labelling, labeller
from mriad_model.enums import LabelSource, LabelValue, RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.paths import recorded_path, unescape_path
from mriad_model.pseudonyms import pseudonym
from mriad_model.readers.folders import FoundFile
from mriad_model.readers.scan_types import StoredScan
from mriad_model.rejections import RejectedItem
from tasks.intake.doubtful_labels import label_doubts, masked_scans, unlike_scans
from tasks.intake.find_files import ScanSources
from tasks.intake.read_sources import read_sources
from tasks.intake.rejections import as_listed, rejection_row
from tasks.runtime.connections import database, time_budget
from tasks.runtime.home import site_key
from tasks.runtime.progress import timed
from tasks.runtime.scan_names import as_recorded
from tasks.runtime.workspace import CachedScan, Workspace

# What is not readable is tried again, and by then the file may rest.
CHANGED = RejectedFile(RejectionReason.UNREADABLE, "changed while it was being read")


@dataclass(frozen=True, slots=True)
class Ingested:
    """What reading sources gave: (scan id, path) in order, how many were new, what was rejected."""

    seen: list[tuple[int, str]]
    new: int = 0
    n_sources: int = 0
    rejected: list[RejectedItem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """Result of a labelling."""

    added: int  # rows that are new
    unlabelled: int  # files that it does not label
    doubts: tuple[str, ...] = ()  # what speaks against healthy ones, a sentence each


@task(name="ingest", cache_policy=NO_CACHE)
@timed("read and register")
def ingest_chunk(
    home: str, run_id: int, sources: ScanSources, folder: str, *, keep: bool
) -> Ingested:
    """Read sources and append what they are: scans and sightings, or rejections.

    With `keep`, what was read stays in `folder`, a workspace, for the step that prepares it.
    """
    engine, place, workspace = database(home), Path(home), Workspace(Path(folder))
    outcomes = list(read_sources(sources, workspace, time_budget(home, run_id)))
    moment = now()
    rows, rejections, kept = [], [], []
    good = []
    for of_scan, outcome in outcomes:
        if not all(each.stands for each in of_scan):
            outcome = CHANGED  # noqa: PLW2901 - what was read is not what was listed
        if isinstance(outcome, RejectedFile):
            rejections += [rejection_row(each, place, outcome, run_id, moment) for each in of_scan]
        else:
            good.append((of_scan, outcome))
    named = as_recorded(engine, [outcome for _, outcome in good])
    for (of_scan, _), outcome in zip(good, named, strict=True):
        sightings = [_sighting(each, place, run_id, moment) for each in of_scan]
        scan = scan_row(outcome, len(of_scan), lambda: site_key(place), run_id, moment)
        rows.append((scan, sightings))
        kept.append(CachedScan(of_scan[0].path, outcome))
    registered = register_scans(engine, rows)
    append_rejections(engine, rejections)
    if keep:
        workspace.keep(kept)
    else:
        workspace.discard()
    return Ingested(
        seen=[(row.scan_id, str(each.source)) for row, each in zip(registered, kept, strict=True)],
        new=sum(each.new for each in registered),
        n_sources=len(outcomes),
        rejected=[as_listed(each) for each in rejections],
    )


def _sighting(file: FoundFile, home: Path, run_id: int, moment: str) -> Sighting:
    path = recorded_path(file.path, home)
    return Sighting(
        0, path, file.size, file.mtime_ns, file.inode, run_id, moment, ctime_ns=file.ctime_ns
    )


@task(name="label", cache_policy=NO_CACHE)
def label_scans(
    home: str, run_id: int, folder: str, labelling: Labelling, seen: Sequence[tuple[int, str]]
) -> LabelCounts:
    """Append the label of each (scan id, path); the record gets a warning of doubtful ones.

    Only what these labels made healthy is doubted: not what they repeat, or a person has mended.
    A training looks at all that it learns.

    Raises:
        SettingsError: the CSV cannot be read.
    """
    label_of = labeller(Path(unescape_path(folder)), labelling)
    moment = now()
    source = LabelSource.CSV if labelling.csv else LabelSource.FOLDER
    labels = [
        Label(scan_id, value, source, labelling.author, moment)
        for scan_id, path in seen
        if (value := label_of(Path(path))) is not None
    ]
    engine = database(home)
    added = append_labels(engine, labels)
    with reading(engine) as connection:
        holding = last_labels(connection, {each.scan_id for each in labels}) if added else {}
    healthy = {
        scan_id
        for scan_id, label in holding.items()
        if label.value is LabelValue.HEALTHY
        and label.source is source
        and label.created_at == moment
    }
    masked = masked_scans({scan_id: Path(path) for scan_id, path in seen if scan_id in healthy})
    current = current_threshold(engine)
    model_id = None if current is None else current.threshold.model_id
    unlike = [] if model_id is None else unlike_scans(engine, model_id, healthy)
    return LabelCounts(
        added=added,
        unlabelled=len(seen) - len(labels),
        doubts=tuple(label_doubts(engine, run_id, masked, unlike, model_id)),
    )


def scan_row(
    read: StoredScan, n_files: int, key: Callable[[], bytes], run_id: int, moment: str
) -> Scan:
    """The scan's row. `key` gives the site's key; it is asked only where a patient is named."""
    origin = read.origin
    return Scan(
        sha256=read.sha256,
        kind=origin.kind,
        patient=None if origin.patient is None else pseudonym(key(), origin.patient),
        study_uid=origin.study_uid,
        series_uid=origin.series_uid,
        scanner=origin.scanner,
        geometry=json.dumps(read.geometry(n_files), sort_keys=True),
        n_slices=read.n_slices,
        run_id=run_id,
        created_at=moment,
    )
