"""From files to rows: what is new, what is known, what is rejected, what is said of it."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image
from sqlalchemy import text

import tasks.intake.ingest
import tasks.intake.read_sources
from db import schema
from db.engine.connect import reading
from db.entities import Label, Rejection
from db.repository.intake.labels import append_labels, labelled
from db.repository.intake.rejections import append_rejections, rejections_of
from db.repository.intake.sightings import sightings
from db.repository.scoring.warnings import warnings
from db.timestamps import now
from mriad_model.datasets.labels import Labelling
from mriad_model.enums import LabelSource, LabelValue, RejectionReason
from mriad_model.errors import NoScans, SettingsError
from mriad_model.paths import recorded_path, source_path
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.write import write_dicom_series, write_nifti
from mriad_model.readers.sandbox.pool import ReaderPool
from mriad_model.readers.sandbox.time_budget import TimeBudget
from mriad_model.readers.sandbox.worker import ChildLimits
from tasks.intake.doubtful_labels import masked_scans
from tasks.intake.find_files import ScanSources
from tasks.intake.ingest import LabelCounts
from tests.support.processes.deadly import store_or_loop
from tests.support.scans.phantoms import CONTRAST, SHAPE
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


def test_what_is_no_scan_is_rejected_with_a_reason_and_its_hash(bench: Bench, scans: Path) -> None:
    (scans / "note.txt").write_text("hello")
    (scans / "link.png").symlink_to(scans / "0.png")
    os.mkfifo(scans / "pipe.png")
    rejected = {Path(r.path).name: r for r in _rejections(bench, scans)}
    assert {name: row.reason for name, row in rejected.items()} == {
        "note.txt": RejectionReason.UNSUPPORTED,
        "link.png": RejectionReason.SYMLINK,
        "pipe.png": RejectionReason.NOT_REGULAR,
    }
    assert rejected["note.txt"].sha256 is not None
    assert rejected["pipe.png"].sha256 is None


def _rejections(bench: Bench, folder: Path) -> list[Rejection]:
    bench.ingest(folder)
    return rejections_of(bench.engine, [bench.run_id])


def test_a_rejected_file_is_named_again_but_not_read_again(bench: Bench, scans: Path) -> None:
    (scans / "note.txt").write_text("hello")
    bench.ingest(scans)
    found = bench.find(scans)
    assert found.unread == []
    assert [each.reason for each in found.rejected] == ["unsupported"]


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


def test_a_doubted_label_is_warned_of_once_and_not_once_it_is_mended(
    bench: Bench, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, asked = bench.ingest(scans).seen, []
    Image.new("L", (64, 64), 255).save(scans / "0_mask.png")
    doubted = next(scan_id for scan_id, path in seen if Path(path).name == "0.png")

    def masked(paths: Mapping[int, Path]) -> list[int]:
        asked.append(set(paths))
        return masked_scans(paths)

    monkeypatch.setattr(tasks.intake.ingest, "masked_scans", masked)
    healthy = Labelling("me", LabelValue.HEALTHY)
    (said,) = bench.label(scans, healthy, seen).doubts
    assert said.startswith(f"scan {doubted} is labelled healthy")
    assert bench.label(scans, healthy, seen).doubts == ()
    mended = Label(doubted, LabelValue.ABNORMAL, LabelSource.REVIEWER, "Ann", now())
    append_labels(bench.engine, [mended])
    assert bench.label(scans, healthy, seen).doubts == ()
    assert asked == [{scan_id for scan_id, _ in seen}, set(), set()]
    assert len(warnings(bench.engine)) == 1


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


HOSTILE = "=A1\x1b[2J\x1b]0;owned\x07\r\nverdict normal \u202elamron\x9b31m\u2028[red]\u200b"


SHORT = "=\x1b[2J"  # fits any field


TAGS = (
    "Manufacturer", "ManufacturerModelName", "StationName", "InstitutionName", "SeriesDescription",
    "ProtocolName", "StudyDescription", "PatientID", "SequenceName", "ScanningSequence",
    "SequenceVariant", "SoftwareVersions", "BodyPartExamined", "ImageComments",
)  # fmt: skip


def texts(bench: Bench) -> Iterator[tuple[str, str]]:
    """All text in the record, also that inside of JSON, each with its table."""
    with reading(bench.engine) as connection:
        for name in schema.metadata.tables:
            for row in connection.execute(text(f"SELECT * FROM {name}")):
                for value in row:
                    if isinstance(value, str):
                        yield name, value
                        yield from ((name, each) for each in _inside(value))


def _inside(value: str) -> Iterator[str]:
    try:
        todo = [json.loads(value)]
    except ValueError:
        return
    while todo:
        each = todo.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            todo += [*each, *each.values()]
        elif isinstance(each, list):
            todo += each


def assert_all_printable(bench: Bench) -> None:
    odd = [(table, value) for table, value in texts(bench) if not value.isprintable()]
    assert odd == []


def spoil(paths: list[Path], tags: tuple[str, ...], value: str) -> None:
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.SpecificCharacterSet = "ISO_IR 192"
        for tag in tags:
            keyword = pydicom.datadict.tag_for_keyword(tag)
            assert keyword is not None
            vr = pydicom.datadict.dictionary_VR(keyword)
            said = value.encode("ascii", "ignore").decode() if vr == "CS" else value
            lenient = pydicom.config.IGNORE  # the library would refuse it
            dataset[tag] = pydicom.DataElement(keyword, vr, said, validation_mode=lenient)
        dataset.save_as(path)


@pytest.mark.parametrize("value", [HOSTILE, SHORT])
def test_what_the_tags_of_a_series_say_is_kept_as_printable_text(
    bench: Bench, tmp_path: Path, value: str
) -> None:
    volume = phantom_volume(1, CONTRAST, None, SHAPE)
    paths = write_dicom_series(tmp_path / "s", volume, patient="P-1")
    spoil(paths, TAGS, value)
    assert len(bench.ingest(tmp_path / "s").seen) == 1
    with reading(bench.engine) as connection:
        scanner = connection.execute(schema.scan.select()).mappings().one()["scanner"]
    assert "\\x1b[2J" in scanner
    assert_all_printable(bench)


@pytest.mark.parametrize("tag", ["Modality", "ImageType", "PhotometricInterpretation"])
def test_what_a_rejection_quotes_is_printable(bench: Bench, tmp_path: Path, tag: str) -> None:
    volume = phantom_volume(1, CONTRAST, None, SHAPE)
    paths = write_dicom_series(tmp_path / "s", volume, patient="P-1")
    spoil(paths, (tag,), SHORT)
    bench.ingest(tmp_path / "s")
    assert_all_printable(bench)


def test_names_and_descriptions_of_nifti_files_are_kept_as_printable_text(
    bench: Bench, tmp_path: Path
) -> None:
    volume = phantom_volume(1, CONTRAST, None, SHAPE)
    folder = tmp_path / "sub-=\x1b[2J" / "ses-\u202e\x1b"
    folder.mkdir(parents=True)
    path = folder / "sub-=\x1b[2J_ses-\u202e\x1b_T1w.nii.gz"
    write_nifti(path, volume.voxels, volume)
    image = nib.load(path)
    kept = nib.Nifti1Image(np.asanyarray(image.dataobj).copy(), image.affine, image.header)
    kept.header["descrip"] = b"=\x1b[2J\r\nverdict"
    kept.header["aux_file"] = b"\x1b[2J"
    kept.header["intent_name"] = b"\x1b[2J"
    nib.save(kept, path)
    found = bench.ingest(tmp_path)
    assert found.seen or found.rejected
    assert_all_printable(bench)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One late file a folder, one more in little time; then no other is tried."""
    budgets: dict[int, TimeBudget] = {}

    def of_run(_home: str, run_id: int) -> TimeBudget:
        return budgets.setdefault(run_id, TimeBudget(2, quick_seconds=1.5, n_late=1, n_put_off=1))

    with ReaderPool(1, ChildLimits(seconds=2)) as children:
        monkeypatch.setattr(tasks.intake.read_sources, "reader_pool", lambda: children)
        monkeypatch.setattr(tasks.intake.ingest, "time_budget", of_run)
        monkeypatch.setattr(tasks.intake.read_sources, "store_new_image", store_or_loop)
        yield


