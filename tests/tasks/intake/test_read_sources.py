"""Volumes in folders: what is one scan, what is known, what is rejected, who it is of."""

import gzip
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid
from sqlalchemy import text

import tasks.intake.read_sources
from db.engine.connect import reading
from db.repository.intake import rejections as rejections_records
from db.repository.intake.scans import scans_by_id
from db.repository.intake.sightings import sightings
from db.repository.training.models import dataset_roles
from mriad_model.datasets.labels import Labelling
from mriad_model.enums import LabelValue, ScanKind
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.write import write_dicom_series, write_nifti
from mriad_model.readers.sandbox.pool import ReaderPool
from mriad_model.readers.volume.orientation import in_words
from mriad_model.recipes.built_in_recipes import VOLUME_AUTOENCODER
from tests.support.processes.deadly import store_or_die
from tests.support.scans.phantoms import CONTRAST, SHAPE
from tests.support.scans.two_stacks import enhanced_of_two
from tests.tasks.conftest import Bench

N = SHAPE[0]  # slices of a series


@pytest.fixture
def series(folder: Path) -> list[Path]:
    """The files of a series, in order, in a folder of their own."""
    volume = phantom_volume(1, CONTRAST, None, SHAPE)
    return write_dicom_series(folder / "series", volume, patient="P-17")


def rejections(bench: Bench) -> dict[str, str]:
    """File name -> reason, of this run."""
    rows = rejections_records.rejections_of(bench.engine, [bench.run_id])
    return {Path(row.path).name: row.reason.value for row in rows}


