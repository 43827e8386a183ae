"""What comes in: the same content is one scan, however often and under whatever name it comes."""

from dataclasses import replace
from sqlite3 import SQLITE_LIMIT_VARIABLE_NUMBER
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from db.entities import Label, Rejection, Run, RunEnd
from db.repository.intake.labels import append_labels, healthy_pool, labelled
from db.repository.intake.rejections import append_rejections, rejected_files, rejections_of
from db.repository.intake.scans import register_scans
from db.repository.intake.sightings import FileKey, known_files, scan_files
from db.repository.runs import end_run, run_by_id, start_run
from mriad_model.enums import (
    LabelSource,
    LabelValue,
    RejectionReason,
    RunStatus,
    ScanKind,
)
from mriad_model.errors import RecordError

if TYPE_CHECKING:
    from tests.support.record.hand import Hand


def test_the_same_pixels_in_another_file_are_known_not_new(hand: "Hand") -> None:
    seen = [hand.seen("a"), hand.seen("b"), hand.seen("a", path="inbox/copy of a.png")]
    first, second, copy = register_scans(hand.engine, seen)
    assert (first.new, second.new, copy.new) == (True, True, False)
    assert copy.scan_id == first.scan_id != second.scan_id
    assert hand.count("scan") == 2
    assert hand.count("sighting") == 3


def test_registering_again_adds_no_rows(hand: "Hand") -> None:
    seen = [hand.seen("a"), hand.seen("b")]
    first = register_scans(hand.engine, seen)
    again = register_scans(hand.engine, seen)
    assert [each.scan_id for each in again] == [each.scan_id for each in first]
    assert not any(each.new for each in again)
    assert (hand.count("scan"), hand.count("sighting")) == (2, 2)


def test_nothing_to_register_is_no_error(hand: "Hand") -> None:
    assert register_scans(hand.engine, []) == []
    assert append_rejections(hand.engine, []) == 0
    assert append_labels(hand.engine, []) == 0


def test_a_file_is_known_only_while_it_stands_unchanged(hand: "Hand") -> None:
    (scan_id,) = hand.scans("a")
    same = FileKey("inbox/a.png", 10, 20, 30, 40)
    changed = [
        FileKey("inbox/A.png", 10, 20, 30, 40),
        FileKey("inbox/a.png", 11, 20, 30, 40),
        FileKey("inbox/a.png", 10, 21, 30, 40),
        FileKey("inbox/a.png", 10, 20, 31, 40),
    ]
    assert known_files(hand.engine, [same, *changed]) == {same: (scan_id,)}


def test_more_files_than_a_statement_holds_are_looked_up(hand: "Hand") -> None:
    names = [f"{n:06d}" for n in range(100)]
    ids = hand.scans(*names)
    files = [FileKey(f"inbox/{name}.png", 10, 20, 30, 40) for name in names]
    unseen = [FileKey(f"other/{n}.png", 10, 20, 30, 40) for n in range(33_000)]
    hand.engine.dispose()
    if hand.engine.dialect.name == "sqlite":  # Debian's is built to take more than others
        event.listen(
            hand.engine, "connect", lambda c, _: c.setlimit(SQLITE_LIMIT_VARIABLE_NUMBER, 32_766)
        )
    assert known_files(hand.engine, files + unseen) == {
        file: (scan_id,) for file, scan_id in zip(files, ids, strict=True)
    }
    assert rejected_files(hand.engine, files + unseen) == {}


def test_a_series_has_a_sighting_for_each_of_its_files(hand: "Hand") -> None:
    paths = [f"inbox/s/{n}.dcm" for n in range(5)]
    seen = [hand.series("s", paths), hand.seen("a")]
    series, picture = register_scans(hand.engine, seen)
    assert (series.new, picture.new) == (True, True)
    assert (hand.count("scan"), hand.count("sighting")) == (2, 6)
    files = [FileKey(path, 10, 20, 30, 40) for path in paths]
    known = known_files(hand.engine, [*files, FileKey("inbox/s/5.dcm", 10, 20, 30, 40)])
    assert known == dict.fromkeys(files, (series.scan_id,))
    again = register_scans(hand.engine, seen)
    assert [(each.scan_id, each.new) for each in again] == [
        (series.scan_id, False),
        (picture.scan_id, False),
    ]
    assert (hand.count("scan"), hand.count("sighting")) == (2, 6)


