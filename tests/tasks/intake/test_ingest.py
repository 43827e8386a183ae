"""From files to rows: what is new, what is known, what is refused, what is said of it."""

import os
from pathlib import Path

import pytest

from db.entities import Rejection
from db.repository.labels import labelled
from db.repository.rejections import append_rejections, rejections_of
from db.repository.sightings import sightings
from db.timestamps import now
from mriad_model.enums import LabelValue, RejectionReason
from mriad_model.errors import NoScans, SettingsError
from mriad_model.paths import recorded_path, source_path
from tasks.intake.ingest import LabelCounts, Labelling
from tests.tasks.conftest import Bench


def test_an_unchanged_file_is_not_read_again(bench: Bench, scans: Path) -> None:
    first = bench.ingest(scans)
    found = bench.find(scans)
    assert first.new == 3
    assert found.unread == []
    assert sorted(found.known) == sorted(first.seen)


def test_a_file_replaced_under_its_name_is_another_scan(
    bench: Bench, scans: Path, heads: Path
) -> None:
    before = bench.ingest(scans)
    (scans / "0.png").write_bytes(sorted((heads / "yes").iterdir())[0].read_bytes())
    after = bench.ingest(scans)
    assert after.new == 1
    assert after.seen[0][0] not in {scan_id for scan_id, _ in before.seen}


def test_the_same_pixels_under_another_name_are_the_same_scan(bench: Bench, scans: Path) -> None:
    first = bench.ingest(scans)
    (scans / "copy.jpeg").write_bytes((scans / "0.png").read_bytes())
    again = bench.ingest(scans)
    assert again.new == 0
    assert [scan_id for scan_id, _ in again.seen] == [first.seen[0][0]]


def test_a_name_that_is_no_text_is_found_again(bench: Bench, scans: Path) -> None:
    name = scans / os.fsdecode(b"\xff\xfe scan\n.png")
    (scans / "0.png").rename(name)
    bench.ingest(scans)
    (row,) = (
        seen[0]
        for seen in sightings(bench.engine, range(1, 4)).values()
        if "scan" in Path(seen[0].path).name
    )
    assert row.path.isprintable()
    assert source_path(row.path, bench.home) == name
    assert bench.find(scans).unread == []


def test_files_inside_the_home_are_recorded_relative_to_it(bench: Bench, scans: Path) -> None:
    inside = bench.home / "inbox" / "0.png"
    inside.write_bytes((scans / "0.png").read_bytes())
    (scan_id, _), *_ = bench.ingest(bench.home / "inbox").seen
    assert sightings(bench.engine, [scan_id])[scan_id][0].path == "inbox/0.png"


def test_what_is_no_scan_is_refused_with_a_reason_and_its_hash(bench: Bench, scans: Path) -> None:
    (scans / "note.txt").write_text("hello")
    (scans / "link.png").symlink_to(scans / "0.png")
    os.mkfifo(scans / "pipe.png")
    refused = {Path(r.path).name: r for r in _rejections(bench, scans)}
    assert {name: row.reason for name, row in refused.items()} == {
        "note.txt": RejectionReason.UNSUPPORTED,
        "link.png": RejectionReason.SYMLINK,
        "pipe.png": RejectionReason.NOT_REGULAR,
    }
    assert refused["note.txt"].sha256 is not None
    assert refused["pipe.png"].sha256 is None


def _rejections(bench: Bench, folder: Path) -> list[Rejection]:
    bench.ingest(folder)
    return rejections_of(bench.engine, [bench.run_id])


def test_a_refused_file_is_named_again_but_not_read_again(bench: Bench, scans: Path) -> None:
    (scans / "note.txt").write_text("hello")
    bench.ingest(scans)
    found = bench.find(scans)
    assert found.unread == []
    assert [each.reason for each in found.refused] == ["unsupported"]


def test_a_file_that_could_not_be_opened_is_tried_again(bench: Bench, scans: Path) -> None:
    """Mending permissions changes neither size nor time."""
    status = (scans / "0.png").stat()
    row = Rejection(
        recorded_path(scans / "0.png", bench.home),
        status.st_size,
        status.st_mtime_ns,
        None,
        RejectionReason.UNREADABLE,
        "Permission denied",
        bench.run_id,
        now(),
    )
    append_rejections(bench.engine, [row])
    assert len(bench.find(scans).unread) == 3


def test_a_missing_folder_is_an_error_of_one_line(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(NoScans, match="cannot look into the folder: No such file"):
        bench.find(tmp_path / "nowhere")


def test_labels_come_from_the_option_the_folders_or_a_csv(
    bench: Bench, scans: Path, tmp_path: Path
) -> None:
    (scans / "yes").mkdir()
    (scans / "2.png").rename(scans / "yes" / "2.png")
    seen = bench.ingest(scans).seen
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n0.png,healthy\nyes/2.png,abnormal\n")

    def said(labelling: Labelling) -> dict[str, LabelValue]:
        bench.label(scans, labelling, seen)
        return {Path(row.sighting.path).name: row.label.value for row in labelled(bench.engine)}

    assert said(Labelling("me", from_folders=True)) == {"2.png": LabelValue.ABNORMAL}
    assert said(Labelling("me", csv=str(table))) == {
        "0.png": LabelValue.HEALTHY,
        "2.png": LabelValue.ABNORMAL,
    }
    assert set(said(Labelling("me", LabelValue.HEALTHY)).values()) == {LabelValue.HEALTHY}
    assert bench.label(scans, Labelling("me", LabelValue.HEALTHY), seen).added == 0


def test_files_of_which_a_csv_says_nothing_are_counted(
    bench: Bench, scans: Path, tmp_path: Path
) -> None:
    seen = bench.ingest(scans).seen
    table = tmp_path / "labels.csv"
    table.write_text("file,label\n0.png,healthy\nmistyped.png,healthy\n")
    assert bench.label(scans, Labelling("me", csv=str(table)), seen) == LabelCounts(1, 2)


def test_a_csv_that_cannot_be_read_is_named(bench: Bench, scans: Path, tmp_path: Path) -> None:
    seen = bench.ingest(scans).seen
    with pytest.raises(SettingsError, match=r"none\.csv"):
        bench.label(scans, Labelling("me", csv=str(tmp_path / "none.csv")), seen)
