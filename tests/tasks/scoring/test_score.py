"""Volumes from folders to decisions: what is scored, left out, found again, replayed."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

import mriad_model.heatmaps.scan_maps
import tasks.scoring.export_dicom
from db.repository.intake.rejections import rejections_of
from db.repository.intake.sightings import scan_files
from db.repository.reports.scan_details import decisions_for_replay
from db.repository.scoring.findings import finding_limit
from db.repository.training.models import current_threshold
from mriad_model.dicom_outputs import available
from mriad_model.enums import HeatmapKind, RejectionReason
from mriad_model.files import sha256_of
from mriad_model.heatmaps.volume_map import nifti_map
from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.write import write_nifti
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from tasks.calibration.recalibrate import activate
from tasks.maintenance.verify import replay_decisions
from tasks.maintenance.verify_report import ReplayReport
from tasks.runtime.source_files import read_again
from tasks.runtime.workspace import Workspace
from tests.conftest import REPOSITORY
from tests.support.record.tampering import tamper
from tests.support.scans.phantoms import (
    CONTRAST,
    QUICK,
    SHAPE,
    Night,
    score,
    teach,
    write_head,
)
from tests.support.scans.two_stacks import enhanced_of_two
from tests.tasks.conftest import Bench, bench_in

DICOM_T1 = REPOSITORY.parent / "shared/data/volumes/dicom_t1"
DCM2NIIX = shutil.which("dcm2niix")


@pytest.fixture
def taught(taught_once: Path, tmp_path: Path) -> Iterator[Bench]:
    """A copy of the home with a model of a few healthy heads, for one test."""
    bench = bench_in(Path(shutil.copytree(taught_once, tmp_path / "home")))
    yield bench
    bench.engine.dispose()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One series and one NIfTI file of two heads."""
    made = tmp_path / "scans"
    write_head(made / "series", 21, Lesion.MASS)
    write_head(made / "head_T1w.nii.gz", 22)
    return made


def reasons(night: Night) -> dict[str, RejectionReason]:
    rows = rejections_of(night.bench.engine, [night.bench.run_id])
    return {Path(row.path).name: row.reason for row in rows}


def replayed(bench: Bench) -> ReplayReport:
    return replay_decisions.fn(str(bench.home), None, "cpu", str(bench.home / "work" / "replay"))


def test_volumes_are_decided_once_and_their_maps_are_where_the_record_says(
    taught: Bench, folder: Path
) -> None:
    night = score(taught, folder)
    assert (night.decided, reasons(night)) == (2, {})
    again = score(taught, folder)
    assert (again.decided, len(again.found.known), again.found.unread) == (0, 2, [])
    for each in decisions_for_replay(taught.engine):
        kinds = {row.kind for row in each.scored.heatmaps}
        assert kinds >= {HeatmapKind.MONTAGE, HeatmapKind.VOLUME}
        assert all(sha256_of(taught.home / row.path) == row.sha256 for row in each.scored.heatmaps)
        assert (
            each.scored.positions
            == tuple(range(each.scored.positions[0], SHAPE[0]))[: len(each.scored.positions)]
        )
        assert max(each.scored.slice_values) == each.scored.score.value
    assert list((taught.home / "work").glob("[0-9]*")) == []  # chunks leave nothing behind


def test_findings_are_recorded_by_the_models_limits_and_replayed(
    taught: Bench, folder: Path
) -> None:
    calibrated = current_threshold(taught.engine)
    assert calibrated is not None
    drawn = finding_limit(taught.engine, calibrated.model.id or 0)
    assert drawn is not None
    assert (drawn.n, drawn.rate <= 1, drawn.least) == (calibrated.threshold.n, True, 0.15)
    tamper(taught.engine, "UPDATE finding_limit SET peak = 1.0, edge = 0.7")  # so that there are
    score(taught, folder)
    found = list(decisions_for_replay(taught.engine))
    for each in found:
        limit, findings = each.scored.limit, each.scored.findings
        assert limit is not None
        assert [one.position for one in findings] == [*range(1, len(findings) + 1)]
        assert findings[0].peak == pytest.approx(each.scored.score.value)
        assert all(one.peak > limit.peak and one.size >= limit.least for one in findings)
    assert (replayed(taught).identical, replayed(taught).mismatched) == (2, [])
    tamper(
        taught.engine, f"UPDATE finding SET x = x + 5 WHERE score_id = {found[0].scored.score.id}"
    )
    (wrong,) = replayed(taught).mismatched
    assert "its finding 1" in wrong.what
    tamper(taught.engine, "DELETE FROM finding")
    assert "findings, recorded 0" in replayed(taught).mismatched[0].what