def test_a_series_that_grew_is_another_scan_with_all_of_its_files(hand: "Hand") -> None:
    half, whole = ([f"inbox/s/{n}.dcm" for n in range(count)] for count in (3, 6))
    (before,) = register_scans(hand.engine, [hand.series("half", half)])
    (after,) = register_scans(hand.engine, [hand.series("whole", whole, "second night")])
    assert after.new
    files = [FileKey(path, 10, 20, 30, 40) for path in whole]
    assert known_files(hand.engine, files) == dict.fromkeys(files, (after.scan_id,))
    first, second = scan_files(hand.engine, [before.scan_id, after.scan_id])
    assert [file.path for file in first.newest_files] == half
    assert [file.path for file in second.newest_files] == whole


def test_one_file_may_hold_several_scans(hand: "Hand") -> None:
    seen = [hand.series(name, ["inbox/enhanced.dcm"]) for name in ("stack 1", "the other stack")]
    one, other = register_scans(hand.engine, seen)
    for each in scan_files(hand.engine, [one.scan_id, other.scan_id]):
        assert each.paths == ("inbox/enhanced.dcm",)
    file = FileKey("inbox/enhanced.dcm", 10, 20, 30, 40)
    assert known_files(hand.engine, [file]) == {file: (one.scan_id, other.scan_id)}


def test_a_series_that_names_no_run_leaves_nothing(hand: "Hand") -> None:
    scan, sightings = hand.series("s", ["inbox/s/1.dcm", "inbox/s/2.dcm"])
    bad = [sightings[0], replace(sightings[1], run_id=99)]
    with pytest.raises(RecordError, match="not there"):
        register_scans(hand.engine, [hand.seen("a"), (scan, bad)])
    assert hand.count("scan") == hand.count("sighting") == 0


def rejection(hand: "Hand", path: str, reason: RejectionReason, detail: str = "") -> Rejection:
    return Rejection(path, 5, 6, None, reason, detail, hand.run(), hand.noon, ctime_ns=40)


def test_a_file_rejected_again_for_the_same_reason_adds_no_row(hand: "Hand") -> None:
    empty = rejection(hand, "a.png", RejectionReason.EMPTY)
    other = rejection(hand, "b.png", RejectionReason.CORRUPT)
    assert append_rejections(hand.engine, [empty]) == 1
    assert append_rejections(hand.engine, [empty, other]) == 1
    rows = rejections_of(hand.engine, [hand.run()])
    assert [each.path for each in rows] == ["a.png", "b.png"]
    assert rejections_of(hand.engine, [hand.run("another run")]) == []


def test_a_rejected_file_is_known_with_its_last_reason_while_it_stands_unchanged(
    hand: "Hand",
) -> None:
    append_rejections(hand.engine, [rejection(hand, "a.png", RejectionReason.CORRUPT)])
    last = rejection(hand, "a.png", RejectionReason.TRUNCATED, "ends at byte 3")
    append_rejections(hand.engine, [last])
    same, changed = FileKey("a.png", 5, 6, 7, 40), FileKey("a.png", 5, 60, 7, 40)
    found = rejected_files(hand.engine, [same, changed])
    assert found.keys() == {same}
    assert (found[same].reason, found[same].detail) == (
        RejectionReason.TRUNCATED,
        "ends at byte 3",
    )


