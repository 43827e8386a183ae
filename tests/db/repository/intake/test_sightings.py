"""Where scans lie, and what was rejected beside them."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from db.entities import Rejection
from db.repository.intake.rejections import append_rejections
from db.repository.intake.scans import register_scans
from db.repository.intake.sightings import (
    RejectedBeside,
    ScanFiles,
    rejected_beside,
    scan_files,
)
from mriad_model.enums import RejectionReason, ScanKind
from mriad_model.errors import NotInRecord

if TYPE_CHECKING:
    from tests.support.record.hand import Hand


def seen_by_runs(hand: "Hand", *runs: list[str], n_files: int = 3) -> ScanFiles:
    """A series of so many files, as runs found it one after the other."""
    for number, paths in enumerate(runs):
        seen = hand.series("s", paths, f"night {number}", n_files, contrast="T2w")
        (registered,) = register_scans(hand.engine, [seen])
    (found,) = scan_files(hand.engine, [registered.scan_id])
    return found


INBOX, ARCHIVE = ([f"{folder}/s/{name}.dcm" for name in "abc"] for folder in ("inbox", "archive"))


def test_a_series_tells_its_files_by_the_run_that_saw_them_newest_first(hand: "Hand") -> None:
    found = seen_by_runs(hand, INBOX, ARCHIVE)
    assert found.scan.kind is ScanKind.DICOM
    assert (found.scan.sha256, found.scan.series_uid) == (hand.sha("s"), "1.2.1")
    assert (found.scan.n_slices, found.scan.n_files, found.scan.contrast) == (3, 3, "T2w")
    nights = [[hand.run("night 1")] * 3, [hand.run("night 0")] * 3]
    assert [[file.run_id for file in files] for files in found.runs] == nights
    assert [[file.path for file in files] for files in found.runs] == [ARCHIVE, INBOX]
    first = found.runs[0][0]
    stat = (first.path, first.size, first.mtime_ns, first.inode, first.ctime_ns)
    assert stat == (ARCHIVE[0], 10, 20, 30, 40)


def test_a_series_is_read_where_it_was_seen_whole_last(hand: "Hand") -> None:
    found = seen_by_runs(hand, INBOX, ARCHIVE)
    assert [file.path for file in found.newest_files] == ARCHIVE


def test_a_file_that_changed_place_alone_is_joined_by_the_others(hand: "Hand") -> None:
    found = seen_by_runs(hand, INBOX, ARCHIVE, ["archive/s/new name of c.dcm"])
    paths = [file.path for file in found.newest_files]
    assert paths == ["archive/s/new name of c.dcm", *ARCHIVE]


def test_a_file_seen_again_after_it_was_touched_stands_once(hand: "Hand") -> None:
    seen_by_runs(hand, INBOX)
    scan, sightings = hand.series("s", [INBOX[1]], "night 1", n_files=3)
    touched = replace(sightings[0], mtime_ns=21)
    (registered,) = register_scans(hand.engine, [(scan, [touched])])
    (found,) = scan_files(hand.engine, [registered.scan_id])
    files = {file.path: file.mtime_ns for file in found.newest_files}
    assert files == {INBOX[0]: 20, INBOX[1]: 21, INBOX[2]: 20}


def test_a_volume_in_one_file_is_read_at_any_of_its_paths(hand: "Hand") -> None:
    found = seen_by_runs(hand, ["inbox/v.nii"], ["archive/v.nii"], n_files=1)
    assert found.paths == ("archive/v.nii", "inbox/v.nii")


def test_scans_are_told_in_the_order_asked_for_and_a_missing_one_is_named(hand: "Hand") -> None:
    a, b = hand.scans("a", "b")
    register_scans(hand.engine, [hand.seen("a", path="archive/a.png")])
    found = scan_files(hand.engine, [b, a])
    assert [each.id for each in found] == [b, a]
    assert found[1].paths == ("archive/a.png", "inbox/a.png")
    with pytest.raises(NotInRecord, match="no scan 999"):
        scan_files(hand.engine, [a, 999])


def reject(hand: "Hand", *paths: str) -> None:
    rows = [
        Rejection(path, 1, 2, None, RejectionReason.GAP, "", hand.run(), hand.noon)
        for path in paths
    ]
    append_rejections(hand.engine, rows)


def test_rejections_beside_a_scan_are_those_of_its_folders_alone(hand: "Hand") -> None:
    reject(hand, "inbox/s/x", "inbox/S/x", "inbox/s/below/x", "inbox/sx", "inbox/s_/x", "x", "y/x")
    reject(hand, "inbox/\\x0a%_/x", "inbox/\\x0a%_/y/x", "/mnt/x")
    for path, expected in (
        ("inbox/s/a.dcm", ["inbox/s/x"]),
        ("a.png", ["x"]),
        ("/mnt/a.png", ["/mnt/x"]),
        ("/a.png", []),
        ("inbox/\\x0a%_/a", ["inbox/\\x0a%_/x"]),
        ("inbox/a", ["inbox/sx"]),
    ):
        found = rejected_beside(hand.engine, [path])
        assert [each.path for each in found.rejections] == expected
        assert found.total == len(expected)


def test_rejections_beside_a_scan_are_counted_and_the_newest_listed(hand: "Hand") -> None:
    reject(hand, *(f"inbox/s/{n}" for n in range(30)), *(f"archive/{n}" for n in range(30)))
    found = rejected_beside(hand.engine, ["inbox/s/a", "inbox/s/b", "archive/a"], limit=3)
    assert found.total == 60
    assert [each.path for each in found.rejections] == ["archive/29", "archive/28", "archive/27"]
    assert rejected_beside(hand.engine, []) == RejectedBeside(0, ())