class TestSeries:
    def test_a_series_is_one_scan_seen_in_each_of_its_files(
        self, bench: Bench, folder: Path, series: list[Path]
    ) -> None:
        read = bench.ingest(folder)
        ((scan_id, path),) = read.seen
        assert (read.new, read.rejected) == (1, [])
        assert Path(path) in series
        (seen,) = sightings(bench.engine, [scan_id]).values()
        assert {Path(each.path) for each in seen} == set(series)
        scan = scans_by_id(bench.engine, [scan_id])[scan_id]
        assert (scan.kind, scan.n_slices, scan.n_files) == (ScanKind.DICOM, N, N)

    def test_what_contradicts_itself_is_kept_with_the_scan(
        self, bench: Bench, folder: Path, series: list[Path]
    ) -> None:
        for path in series:
            dataset = dcmread(path)
            dataset.SeriesDescription = "t2_tse"
            dataset.save_as(path)
        ((scan_id, _),) = bench.ingest(folder).seen
        scan = scans_by_id(bench.engine, [scan_id])[scan_id]
        remark = "described as T2w, but TE 12, TR 600 ms are those of T1w"
        assert (scan.contrast, scan.grid["remarks"]) == ("T1w", [remark])
        assert ("remark", remark) in list(in_words(scan.grid))

    def test_unchanged_it_is_known_once_and_not_read_again(
        self, bench: Bench, folder: Path, series: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ((scan_id, _),) = bench.ingest(folder).seen
        tonight = bench.next_night()
        monkeypatch.setattr(ReaderPool, "map", _opens_nothing)
        found = tonight.find(folder)
        assert (found.unread, found.rejected) == ([], [])
        assert [known for known, _ in found.known] == [scan_id]

    def test_slices_that_come_later_make_another_scan_with_those_before(
        self, bench: Bench, folder: Path, series: list[Path], tmp_path: Path
    ) -> None:
        late = _taken_away(series[-2:], tmp_path)
        ((first, _),) = bench.ingest(folder).seen
        _brought_back(late)
        tonight = bench.next_night()
        read = tonight.ingest(folder)
        ((whole, _),) = read.seen
        assert read.new == 1
        assert whole != first
        assert _n_slices(bench, whole) == N
        found = bench.next_night().find(folder)
        assert (found.unread, found.rejected) == ([], [])
        assert [known for known, _ in found.known] == [whole]

    @pytest.mark.parametrize(
        ("missing", "reason"), [(slice(2, None), "too_few_slices"), (slice(8, 11), "gap")]
    )
    def test_a_series_that_was_no_scan_is_one_when_the_rest_arrives(
        self,
        bench: Bench,
        folder: Path,
        series: list[Path],
        tmp_path: Path,
        missing: slice,
        reason: str,
    ) -> None:
        late = _taken_away(series[missing], tmp_path)
        early = [path for path in series if path.exists()]
        read = bench.ingest(folder)
        assert (read.seen, rejections(bench)) == ([], {path.name: reason for path in early})
        assert {each.reason for each in bench.next_night().find(folder).rejected} == {reason}
        _brought_back(late)
        tonight = bench.next_night()
        ((whole, _),) = tonight.ingest(folder).seen
        assert _n_slices(bench, whole) == N
        assert rejections(tonight) == {}
        quiet = bench.next_night().find(folder)
        assert (quiet.unread, quiet.rejected) == ([], [])
        assert [known for known, _ in quiet.known] == [whole]

    def test_a_series_that_states_more_slices_waits_for_them(
        self, bench: Bench, folder: Path, series: list[Path], tmp_path: Path
    ) -> None:
        for path in series:
            dataset = dcmread(path)
            dataset.ImagesInAcquisition = N
            dataset.save_as(path)
        late = _taken_away(series[-5:], tmp_path)
        read = bench.ingest(folder)
        assert (read.seen, set(rejections(bench).values())) == ([], {"incomplete"})
        _brought_back(late)
        tonight = bench.next_night()
        ((whole, _),) = tonight.ingest(folder).seen
        assert (_n_slices(bench, whole), rejections(tonight)) == (N, {})

    def test_phase_is_rejected_under_its_own_reason(
        self, bench: Bench, folder: Path, series: list[Path]
    ) -> None:
        for path in series:
            dataset = dcmread(path)
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "P", "NONE"]
            dataset.save_as(path)
        assert bench.ingest(folder).seen == []
        assert set(rejections(bench).values()) == {"not_magnitude"}
        assert {each.reason for each in bench.next_night().find(folder).rejected} == {
            "not_magnitude"
        }

    def test_a_late_slice_that_fits_nowhere_leaves_the_scan_as_it_was(
        self, bench: Bench, folder: Path, series: list[Path]
    ) -> None:
        ((scan_id, _),) = bench.ingest(folder).seen
        copy = dcmread(series[3])
        copy.SOPInstanceUID = generate_uid()
        copy.file_meta.MediaStorageSOPInstanceUID = copy.SOPInstanceUID
        copy.save_as(folder / "series" / "another.dcm")
        tonight = bench.next_night()
        found = tonight.find(folder)
        assert rejections(tonight) == {"another.dcm": "shared_positions"}
        assert [known for known, _ in found.known] == [scan_id]

    def test_a_file_of_two_stacks_is_two_scans_each_known(self, bench: Bench, folder: Path) -> None:
        enhanced_of_two(folder)
        read = bench.ingest(folder)
        ids = sorted(scan_id for scan_id, _ in read.seen)
        assert (read.new, len(set(ids)), read.rejected) == (2, 2, [])
        found = bench.next_night().find(folder)
        assert found.unread == []
        assert sorted(known for known, _ in found.known) == ids

    def test_two_copies_of_a_series_are_one_scan_seen_in_both(
        self, bench: Bench, folder: Path, series: list[Path]
    ) -> None:
        shutil.copytree(folder / "series", folder / "copy")
        read = bench.ingest(folder)
        (scan_id,) = {scan_id for scan_id, _ in read.seen}
        assert (read.new, rejections(bench)) == (1, {})
        (seen,) = sightings(bench.engine, [scan_id]).values()
        assert len(seen) == 2 * N
        quiet = bench.next_night().find(folder)
        assert (quiet.unread, quiet.rejected) == ([], [])
        assert {known for known, _ in quiet.known} == {scan_id}

    def test_a_file_that_stands_twice_is_rejected(
        self, bench: Bench, folder: Path, series: list[Path]
    ) -> None:
        shutil.copy(series[4], folder / "series" / "again.dcm")
        read = bench.ingest(folder)
        assert len(read.seen) == 1
        assert rejections(bench) == {"again.dcm": "duplicate"}

    def test_a_series_that_was_copied_later_is_the_same_scan(
        self, bench: Bench, folder: Path, series: list[Path]
    ) -> None:
        ((first, _),) = bench.ingest(folder).seen
        shutil.copytree(folder / "series", folder / "copy")
        tonight = bench.next_night()
        read = tonight.ingest(folder)
        assert [scan_id for scan_id, _ in read.seen] == [first]
        assert (read.new, rejections(tonight)) == (0, {})