def test_a_label_that_says_nothing_new_adds_no_row(hand: "Hand") -> None:
    (scan_id,) = hand.scans("a")
    assert hand.label(scan_id, LabelValue.HEALTHY) == 1
    assert hand.label(scan_id, LabelValue.HEALTHY) == 0
    assert hand.label(scan_id, LabelValue.HEALTHY, LabelSource.CSV) == 1
    assert hand.label(scan_id, LabelValue.ABNORMAL) == 1
    assert hand.label(scan_id, LabelValue.HEALTHY) == 1


def test_a_label_twice_in_one_chunk_is_one_row(hand: "Hand") -> None:
    (scan_id,) = hand.scans("a")
    label = Label(scan_id, LabelValue.HEALTHY, LabelSource.CSV, "me", hand.noon)
    assert append_labels(hand.engine, [label, label]) == 1


def test_a_folder_read_again_does_not_talk_over_the_reviewer(hand: "Hand") -> None:
    (scan_id,) = hand.scans("a")
    hand.label(scan_id, LabelValue.HEALTHY, LabelSource.FOLDER)
    hand.label(scan_id, LabelValue.ABNORMAL, LabelSource.REVIEWER)
    hand.label(scan_id, LabelValue.HEALTHY, LabelSource.FOLDER)
    assert healthy_pool(hand.engine) == []


def test_the_healthy_pool_holds_scans_whose_last_label_is_healthy(hand: "Hand") -> None:
    a, b, c, _ = hand.scans("a", "b", "c", "d")
    hand.label(a, LabelValue.ABNORMAL)
    hand.label(a, LabelValue.HEALTHY, LabelSource.REVIEWER)
    hand.label(b, LabelValue.HEALTHY)
    hand.label(c, LabelValue.ABNORMAL)
    register_scans(hand.engine, [hand.seen("b", path="healthy/b.png")])
    pool = healthy_pool(hand.engine)
    assert [(each.id, each.scan.id) for each in pool] == [(a, a), (b, b)]
    assert pool[0].label.source is LabelSource.REVIEWER
    assert pool[1].sighting.path == "healthy/b.png"
    assert [each.id for each in labelled(hand.engine)] == [a, b, c]
    assert [each.id for each in labelled(hand.engine, LabelValue.ABNORMAL)] == [c]


def test_the_healthy_pool_is_asked_for_pictures_or_volumes(hand: "Hand") -> None:
    series = hand.series("s", ["inbox/s/1.dcm"], contrast="T1w")
    volume = hand.series("v", ["inbox/v.nii"], kind=ScanKind.NIFTI)
    registered = register_scans(hand.engine, [hand.seen("a"), series, volume])
    for each in registered:
        hand.label(each.scan_id)
    picture, dicom, nifti = (each.scan_id for each in registered)
    everything = healthy_pool(hand.engine)
    assert [each.id for each in everything] == [picture, dicom, nifti]
    assert [each.scan.contrast for each in everything] == [None, "T1w", None]
    assert [each.id for each in healthy_pool(hand.engine, (ScanKind.IMAGE,))] == [picture]
    assert [each.id for each in healthy_pool(hand.engine, (ScanKind.DICOM, ScanKind.NIFTI))] == [
        dicom,
        nifti,
    ]


def test_a_run_that_starts_again_keeps_its_row_and_its_first_end(hand: "Hand") -> None:
    run = Run("train_model", "abc", "0.1.0", "f00", "{}", "cuda", hand.noon)
    run_id = start_run(hand.engine, run)
    assert start_run(hand.engine, run) == run_id
    assert run_by_id(hand.engine, run_id)[1] is None
    end_run(hand.engine, RunEnd(run_id, RunStatus.FAILED, "{}", hand.noon))
    end_run(hand.engine, RunEnd(run_id, RunStatus.COMPLETED, "{}", hand.noon))
    found, end = run_by_id(hand.engine, run_id)
    assert (found.flow, found.git_sha, found.device) == ("train_model", "f00", "cuda")
    assert end is not None
    assert end.status is RunStatus.FAILED
