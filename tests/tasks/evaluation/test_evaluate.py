"""Labelled pictures and volumes of a folder, gathered for an evaluation."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom import dcmread

from mriad_model.datasets.labels import Labelling
from mriad_model.enums import LabelValue
from mriad_model.errors import NoScans, SettingsError
from mriad_model.evaluation.dataset import EvaluationData
from mriad_model.evaluation.listing import Listing, Patients
from mriad_model.paths import escape_path
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.write import write_dicom_series, write_nifti
from mriad_model.recipes.built_in_recipes import AUTOENCODER, VOLUME_AUTOENCODER
from mriad_model.recipes.recipe import Recipe
from tasks.evaluation.evaluate import OTHER_KIND, Gathered, gather_labelled
from tasks.evaluation.labelled_scans import NOT_THERE
from tests.support.scans.phantoms import CONTRAST, SHAPE
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
    def gathered(
        recipe: Recipe, listing: Listing | None = None, folder: Path = folder
    ) -> tuple[Gathered, EvaluationData]:
        path = folder.parent / "work" / "data.safetensors"
        path.parent.mkdir(exist_ok=True)
        labelling = Labelling("me", from_folders=True)
        found = gather_labelled.fn(
            escape_path(folder), "*", labelling, recipe.to_json(), str(path), listing
        )
        return found, EvaluationData.from_file(path)

    return gathered


def test_an_evaluation_of_volumes_takes_files_and_series_and_leaves_pictures(
    gather: Gather,
) -> None:
    found, data = gather(VOLUME_AUTOENCODER)
    assert (found.healthy, found.abnormal) == (3, 1)
    assert {each.detail for each in found.rejected} == {
        OTHER_KIND.format("volume-autoencoder", "volumes")
    }
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


def write_mask(path: Path, voxels: np.ndarray, number: int = 0) -> None:
    """A mask on the grid of the head of that number."""
    write_nifti(path, voxels.astype(np.uint8), phantom_volume(number, CONTRAST, None, SHAPE))


def test_masks_and_patients_come_from_names_and_folders(gather: Gather, folder: Path) -> None:
    lesion = np.zeros(SHAPE, bool)
    lesion[10:12, 20:30, 20:30] = True
    write_mask(folder / "yes" / "9_mask.nii.gz", lesion, 9)
    (folder / "no" / "P").mkdir()
    (folder / "no" / "0.nii.gz").rename(folder / "no" / "P" / "0.nii.gz")
    (folder / "yes" / "P").mkdir()
    for name in ("9", "9_mask"):
        (folder / "yes" / f"{name}.nii.gz").rename(folder / "yes" / "P" / f"{name}.nii.gz")
    found, data = gather(VOLUME_AUTOENCODER, Listing(Patients.FOLDER))
    assert (found.healthy, found.abnormal) == (3, 1)
    at = {name: i for i, name in enumerate(data.names)}
    ill = at["yes/P/9.nii.gz"]
    np.testing.assert_array_equal(data.lesion(ill), lesion)
    assert data.lesion(at["no/P/0.nii.gz"]) is None
    assert data.groups[ill] == data.groups[at["no/P/0.nii.gz"]]
    assert not any("mask" in each.path for each in found.rejected)


def test_a_csv_lists_a_head_as_it_is_and_with_a_lesion_added(gather: Gather, folder: Path) -> None:
    lesion = np.zeros(SHAPE, bool)
    lesion[10:14, 20:40, 20:30] = True
    write_mask(folder / "lesion.nii.gz", lesion * 200)
    (folder.parent / "scans.csv").write_text(
        "path,patient,label,mask,difference\n"
        "no/0.nii.gz,A,no,,\n"
        "no/1.nii.gz,B,no,,\n"
        "no/0.nii.gz,A,yes,lesion.nii.gz,lesion.nii.gz\n"
        "no/series,C,no,,\n"
        "no/1.nii.gz,B,yes,,elsewhere.nii.gz\n"
        "no/1.nii.gz,B,yes,,lesion.nii.gz\n"
        "no/7.nii.gz,D,no,,\n"
    )
    found, data = gather(VOLUME_AUTOENCODER, Listing(csv=str(folder.parent / "scans.csv")))
    assert (found.healthy, found.abnormal, found.unlabelled) == (3, 1, 0)
    why = {each.path: each.detail for each in found.rejected}
    assert why["no/7.nii.gz"] == NOT_THERE
    assert "elsewhere.nii.gz beside it" in why["no/1.nii.gz + elsewhere.nii.gz"]
    assert "another grid" in why["no/1.nii.gz + lesion.nii.gz"]
    at = {name: i for i, name in enumerate(data.names)}
    ill = at["no/0.nii.gz + lesion.nii.gz"]
    assert data.labels[ill] is LabelValue.ABNORMAL
    assert data.groups[ill] == data.groups[at["no/0.nii.gz"]] != data.groups[at["no/1.nii.gz"]]
    plain, added = (data.scans[i].batch.images.astype(float) for i in (at["no/0.nii.gz"], ill))
    assert np.abs(plain - added).max() > 0.03
    np.testing.assert_array_equal(data.lesion(ill), lesion)


def test_labels_may_come_from_masks_and_a_mask_of_another_size_rejects_its_scan(
    gather: Gather, folder: Path
) -> None:
    heads, masks = folder / "heads", folder.parent / "masks"
    heads.mkdir()
    masks.mkdir()
    pictures = sorted((folder / "no").glob("*.png"))[:4]
    for path in pictures:
        shutil.copy(path, heads / path.name)
    side = cv2.imread(str(pictures[0]), 0).shape
    for path, mask in zip(
        pictures, (np.zeros(side), np.eye(*side) * 255, np.eye(40) * 255), strict=False
    ):
        cv2.imwrite(str(masks / path.name), mask.astype(np.uint8))
    listing = Listing(masks=escape_path(masks), labels_from_masks=True)
    found, data = gather(AUTOENCODER, listing, heads)
    assert [each.path for each in found.rejected] == [pictures[2].name]
    assert "its mask has the shape (40, 40)" in (found.rejected[0].detail or "")
    labels = dict(zip(data.names, data.labels, strict=True))
    assert labels[pictures[0].name] is labels[pictures[3].name] is LabelValue.HEALTHY
    assert labels[pictures[1].name] is LabelValue.ABNORMAL


def test_a_folder_without_an_abnormal_volume_is_refused(gather: Gather, folder: Path) -> None:
    (folder / "yes" / "9.nii.gz").unlink()
    with pytest.raises(NoScans, match="3 healthy and 0 abnormal"):
        gather(VOLUME_AUTOENCODER)
