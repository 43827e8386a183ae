"""Labelled pictures and volumes of a folder, gathered for an evaluation."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from mriad_model.built_in_recipes import AUTOENCODER, VOLUME_AUTOENCODER
from mriad_model.enums import LabelValue
from mriad_model.errors import NoScans, SettingsError
from mriad_model.evaluation.dataset import EvaluationData
from mriad_model.paths import escape_path
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.write import write_dicom_series, write_nifti
from mriad_model.recipes import Recipe
from tasks.intake.ingest import Labelling
from tasks.training.evaluate import OTHER_KIND, Gathered, gather_labelled
from tests.support.phantoms import CONTRAST, SHAPE
from tests.tasks.conftest import Bench

Gather = Callable[..., tuple[Gathered, EvaluationData]]


@pytest.fixture
def folder(tmp_path: Path, heads: Path) -> Path:
    """Volumes of three healthy heads and an ill one, and pictures, in no/ and yes/."""
    made = tmp_path / "scans"
    for label in ("no", "yes"):
        shutil.copytree(heads / label, made / label)
    for number in range(2):
        put(made / "no" / f"{number}.nii.gz", number)
    put(made / "yes" / "9.nii.gz", 9)
    drawn = phantom_volume(5, CONTRAST, None, SHAPE)
    write_dicom_series(made / "no" / "series", drawn, patient="P-17")
    return made


def put(path: Path, number: int) -> None:
    drawn = phantom_volume(number, CONTRAST, None, SHAPE)
    write_nifti(path, drawn.voxels, drawn)


@pytest.fixture
def gather(bench: Bench, folder: Path) -> Gather:
    def gathered(recipe: Recipe) -> tuple[Gathered, EvaluationData]:
        path = folder.parent / "work" / "data.safetensors"
        path.parent.mkdir(exist_ok=True)
        labelling = Labelling("me", from_folders=True)
        found = gather_labelled.fn(escape_path(folder), "*", labelling, recipe.to_json(), str(path))
        return found, EvaluationData.from_file(path)

    return gathered


def test_an_evaluation_of_volumes_takes_files_and_series_and_leaves_pictures(
    gather: Gather,
) -> None:
    found, data = gather(VOLUME_AUTOENCODER)
    assert (found.healthy, found.abnormal) == (3, 1)
    assert {each.detail for each in found.rejected} == {OTHER_KIND.format("volume", "volumes")}
    assert {Path(each.path).suffix for each in found.rejected} == {".png"}
    assert sum(label is LabelValue.HEALTHY for label in data.labels) == 3
    assert all(len(scan) > 1 for scan in data.scans)


def test_the_voxels_of_a_volume_go_as_soon_as_its_slices_are_prepared(
    gather: Gather, folder: Path
) -> None:
    gather(VOLUME_AUTOENCODER)
    assert list((folder.parent / "work").rglob("*.npy")) == []


def test_an_evaluation_of_pictures_leaves_volumes_and_says_so(gather: Gather) -> None:
    found, data = gather(AUTOENCODER)
    left = {each.path: each.detail for each in found.rejected}
    assert left["no/0.nii.gz"] == OTHER_KIND.format("autoencoder", "picture files")
    assert sum(path.startswith("no/series/") for path in left) == SHAPE[0]
    assert all(len(scan) == 1 for scan in data.scans)


def test_two_scans_of_one_patient_and_a_copy_of_a_scan_are_one_group(
    gather: Gather, folder: Path
) -> None:
    shutil.copy(folder / "no" / "0.nii.gz", folder / "no" / "copy.nii.gz")
    drawn = phantom_volume(6, CONTRAST, None, SHAPE)
    for path in write_dicom_series(folder / "no" / "second", drawn, patient="P-18"):
        dataset = dcmread(path)
        dataset.PatientID = "P-17"
        dataset.save_as(path)
    _, data = gather(VOLUME_AUTOENCODER)
    group = dict(zip(data.names, data.groups, strict=True))
    of_series = {number for name, number in group.items() if name.endswith(".dcm")}
    assert sum(name.endswith(".dcm") for name in group) == 2
    assert group["no/copy.nii.gz"] == group["no/0.nii.gz"]
    assert len(of_series) == 1
    assert len(set(data.groups)) == 4


def test_healthy_volumes_of_several_contrasts_are_refused_unless_one_is_chosen(
    gather: Gather, folder: Path
) -> None:
    for name in ("0", "1"):
        (folder / "no" / f"{name}.nii.gz").rename(folder / "no" / f"sub-{name}_T1w.nii.gz")
    put(folder / "no" / "sub-7_FLAIR.nii.gz", 7)
    with pytest.raises(SettingsError, match="--contrast"):
        gather(VOLUME_AUTOENCODER)
    found, data = gather(VOLUME_AUTOENCODER.with_contrast(["T1w"]))
    assert "no/sub-7_FLAIR.nii.gz" in [each.path for each in found.rejected]
    assert "no/sub-7_FLAIR.nii.gz" not in data.names


def test_a_folder_without_an_abnormal_volume_is_refused(gather: Gather, folder: Path) -> None:
    (folder / "yes" / "9.nii.gz").unlink()
    with pytest.raises(NoScans, match="3 healthy and 0 abnormal"):
        gather(VOLUME_AUTOENCODER)
