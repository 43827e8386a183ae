"""Files that are written over in place, their times put back: read again, for they changed."""

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from sqlalchemy import text

import tasks.intake.ingest
from db.engine.connect import writing
from db.repository.intake.rejections import rejections_at
from db.repository.intake.sightings import sightings
from mriad_model.delivery.snapshot import files_in, fingerprint, take_snapshot
from mriad_model.enums import RejectionReason
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.write import write_dicom_series
from mriad_model.readers.folders import found_file
from tasks.intake.find_files import ScanSources
from tasks.intake.ingest import ingest_chunk
from tests.mriad_model.readers.nifti.test_reading import nifti_bytes
from tests.support.scans.phantoms import CONTRAST, SHAPE
from tests.tasks.conftest import Bench


def written_over(path: Path, data: bytes) -> None:
    """Other bytes of the same number in the same inode, under the old time of modification."""
    before = path.stat()
    assert len(data) == before.st_size
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    same = (before.st_ino, before.st_size, before.st_mtime_ns)
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == same


def head(number: int) -> bytes:
    return nifti_bytes(phantom_volume(number, CONTRAST, None, SHAPE).voxels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "scans"
    made.mkdir()
    return made


def test_the_mask_of_a_picture_is_no_scan_and_has_a_reason(bench: Bench, folder: Path) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (64, 64), np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    mask[20:30, 20:30] = 255
    for name, pixels in (("a.png", picture), ("a_mask.png", mask), ("b_mask.PNG", picture.T)):
        cv2.imwrite(str(folder / name), pixels)
    read = bench.ingest(folder)
    assert {Path(path).name for _, path in read.seen} == {"a.png", "b_mask.PNG"}  # b is missing
    for night in (bench, bench.next_night()):
        (rejected,) = night.find(folder).rejected
        assert Path(rejected.path).name == "a_mask.png"
        assert rejected.reason is RejectionReason.LABEL_MAP
        assert "a.png" in rejected.detail


def test_a_picture_of_two_greys_is_a_mask_whatever_its_name(bench: Bench, folder: Path) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[20:30, 20:30] = 255
    cv2.imwrite(str(folder / "a.png"), mask)
    read = bench.ingest(folder)
    assert (read.seen, [each.reason for each in read.rejected]) == ([], [RejectionReason.LABEL_MAP])


def test_a_volume_written_over_is_another_scan(bench: Bench, folder: Path) -> None:
    path = folder / "head_T1w.nii"
    path.write_bytes(head(1))
    ((first, _),) = bench.ingest(folder).seen
    written_over(path, head(2))
    read = bench.next_night().ingest(folder)
    assert read.new == 1
    assert read.seen[0][0] != first
    assert bench.next_night().find(folder).unread == []


def test_the_case_written_over_is_read_again(bench: Bench, folder: Path, cases: Path) -> None:
    path = folder / "sub-10_FLAIR.nii"
    new = (cases / "37-new/new.nii").read_bytes()
    path.write_bytes(new[:352] + new[352:][::-1])  # the archive holds both as they are afterwards
    assert bench.ingest(folder).new == 1
    written_over(path, new)
    assert bench.next_night().ingest(folder).new == 1


def test_a_picture_written_over_is_another_scan(bench: Bench, scans: Path) -> None:
    paths = sorted(scans.iterdir())
    sizes = max(path.stat().st_size for path in paths)
    padded = [path.read_bytes().ljust(sizes, b"\0") for path in paths]
    for path in paths[1:]:
        path.unlink()
    paths[0].write_bytes(padded[0])
    assert bench.ingest(scans).new == 1
    written_over(paths[0], padded[1])
    assert bench.next_night().ingest(scans).new == 1


def test_a_series_with_a_file_written_over_is_another_scan(bench: Bench, folder: Path) -> None:
    volume = phantom_volume(1, CONTRAST, None, SHAPE)
    paths = write_dicom_series(folder / "series", volume, patient="P-1")
    assert bench.ingest(folder).new == 1
    data = paths[3].read_bytes()
    written_over(paths[3], data[:-2000] + bytes(2000))
    assert bench.next_night().ingest(folder).new == 1


def test_a_rejected_file_written_over_is_tried_again(bench: Bench, folder: Path) -> None:
    path, good = folder / "head_T1w.nii", head(1)
    path.write_bytes(good[:400] + bytes(len(good) - 400))
    assert [each.reason for each in bench.ingest(folder).rejected] == ["label_map"]
    assert bench.next_night().find(folder).unread == []
    written_over(path, good)
    assert bench.next_night().ingest(folder).new == 1


def test_the_watchers_fingerprint_sees_it(folder: Path) -> None:
    path = folder / "a.nii"
    path.write_bytes(b"before")
    (before,) = take_snapshot(str(folder))
    written_over(path, b"after.")
    (after,) = take_snapshot(str(folder))
    assert before.fingerprint != after.fingerprint == fingerprint(files_in(folder))


def test_what_changes_between_listing_and_reading_is_tried_again(
    bench: Bench, folder: Path
) -> None:
    path = folder / "head_T1w.nii"
    path.write_bytes(head(1))
    sources = ScanSources.of(bench.find(folder).unread)
    written_over(path, head(2))
    place = (str(bench.home), bench.run_id, sources, str(bench.home / "work" / "read"))
    read = ingest_chunk.fn(*place, keep=False)
    assert (read.new, [each.reason for each in read.rejected]) == (0, ["unreadable"])
    assert bench.next_night().ingest(folder).new == 1


def test_a_file_stands_until_it_is_touched(folder: Path) -> None:
    path = folder / "a"
    path.write_bytes(b"a")
    found = found_file(path)
    assert found.stands
    assert not replace(found, ctime_ns=found.ctime_ns - 1).stands
    path.unlink()
    assert not found.stands


def test_a_home_of_before_reads_its_files_once_more_and_knows_them(
    bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of before say nothing of when a file changed."""
    as_now = tasks.intake.ingest._sighting
    (folder / "head_T1w.nii").write_bytes(head(1))
    with monkeypatch.context() as patched:
        patched.setattr(
            tasks.intake.ingest, "_sighting", lambda *args: replace(as_now(*args), ctime_ns=None)
        )
        ((scan_id, _),) = bench.ingest(folder).seen
    read = bench.next_night().ingest(folder)
    assert (read.new, [known for known, _ in read.seen]) == (0, [scan_id])
    (seen,) = sightings(bench.engine, [scan_id]).values()
    assert [each.ctime_ns is None for each in seen] == [False, True]
    assert bench.next_night().find(folder).unread == []


def test_a_row_of_before_is_not_added_twice(bench: Bench, folder: Path) -> None:
    with writing(bench.engine) as connection:
        insert = text(
            "INSERT INTO rejection (path, size, mtime_ns, reason, detail, run_id, created_at)"
            f" VALUES ('a', 1, 2, 'empty', '', {bench.run_id}, 'noon')"
        )
        connection.execute(insert)
        connection.execute(insert)
    assert len(rejections_at(bench.engine, "a")) == 1
