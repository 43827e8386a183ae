"""Files that are no scans: why, as a row of the record and as the commands list it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from db.entities import Rejection, Scan
from db.repository.intake.rejections import rejections_of
from db.repository.intake.sightings import scans_at
from db.repository.reports.unscored import UnscoredScan
from db.repository.runs import with_shards
from mriad_model.enums import RejectionReason
from mriad_model.errors import NoScans, RejectedFile
from mriad_model.files import sha256_of
from mriad_model.paths import recorded_path
from mriad_model.readers.folders import FoundFile, list_files, unlisted
from mriad_model.rejections import LIMITATIONS, RejectedItem
from tasks.runtime.connections import database


def as_listed(rejection: Rejection) -> RejectedItem:
    """A row of the record as the commands list it."""
    return RejectedItem(rejection.path, rejection.reason, rejection.detail)


def rejected_after(home: str, run_id: int, listed: Iterable[RejectedItem]) -> list[RejectedItem]:
    """What a run rejected beside what reading the folder listed, a line for each scan."""
    before = set(listed)
    return [each for each in _rejected_in(home, run_id) if each not in before]


def all_rejected(home: str, run_id: int, listed: Sequence[RejectedItem]) -> list[RejectedItem]:
    """What a run listed, and what else it rejected on its way."""
    return series_named(home, dict.fromkeys([*listed, *_rejected_in(home, run_id)]))


def _rejected_in(home: str, run_id: int) -> list[RejectedItem]:
    """What a run and its shards rejected."""
    engine = database(home)
    return [as_listed(row) for row in rejections_of(engine, with_shards(engine, [run_id]))]


def series_named(home: str, items: Iterable[RejectedItem]) -> list[RejectedItem]:
    """The same list, with limited scans by their ids, and a limited series named by its folder.

    Its row in the record has the name of one of its files.
    """
    lines = list(items)
    scans = scans_at(database(home), [each.path for each in lines if each.reason in LIMITATIONS])
    return [
        _as_scan(each, scans[each.path])
        if each.reason in LIMITATIONS and each.path in scans
        else each
        for each in lines
    ]


def _as_scan(item: RejectedItem, scan: Scan) -> RejectedItem:
    item, folder = replace(item, scan_id=scan.id), item.path.rpartition("/")[0]
    if scan.n_files == 1 or not folder:
        return item
    return replace(item, path=f"{folder}/", detail=f"{item.detail} ({scan.n_files} files)")


def with_unscored(
    items: Iterable[RejectedItem], unscored: Sequence[UnscoredScan]
) -> list[RejectedItem]:
    """The same list, with these scans as not scorable instead of as rejected files."""
    theirs = {(each.path, each.rejection) for each in unscored}
    return [
        *(each for each in items if (each.path, each.reason) not in theirs),
        *(_as_unscored(each) for each in unscored),
    ]


def _as_unscored(scan: UnscoredScan) -> RejectedItem:
    files = f" ({scan.n_files} files)" if scan.n_files > 1 else ""
    other = scan.told.removeprefix(scan.why)
    detail = f"{scan.detail}{files}{other}"
    return RejectedItem(scan.place, scan.rejection, detail, of_scan=True, scan_id=scan.scan_id)


def rejected_unopened(reason: RejectionReason) -> RejectedFile:
    """Why a listed file is not even opened."""
    return RejectedFile(reason, _UNOPENED[reason])


_UNOPENED = {
    RejectionReason.SYMLINK: "a symbolic link; links are not followed",
    RejectionReason.NOT_REGULAR: "not a regular file",
    RejectionReason.UNREADABLE: "cannot be opened; check its permissions",
}


def rejection_row(
    file: FoundFile, home: Path, error: RejectedFile, run_id: int, moment: str
) -> Rejection:
    """The row of a file that is no scan, with its reason."""
    return Rejection(
        path=recorded_path(file.path, home),
        size=file.size,
        mtime_ns=file.mtime_ns,
        ctime_ns=file.ctime_ns,
        sha256=_hash(file),
        reason=error.reason,
        detail=error.detail,
        run_id=run_id,
        created_at=moment,
    )


def rejection_at(
    path: Path, home: Path, error: RejectedFile, run_id: int, moment: str
) -> Rejection:
    """As `rejection_row`, for a file that was listed before and may have gone since."""
    try:
        file = next(list_files(path))
    except (NoScans, StopIteration):
        file = unlisted(path)
    return rejection_row(file, home, error, run_id, moment)


def _hash(file: FoundFile) -> str | None:
    """The SHA-256 of a rejected file's bytes, where it is one that can be read in good time."""
    # Here: it loads the readers' libraries, and what only lists rejections need not wait for them.
    from mriad_model.readers.images.reading import ReadLimits  # noqa: PLC0415

    if file.rejection is not None or not 0 <= file.size <= ReadLimits().max_bytes:
        return None
    try:
        return sha256_of(file.path)
    except OSError:
        return None
