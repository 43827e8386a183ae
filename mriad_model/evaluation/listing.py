"""Whose scan each file is, and where its lesion mask lies: by folders, by names, or by a CSV."""

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mriad_model.datasets.labels import csv_text, label_of_word
from mriad_model.enums import LabelValue
from mriad_model.errors import NoScans, SettingsError
from mriad_model.paths import escape_path
from mriad_model.readers.bids import bids_name

MASK_SUFFIX = "_mask"
PACKED = (".gz",)


class Patients(StrEnum):
    """How the files of a folder say whose they are."""

    FOLDER = "folder"  # the first folder below no/ and yes/, or below the root
    BIDS = "bids"  # sub-XXX in the name, or in a folder's


@dataclass(frozen=True, slots=True)
class Listing:
    """What an evaluation knows of its scans besides their labels."""

    patients: Patients | None = None  # None: only what the files themselves say
    csv: str | None = None  # a CSV that lists the scans, see `read_scan_csv`
    masks: str | None = None  # a folder with masks, named as the scans
    labels_from_masks: bool = False  # a scan with a mask that is not empty is abnormal


@dataclass(frozen=True, slots=True)
class ListedScan:
    """One scan of a CSV. Paths are as written: relative to the evaluated folder."""

    line: int
    path: str
    patient: str | None
    label: LabelValue | None
    mask: str | None
    difference: str | None  # a volume to add to this one's grey values: an implanted lesion
    level: float | None  # where in the head a slice lies, in any unit


BOTH_NEEDED = (
    "{} healthy and {} abnormal scans there ({} without a label); an evaluation needs both"
)
BY_FOLDERS = (
    "put them in folders no/ and yes/ (or healthy/ and abnormal/), or name a CSV with --labels"
)
BY_MASKS = "add --labels-from-masks ({} there), or "
OF_MASKS = "a scan with a mask is abnormal; one without, or with an empty one, is healthy"


def require_both_labels(
    healthy: int, abnormal: int, unlabelled: int, masks: int = 0, *, by_masks: bool = False
) -> None:
    """Raise NoScans unless there are scans of both labels.

    `masks`: how many lesion masks are there; `by_masks`: they give the labels.
    """
    if healthy and abnormal:
        return
    remedy = OF_MASKS if by_masks else BY_FOLDERS
    if masks and not by_masks:
        remedy = BY_MASKS.format(f"{masks} mask{'' if masks == 1 else 's'}") + remedy
    raise NoScans(f"{BOTH_NEEDED.format(healthy, abnormal, unlabelled)}: {remedy}")


def read_scan_csv(path: Path) -> list[ListedScan]:
    """The scans that a CSV lists: column path (or file), and patient, label, mask, ... if it has.

    Raises SettingsError where it cannot be read, a label is none, or a level is no number.
    """
    reader = csv.DictReader(io.StringIO(csv_text(path), newline=""), strict=True)
    scans: list[ListedScan] = []
    where = escape_path(path)
    try:
        columns = {name.strip().lower(): name for name in reader.fieldnames or ()}
        named = columns.get("path", columns.get("file"))
        if named is None or not columns.keys() & {"patient", "mask", "label"}:
            raise SettingsError(
                f"{where}, line 1: the header needs a column path or file, and patient; "
                "label, mask, difference and level may follow"
            )
        columns["path"] = named
        for row in reader:
            cells = {name: (row[column] or "").strip() for name, column in columns.items()}
            scans.append(_listed(cells, f"{where}, line {reader.line_num}", reader.line_num))
    except csv.Error as error:
        raise SettingsError(f"{where}, line {reader.reader.line_num}: {error}") from error
    seen: dict[tuple[str, str | None], int] = {}
    for each in scans:
        first = seen.setdefault((each.path, each.difference), each.line)
        if first != each.line:
            raise SettingsError(f"{where}, line {each.line}: {each.path!r} is line {first} too")
    return scans


def _listed(cells: Mapping[str, str], where: str, line: int) -> ListedScan:
    word, level = cells.get("label", ""), cells.get("level", "")
    label = label_of_word(word)
    if not cells["path"]:
        raise SettingsError(f"{where}: no file is named")
    if word and label is None:
        raise SettingsError(f"{where}: {word!r} is no label: healthy or abnormal, no or yes")
    return ListedScan(
        line,
        cells["path"],
        cells.get("patient") or None,
        label,
        cells.get("mask") or None,
        cells.get("difference") or None,
        _number(level, where) if level else None,
    )


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SettingsError(f"{where}: the level {text!r} is no number")
    return value


def patient_of(path: Path, root: Path, how: Patients | None) -> str | None:
    """Whose scan a file is; None where nothing says so."""
    if how is None:
        return None
    inside = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    if how is Patients.BIDS:
        return bids_name(inside).subject
    folders = [part for part in inside.parts[:-1] if label_of_word(part) is None]
    return folders[0] if folders else None


def stem(path: Path) -> str:
    """A file's name without its ending, be it packed or not."""
    name = path.with_suffix("") if path.suffix.lower() in PACKED else path
    return name.stem


def masks_beside(paths: Iterable[Path]) -> dict[Path, Path]:
    """Scan -> its mask, of files of which one is named as the other with `_mask` added."""
    files = {(path.parent, stem(path)): path for path in paths}
    found = {}
    for (folder, name), path in files.items():
        mask = files.get((folder, f"{name}{MASK_SUFFIX}"))
        if mask is not None:
            found[path] = mask
    return found


def masks_in(paths: Iterable[Path], scans: Iterable[Path], root: Path) -> dict[Path, Path]:
    """Scan -> its mask, of files in a folder of masks.

    A mask has its scan's name, or that with `_mask`; where several do, it lies in the same folders
    as the scan does below `root`, with or without no/ and yes/.
    """
    by_name: dict[str, list[Path]] = {}
    for path in paths:
        by_name.setdefault(stem(path).removesuffix(MASK_SUFFIX), []).append(path)
    found = {}
    for scan in scans:
        masks = by_name.get(stem(scan), [])
        inside = scan.relative_to(root) if scan.is_relative_to(root) else Path(scan.name)
        folders = [part for part in inside.parts[:-1] if label_of_word(part) is None]
        fitting = [path for path in masks if folders == list(path.parts[-1 - len(folders) : -1])]
        chosen = masks if len(masks) == 1 else fitting
        if len(chosen) > 1:
            raise SettingsError(f"{len(chosen)} masks are named as {escape_path(inside)}")
        if chosen:
            found[scan] = chosen[0]
    return found