def test_maps_that_differ_in_their_last_bits_alone_are_no_mismatch(
    taught: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where kernels for another processor drew them."""

    def nearly(anomaly: np.ndarray, *others: object) -> bytes:
        return nifti_map(anomaly * np.float32(1.000001), *others)  # type: ignore[arg-type]

    with monkeypatch.context() as before:
        before.setattr(mriad_model.heatmaps.scan_maps, "nifti_map", nearly)
        assert score(taught, folder).decided == 2
    report = replayed(taught)
    assert (report.identical, report.mismatched) == (2, [])
    assert ("heatmaps", 2) in [(each.what, each.n) for each in report.not_recomputed]


def test_a_map_that_was_exchanged_with_its_hash_is_a_mismatch(
    taught: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def paler(anomaly: np.ndarray, *others: object) -> bytes:
        return nifti_map(anomaly * np.float32(0.5), *others)  # type: ignore[arg-type]

    with monkeypatch.context() as before:
        before.setattr(mriad_model.heatmaps.scan_maps, "nifti_map", paler)
        assert score(taught, folder).decided == 2
    report = replayed(taught)
    assert ["drawn otherwise now" in each.what for each in report.mismatched] == [True, True]


def test_both_stacks_of_a_file_are_scored_again_under_a_new_model(
    taught: Bench, tmp_path: Path
) -> None:
    enhanced_of_two(tmp_path / "enhanced")
    assert score(taught, tmp_path / "enhanced").decided == 2
    assert score(taught, tmp_path / "enhanced").decided == 0
    (tmp_path / "nothing new").mkdir()
    teach(taught.next_night(), tmp_path / "nothing new", QUICK.with_training(seed=1))
    assert score(taught, tmp_path / "enhanced").decided == 2


def test_a_volume_with_nothing_to_judge_is_named_and_the_rest_is_scored(
    taught: Bench, folder: Path
) -> None:
    volume = phantom_volume(5, CONTRAST, None, SHAPE)
    speck = np.zeros_like(volume.voxels)
    speck[3:5, 10:16, 10:16] = np.arange(1, 73).reshape(2, 6, 6)
    write_nifti(folder / "speck_T1w.nii.gz", speck, volume)
    night = score(taught, folder)
    assert night.decided == 2
    assert reasons(night) == {"speck_T1w.nii.gz": RejectionReason.NO_SIGNAL}


class TestOtherKinds:
    def test_what_the_model_did_not_learn_is_named_and_counted(
        self, taught: Bench, folder: Path, heads: Path
    ) -> None:
        write_head(folder / "flair", 23, contrast=Contrast.FLAIR)
        shutil.copy(sorted((heads / "yes").iterdir())[0], folder / "picture.png")
        night = score(taught, folder)
        assert (night.decided, len(night.new.incompatible)) == (2, 2)
        named = reasons(night)
        assert set(named.values()) == {RejectionReason.OTHER_KIND}
        assert "picture.png" in named
        again = score(taught, folder)
        assert (again.decided, len(again.known.incompatible)) == (0, 2)

    def test_it_is_scored_when_a_model_of_its_kind_is_activated(
        self, taught: Bench, folder: Path, heads: Path
    ) -> None:
        shutil.copy(sorted((heads / "yes").iterdir())[0], folder / "picture.png")
        score(taught, folder)
        of_volumes = current_threshold(taught.engine)
        assert of_volumes is not None
        teach(taught.next_night(), heads / "no", AUTOENCODER.with_training(max_epochs=1))
        night = score(taught, folder)
        assert (night.decided, len(night.known.incompatible)) == (1, 2)
        activate.fn(str(taught.home), of_volumes.threshold.id, "back", "me")
        assert score(taught, folder).decided == 0


class TestFoundAgain:
    @pytest.fixture
    def scan_id(self, taught: Bench, folder: Path) -> int:
        (folder / "head_T1w.nii.gz").unlink()
        ((scan_id, _),) = score(taught, folder).read.seen
        return scan_id

    def found(self, taught: Bench, scan_id: int) -> Path | None:
        """The folder that a scan is read from."""
        workspace = Workspace(taught.home / "work" / "again")
        wanted = scan_files(taught.engine, [scan_id])
        read = read_again(taught.home, wanted, workspace)
        return read[scan_id].source.parent if scan_id in read else None

    def test_where_it_was_moved_to_and_ingested(
        self, taught: Bench, folder: Path, tmp_path: Path, scan_id: int
    ) -> None:
        moved = tmp_path / "archive" / "p17"
        moved.parent.mkdir()
        (folder / "series").rename(moved)
        assert self.found(taught, scan_id) is None
        assert [each.why for each in replayed(taught).unreadable] == ["vanished"]
        taught.next_night().ingest(moved.parent)
        assert self.found(taught, scan_id) == moved
        assert replayed(taught).identical == 1

    def test_where_it_lay_first_when_a_later_copy_is_gone(
        self, taught: Bench, folder: Path, tmp_path: Path, scan_id: int
    ) -> None:
        shutil.copytree(folder / "series", tmp_path / "copy")
        taught.next_night().ingest(tmp_path / "copy")
        assert self.found(taught, scan_id) == tmp_path / "copy"
        shutil.rmtree(tmp_path / "copy")
        assert self.found(taught, scan_id) == folder / "series"

    def test_in_the_series_when_it_was_first_seen_as_nifti(
        self, taught: Bench, folder: Path, tmp_path: Path
    ) -> None:
        write_head(tmp_path / "nifti" / "same_T1w.nii.gz", 21, Lesion.MASS)
        assert score(taught, tmp_path / "nifti").decided == 1
        night = score(taught, folder / "series")
        assert (night.decided, night.read.new) == (0, 0)
        shutil.rmtree(tmp_path / "nifti")
        ((scan_id, _),) = night.read.seen
        assert self.found(taught, scan_id) == folder / "series"
        assert replayed(taught).identical == 1

    def test_not_where_a_slice_was_changed(self, taught: Bench, folder: Path, scan_id: int) -> None:
        path = next((folder / "series").iterdir())
        dataset = dcmread(path)
        dataset.PixelData = dataset.PixelData[::-1]
        dataset.save_as(path)
        assert self.found(taught, scan_id) is None
        assert [each.why for each in replayed(taught).unreadable] == ["changed"]


@pytest.mark.skipif(not DICOM_T1.is_dir(), reason="shared/data/volumes is absent")
def test_a_real_series_without_the_heads_top_is_a_scan_that_is_not_judged(
    taught: Bench, tmp_path: Path
) -> None:
    shutil.copytree(DICOM_T1, tmp_path / "series", copy_function=shutil.copyfile)
    nights = [score(taught, tmp_path / "series") for _ in range(2)]
    assert [(each.read.new, each.decided) for each in nights] == [(1, 0), (0, 0)]
    why = reasons(nights[0])
    why = {name: reason for name, reason in why.items() if name.endswith(".dcm")}
    assert list(why.values()) == [RejectionReason.INCOMPLETE]


@pytest.mark.skipif(DCM2NIIX is None, reason="dcm2niix is not installed")
def test_a_series_comes_out_the_same_from_what_dcm2niix_makes_of_it(
    taught: Bench, tmp_path: Path
) -> None:
    write_head(tmp_path / "series", 23)
    (tmp_path / "nifti").mkdir()
    command = [DCM2NIIX, "-z", "y", "-b", "n", "-o", tmp_path / "nifti", tmp_path / "series"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    first = score(taught, tmp_path / "series")
    again = score(taught, tmp_path / "nifti")
    assert (first.decided, again.decided, again.read.new) == (1, 0, 0)
    shutil.rmtree(tmp_path / "series")
    report = replayed(taught)  # of the NIfTI file: nothing else is left
    assert (report.identical, report.unreadable) == (1, [])


@pytest.mark.skipif(not available(), reason="highdicom is not installed")
class TestDicomOutputs:
    def test_a_series_gets_objects_of_its_own_study(self, taught: Bench, folder: Path) -> None:
        score(taught, folder)
        (series,) = (
            each for each in decisions_for_replay(taught.engine) if each.scan.series_uid is not None
        )
        made = {row.kind: taught.home / row.path for row in series.scored.heatmaps}
        assert made.keys() >= {HeatmapKind.SECONDARY_CAPTURE, HeatmapKind.STRUCTURED_REPORT}
        source = dcmread(next((folder / "series").iterdir()))
        for kind in made.keys() - {HeatmapKind.MONTAGE, HeatmapKind.VOLUME}:
            written = dcmread(made[kind])
            assert written.StudyInstanceUID == source.StudyInstanceUID == series.scan.study_uid
            assert written.PatientID == source.PatientID

    def test_without_a_frame_of_reference_there_are_none_and_it_is_said_why(
        self, taught: Bench, folder: Path
    ) -> None:
        for path in (folder / "series").iterdir():
            dataset = dcmread(path)
            del dataset.FrameOfReferenceUID
            dataset.save_as(path)
        night = score(taught, folder)
        assert night.decided == 2
        assert list(reasons(night).values()) == [RejectionReason.NO_FRAME_OF_REFERENCE]

    def test_without_highdicom_a_series_is_decided_all_the_same(
        self, taught: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tasks.scoring.export_dicom, "available", lambda: False)
        night = score(taught, folder)
        assert (night.decided, reasons(night)) == (2, {})
        assert not list((taught.home / "heatmaps").rglob("*.dcm"))
