"""Ingestion: from files in a folder to scans, sightings, labels and rejections in the record."""

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from db import record
from db.times import now
from mriad_model.errors import RejectedFile
from mriad_model.files import sha256_of
from mriad_model.folders import FoundFile, list_files
from mriad_model.images import ImageScan, ReadLimits, read_image
from mriad_model.labels import label_from_folder, read_label_csv
from mriad_model.nouns import (
    Label,
    LabelSource,
    LabelValue,
    Rejection,
    RejectionReason,
    Scan,
    ScanKind,
    Sighting,
)
from mriad_model.paths import recorded_path, unescape_path
from tasks.pixels import keep_pixels
from tasks.resources import opened_record

READERS = 2


@dataclass(frozen=True, slots=True)
class Labelling:
    """What to say of the scans found: one value for all, folder names, a CSV, or nothing."""

    author: str
    value: LabelValue | None = None
    from_folders: bool = False
    csv: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that is no scan, as the commands list it."""

    path: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Found:
    """What stands in a folder: files to read, scans known unchanged, files refused before."""

    folder: str
    unread: list[FoundFile]
    known: list[tuple[int, str]]  # (scan id, path)
    refused: list[Refused]


@dataclass(frozen=True, slots=True)
class Ingested:
    """What reading files gave: (scan id, path) in order, how many were new, what was refused."""

    seen: list[tuple[int, str]]
    new: int
    rejected: list[Refused]


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a labelling said."""

    added: int  # rows that are new
    unlabelled: int  # files of which it says nothing


@task(name="find-files", cache_policy=NO_CACHE)
def find_files(home: str, folder: str, glob: str) -> Found:
    """List a folder and set apart what the record has seen unchanged.

    Raises:
        NoScans: there is no such folder or file.
    """
    engine, root, place = opened_record(home), Path(unescape_path(folder)), Path(home)
    files = list(list_files(root, glob))
    keys = [
        record.FileKey(recorded_path(f.path, place), f.size, f.mtime_ns, f.inode) for f in files
    ]
    known = record.known_files(engine, keys)
    before = record.rejected_files(engine, [key for key in keys if key not in known])
    found = Found(folder, [], [], [])
    for file, key in zip(files, keys, strict=True):
        if key in known:
            found.known.append((known[key], str(file.path)))
        elif (old := before.get(key)) and old.reason is not RejectionReason.UNREADABLE:
            found.refused.append(Refused(old.path, old.reason.value, old.detail))
        else:
            found.unread.append(file)
    return found


@task(name="ingest", cache_policy=NO_CACHE)
def ingest_chunk(
    home: str, run_id: int, files: Sequence[FoundFile], kept: str | None = None
) -> Ingested:
    """Read files and append what they are: scans and sightings, or rejections.

    `kept` is a file to leave the pixels in for the step that prepares them next.
    """
    engine, place = opened_record(home), Path(home)
    with ThreadPoolExecutor(READERS) as pool:
        outcomes = list(pool.map(_read, files))
    moment = now()
    rows, rejections, paths = [], [], []
    for file, outcome in zip(files, outcomes, strict=True):
        path = recorded_path(file.path, place)
        if isinstance(outcome, ImageScan):
            sighting = Sighting(0, path, file.size, file.mtime_ns, file.inode, run_id, moment)
            rows.append((_scan(outcome, run_id, moment), [sighting]))
            paths.append(str(file.path))
        else:
            rejections.append(_rejection(file, path, outcome, run_id, moment))
    registered = record.register_scans(engine, rows)
    record.append_rejections(engine, rejections)
    if kept is not None:
        read = zip(files, outcomes, strict=True)
        keep_pixels(Path(kept), [(f.path, each) for f, each in read if isinstance(each, ImageScan)])
    return Ingested(
        seen=[(each.scan_id, path) for each, path in zip(registered, paths, strict=True)],
        new=sum(each.new for each in registered),
        rejected=[Refused(r.path, r.reason.value, r.detail) for r in rejections],
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


def _read(file: FoundFile) -> ImageScan | RejectedFile:
    if file.refused is not None:
        return refusal(file.refused)
    try:
        return read_image(file.path)
    except RejectedFile as rejection:
        return rejection


def refusal(reason: RejectionReason) -> RejectedFile:
    """Why a listed file is not even opened."""
    return RejectedFile(reason, _REFUSALS[reason])


_REFUSALS = {
    RejectionReason.SYMLINK: "a symbolic link; links are not followed",
    RejectionReason.NOT_REGULAR: "not a regular file",
    RejectionReason.UNREADABLE: "cannot be opened; check its permissions",
}


def _scan(image: ImageScan, run_id: int, moment: str) -> Scan:
    rows, columns = image.pixels.shape
    geometry = {"rows": rows, "columns": columns, "bits": image.bits}
    return Scan(
        sha256=image.sha256,
        kind=ScanKind.IMAGE,
        patient=None,
        study_uid=None,
        series_uid=None,
        scanner=None,
        geometry=json.dumps(geometry, sort_keys=True),
        n_slices=1,
        run_id=run_id,
        created_at=moment,
    )


def _rejection(
    file: FoundFile, path: str, error: RejectedFile, run_id: int, moment: str
) -> Rejection:
    return Rejection(
        path=path,
        size=file.size,
        mtime_ns=file.mtime_ns,
        sha256=_hash(file),
        reason=error.reason,
        detail=error.detail,
        run_id=run_id,
        created_at=moment,
    )


def _hash(file: FoundFile) -> str | None:
    """The SHA-256 of a refused file's bytes, where it is one that can be read in good time."""
    if file.refused is not None or not 0 <= file.size <= ReadLimits().max_bytes:
        return None
    try:
        return sha256_of(file.path)
    except OSError:
        return None


def labeller(folder: Path, labelling: Labelling) -> Callable[[Path], LabelValue | None]:
    """What to say of a file, by the labelling's one rule."""
    if labelling.csv is not None:
        table = read_label_csv(Path(labelling.csv))
        return lambda path: table.get(os.path.relpath(path, folder)) or table.get(path.name)
    if labelling.from_folders:
        return lambda path: label_from_folder(path, folder)
    return lambda _: labelling.value