class TestFormats:
    @pytest.mark.parametrize("nifti_first", [False, True])
    def test_a_series_and_the_nifti_file_made_of_it_are_one_scan(
        self, bench: Bench, tmp_path: Path, nifti_first: bool
    ) -> None:
        volume = phantom_volume(1, CONTRAST, None, SHAPE)
        (tmp_path / "nifti").mkdir()
        write_dicom_series(tmp_path / "dicom", volume, patient="P-17")
        write_nifti(tmp_path / "nifti" / "head.nii.gz", volume.voxels, volume)
        folders = [tmp_path / "dicom", tmp_path / "nifti"]
        folders = folders[::-1] if nifti_first else folders
        reads = [bench.next_night().ingest(each) for each in folders]
        assert [each.new for each in reads] == [1, 0]
        (scan_id,) = {scan_id for each in reads for scan_id, _ in each.seen}
        for each in folders:
            found = bench.next_night().find(each)
            assert (found.unread, [known for known, _ in found.known]) == ([], [scan_id])

    def test_what_is_no_volume_is_rejected_and_the_rest_goes_on(
        self, bench: Bench, folder: Path
    ) -> None:
        volume = phantom_volume(1, CONTRAST, None, SHAPE)
        write_nifti(folder / "good_T1w.nii.gz", volume.voxels, volume)
        whole = (folder / "good_T1w.nii.gz").read_bytes()
        (folder / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
        damaged = bytearray(whole)
        damaged[len(whole) // 2] ^= 0xFF
        (folder / "damaged.nii.gz").write_bytes(damaged)
        (folder / "head.nii.gz").write_bytes(whole[:64])
        write_nifti(folder / "mask.nii.gz", volume.lesion_mask.astype(np.uint8), volume)
        write_nifti(folder / "labels.nii.gz", volume.labels, volume)
        write_nifti(folder / "empty.nii.gz", np.zeros_like(volume.voxels), volume)
        times = nib.Nifti1Image(np.ones((8, 8, 8, 4), np.int16), np.eye(4))
        (folder / "bold.nii.gz").write_bytes(gzip.compress(times.to_bytes()))
        read = bench.ingest(folder)
        assert [Path(path).name for _, path in read.seen] == ["good_T1w.nii.gz"]
        rejected = rejections(bench)
        assert rejected.pop("damaged.nii.gz") in {"corrupt", "truncated"}
        assert rejected == {
            "cut.nii.gz": "truncated",
            "head.nii.gz": "unsupported",
            "mask.nii.gz": "no_signal",
            "labels.nii.gz": "label_map",
            "empty.nii.gz": "no_signal",
            "bold.nii.gz": "several_volumes",
        }

    def test_a_file_that_kills_its_reader_is_named_and_the_others_are_read(
        self, bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(4):
            volume = phantom_volume(number, CONTRAST, None, SHAPE)
            write_nifti(folder / f"head{number}.nii.gz", volume.voxels, volume)
        monkeypatch.setattr(tasks.intake.read_sources, "store_volume", store_or_die)
        (folder / "head2.nii.gz").rename(folder / "deadly.nii.gz")
        read = bench.ingest(folder)
        assert rejections(bench) == {"deadly.nii.gz": "reader_died"}
        assert sorted(Path(path).name for _, path in read.seen) == [
            f"head{number}.nii.gz" for number in (0, 1, 3)
        ]


class TestPatients:
    def test_a_patient_is_known_by_pseudonym_alone(
        self, bench: Bench, folder: Path, series: list[Path]
    ) -> None:
        ((scan_id, _),) = bench.ingest(folder).seen
        patient = scans_by_id(bench.engine, [scan_id])[scan_id].patient
        assert patient
        with reading(bench.engine) as connection:
            rows = connection.execute(text("SELECT * FROM scan")).all()
        assert "P-17" not in str(rows)
        assert "Phantom" not in str(rows)

    def test_series_of_one_patient_do_the_same_in_a_dataset(
        self, bench: Bench, folder: Path
    ) -> None:
        of_patient = [i // 2 for i in range(10)]
        for number, patient in enumerate(of_patient):
            drawn = phantom_volume(number, CONTRAST, None, SHAPE)
            write_dicom_series(folder / f"{number}", drawn, patient=f"{patient}-{number}")
            for path in (folder / f"{number}").iterdir():
                dataset = dcmread(path)
                dataset.PatientID = f"patient {patient}"
                dataset.save_as(path)
        seen = bench.ingest(folder).seen
        bench.label(folder, Labelling("me", LabelValue.HEALTHY), seen)
        roles = dataset_roles(bench.engine, bench.freeze(VOLUME_AUTOENCODER).id)
        of_scan = {scan_id: of_patient[int(Path(path).parent.name)] for scan_id, path in seen}
        assert len(roles) == len(of_scan) == 10
        for patient in of_patient:
            assert len({roles[scan] for scan in of_scan if of_scan[scan] == patient}) == 1


def _opens_nothing(
    _: ReaderPool, __: object, items: Iterable[object], **___: int
) -> Iterator[object]:
    assert not list(items), "a known file is read again"
    return iter(())


def _taken_away(paths: list[Path], tmp_path: Path) -> list[tuple[Path, Path]]:
    (tmp_path / "away").mkdir()
    moved = [(path, tmp_path / "away" / path.name) for path in paths]
    for path, away in moved:
        path.rename(away)
    return moved


def _brought_back(moved: list[tuple[Path, Path]]) -> None:
    for path, away in moved:
        away.rename(path)


def _n_slices(bench: Bench, scan_id: int) -> int:
    return scans_by_id(bench.engine, [scan_id])[scan_id].n_slices


def test_bids_names_give_the_patient_and_the_visit(bench: Bench, folder: Path) -> None:
    volume = phantom_volume(3, CONTRAST, None, SHAPE)
    place = folder / "sub-01" / "ses-later" / "anat"
    place.mkdir(parents=True)
    write_nifti(place / "sub-01_ses-later_T1w.nii.gz", volume.voxels, volume)
    ((scan_id, _),) = bench.ingest(folder).seen
    scan = scans_by_id(bench.engine, [scan_id])[scan_id]
    assert scan.grid["bids"] == {"session": "later"}
    assert scan.patient is not None
    assert scan.patient != "01"
    assert scan.contrast == "T1w"


def test_what_the_json_file_beside_it_says_is_kept_with_the_scan(
    bench: Bench, folder: Path
) -> None:
    volume = phantom_volume(3, CONTRAST, None, SHAPE)
    write_nifti(folder / "sub-01_T1w.nii.gz", volume.voxels, volume)
    (folder / "sub-01_T1w.json").write_text('{"SeriesDescription": "ep2d_bold"}')
    ((scan_id, _),) = bench.ingest(folder).seen
    scan = scans_by_id(bench.engine, [scan_id])[scan_id]
    remark = "named T1w, but the JSON file beside it describes bold"
    assert (scan.contrast, scan.grid["remarks"]) == ("bold", [remark])
