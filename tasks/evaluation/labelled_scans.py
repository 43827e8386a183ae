"""Labelled scans of a folder: what each file is, whose, and what lies beside it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mriad_model.datasets.labels import Labelling, labeller
from mriad_model.enums import LabelValue, RejectionReason
from mriad_model.errors import RejectedFile, SettingsError
from mriad_model.evaluation.listing import (
    ListedScan,
    Listing,
    masks_beside,
    masks_in,
    patient_of,
    read_scan_csv,
)
from mriad_model.paths import escape_path, unescape_path
from mriad_model.readers.folders import FoundFile, found_file, is_passed_over, list_files
from mriad_model.readers.masks import marks_lesion
from mriad_model.rejections import RejectedItem
from tasks.runtime.connections import reader_pool

NOT_THERE = "the CSV lists it, and no such file is there"
TOGETHER = 16  # masks in one message to a child


@dataclass(frozen=True, slots=True)
class LabelledSource:
    """A scan to evaluate, by its file; each file of a series has the same."""

    name: str  # escaped, relative to the folder
    label: LabelValue
    patient: str | None = None
    mask: Path | None = None
    difference: Path | None = None
    level: float | None = None


@dataclass(frozen=True, slots=True)
class LabelledFiles:
    """The files of labelled scans. Where a difference is added to one, it is several scans."""

    scans: dict[FoundFile, list[LabelledSource]]
    unlabelled: int  # files
    rejected: list[RejectedItem] = field(default_factory=list)  # what a CSV names in vain
    masks: int = 0  # of lesions, beside the scans or in a folder of their own


def labelled_files(root: Path, glob: str, labelling: Labelling, listing: Listing) -> LabelledFiles:
    """The labelled scans below a folder, or those that a CSV lists.

    Raises SettingsError where the CSV cannot be read.
    """
    if listing.csv is not None:
        return _of_csv(root, labelling, read_scan_csv(Path(listing.csv)))
    files, masks = files_with_masks(root, glob, listing)
    label_of = labeller(root, labelling)
    labels = {file: label_of(file.path) for file in files}
    if listing.labels_from_masks:
        labels = labels_of_masks(files, masks)
    found = {}
    for file, label in labels.items():
        if label is not None:
            patient = patient_of(file.path, root, listing.patients)
            found[file] = [
                LabelledSource(name_of(file, root), label, patient, masks.get(file.path))
            ]
    return LabelledFiles(found, len(labels) - len(found), masks=len(masks))


def files_with_masks(
    root: Path, glob: str, listing: Listing
) -> tuple[list[FoundFile], dict[Path, Path]]:
    """The files of a folder that are no masks, and scan -> mask, by names alone."""
    masks = masks_beside([file.path for file in list_files(root)])
    apart = set(masks.values())
    files = list(list_files(root, glob))
    if listing.masks is not None:
        folder = Path(unescape_path(listing.masks))
        inside = [file.path for file in list_files(folder)]
        apart |= set(inside)
        masks |= masks_in(inside, [file.path for file in files if file.path not in apart], root)
    return [file for file in files if file.path not in apart], masks


def name_of(file: FoundFile, root: Path) -> str:
    """A file's name in reports."""
    return escape_path(file.path.relative_to(root) if file.path != root else file.path.name)


def labels_of_masks(
    files: Iterable[FoundFile], masks: Mapping[Path, Path]
) -> dict[FoundFile, LabelValue | None]:
    """Healthy without a mask or with an empty one, abnormal otherwise.

    Raises SettingsError where a mask cannot be read.
    """
    files = list(files)
    paths = [masks[file.path] for file in files if file.path in masks]
    abnormal = set()
    read = reader_pool().map(marks_lesion, paths, together=TOGETHER)
    for path, outcome in zip(paths, read, strict=True):
        if isinstance(outcome, RejectedFile):
            raise SettingsError(f"the mask {escape_path(path.name)}: {outcome}") from outcome
        if outcome:
            abnormal.add(path)
    return {
        file: LabelValue.ABNORMAL if masks.get(file.path) in abnormal else LabelValue.HEALTHY
        for file in files
    }


def _of_csv(root: Path, labelling: Labelling, listed: Sequence[ListedScan]) -> LabelledFiles:
    label_of = labeller(root, labelling)
    found: dict[FoundFile, list[LabelledSource]] = {}
    missing = []
    unlabelled = 0
    for each in listed:
        path = root / each.path
        files = _files_at(path)
        label = each.label or label_of(path)
        if not files:
            name = escape_path(each.path)
            missing.append(RejectedItem(name, RejectionReason.UNREADABLE, NOT_THERE))
        elif label is None:
            unlabelled += len(files)
        else:
            more = f" + {each.difference}" if each.difference else ""
            scan = LabelledSource(
                escape_path(each.path + more),
                label,
                each.patient,
                root / each.mask if each.mask else None,
                root / each.difference if each.difference else None,
                each.level,
            )
            for file in files:
                found.setdefault(file, []).append(scan)
    return LabelledFiles(found, unlabelled, missing)


def _files_at(path: Path) -> list[FoundFile]:
    """The file of that name, or all files of a folder, which may hold a series; else none."""
    if path.is_dir() and not path.is_symlink():
        return list(list_files(path))
    return [found_file(path)] if path.exists() and not is_passed_over(path.name) else []