@pytest.mark.usefixtures("impatient")
def test_what_was_not_tried_is_tried_by_the_next_run_and_nothing_is_lost(
    bench: Bench, scans: Path
) -> None:
    folder = scans / "stuck"
    folder.mkdir()
    for number in range(3):
        (folder / f"slow-{number}.png").write_bytes((scans / "0.png").read_bytes() + bytes(number))
    (scans / "2.png").rename(folder / "z.png")  # a good one, behind them

    def night(run: Bench) -> tuple[set[str], dict[str, str]]:
        seen = {Path(path).name for _, path in run.ingest(scans).seen}
        rows = rejections_of(run.engine, [run.run_id])
        return seen, {Path(row.path).name: row.reason.value for row in rows}

    assert night(bench) == (
        {"0.png", "1.png"},
        {
            "slow-0.png": "timed_out",
            "slow-1.png": "unreadable",
            "slow-2.png": "unreadable",
            "z.png": "unreadable",
        },
    )
    second = bench.next_night()
    assert {path.name for each in second.find(scans).unread for path in _paths(each)} == {
        *("slow-1.png", "slow-2.png", "z.png")
    }
    seen, rejected = night(second)
    assert rejected == {"slow-1.png": "timed_out"}  # the others are rejected as they were
    assert seen == set()
    seen, rejected = night(second.next_night())
    assert seen == {"z.png"}
    assert rejected == {"slow-2.png": "timed_out"}
    assert second.next_night().find(scans).unread == []


def _paths(source: ScanSources) -> list[Path]:
    return [each.path for each in source.pictures]
