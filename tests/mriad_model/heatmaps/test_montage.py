"""What is kept of a scored volume for people to look at."""

import gzip
from dataclasses import replace

import cv2
import nibabel
import numpy as np
import pytest

from mriad_model.detection.scan_scores import score_scans
from mriad_model.enums import NOTICE
from mriad_model.heatmaps import montage
from mriad_model.heatmaps.captions import footer, footer_height
from mriad_model.heatmaps.montage import montage_picture
from mriad_model.heatmaps.montage_layout import is_above_words
from mriad_model.heatmaps.overlay import ColourScale
from mriad_model.heatmaps.volume_map import anomaly_volume, nifti_map
from mriad_model.preprocessing.slicing import native_slices
from mriad_model.preprocessing.volumes import prepare_volume
from mriad_model.readers.nifti.reading import read_nifti
from mriad_model.recipes.recipe import Plane
from tests.support.scans.scanned import CUBE, fitted_on_heads, grid_affine, scanned


@pytest.fixture(scope="module")
def model():
    return fitted_on_heads()


@pytest.fixture(scope="module")
def volume():
    return scanned(*grid_affine(degrees=7.0), cube=True, seed=9)


@pytest.fixture(scope="module")
def prepared(volume, model):
    return prepare_volume(volume, model.recipe)


@pytest.fixture(scope="module")
def found(model, prepared):
    (scores,) = score_scans(model, [prepared])
    return scores


@pytest.fixture(scope="module")
def native(volume, prepared):
    return native_slices(volume, Plane.AXIAL, prepared.grey)


def coloured(picture):
    """Where the picture is not grey."""
    return np.ptp(picture.astype(int), axis=2) > 60


def test_the_montage_shows_the_finding_on_the_side_it_is_on(found, prepared, native, model):
    picture = cv2.imdecode(
        np.frombuffer(montage_picture(found, prepared, native, model, 3), np.uint8),
        cv2.IMREAD_COLOR,
    )
    height, width = picture.shape[:2]
    assert width > height > width / 2
    tiles = coloured(picture[: height // 3 * 2])
    columns = np.flatnonzero(tiles.any(axis=0)) % (width // 3)
    assert CUBE[0] > 0  # the patient's right, so on the left of each tile
    assert np.median(columns) < width / 6


def test_the_same_montage_has_the_same_bytes(found, prepared, native, model):
    one, two = (montage_picture(found, prepared, native, model, 3) for _ in range(2))
    assert one == two
    assert one != montage_picture(found, prepared, native, model, 4)


def test_a_picture_says_that_its_score_is_in_the_unit_of_its_model(
    found, prepared, native, model, monkeypatch
):
    """Pages say beside it how many standard deviations that is."""
    said = []
    monkeypatch.setattr(montage, "footer", lambda *given: said.append(given[2]) or footer(*given))
    montage_picture(found, prepared, native, model, 3)
    assert said[0].startswith(f"score {found.score:.3g} (model 3's unit): the most unusual")


def test_a_volume_of_few_slices_has_a_smaller_montage(model):
    volume = scanned(*grid_affine(spacing=(2.5, 2.5, 20.0), n=(80, 96, 8)), seed=9)
    prepared = prepare_volume(volume, model.recipe)
    assert len(prepared) < 6
    (found,) = score_scans(model, [prepared])
    native = native_slices(volume, Plane.AXIAL, prepared.grey)
    data = montage_picture(found, prepared, native, model, 3)
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape[1] > 900


def test_of_a_scan_that_is_not_scorable_no_score_is_said(found, prepared, native, model):
    said = replace(found, gate=2.0)
    assert said.not_scorable
    one, two = (
        montage_picture(each, prepared, native, model, 3)
        for each in (said, replace(said, score=9.0, slice_scores=said.slice_scores + 9.0))
    )
    assert one == two
    both = (montage_picture(each, prepared, native, model, 3) for each in (found, said))
    scored, other = (cv2.imdecode(np.frombuffer(each, np.uint8), 0) for each in both)
    above = is_above_words(len(scored) - footer_height(scored.shape[1]))
    apart = np.abs(scored.astype(int) - other)[: len(above)].max(axis=1)
    assert apart[~above].max() > 100  # the words are gone
    assert apart[above].max() < 20  # and nothing else


SCALE = ColourScale(1.5, 6.0)


def test_the_map_lies_where_the_source_lies(found, prepared, volume, tmp_path):
    anomaly = anomaly_volume(found, prepared, volume, Plane.AXIAL)
    path = tmp_path / "map.nii.gz"
    path.write_bytes(nifti_map(anomaly, volume, SCALE, "mriad model 3"))
    read = read_nifti(path)
    np.testing.assert_array_equal(read.voxels, np.maximum(anomaly, 0))
    np.testing.assert_allclose(read.affine, volume.affine, atol=1e-4)


def test_a_viewer_is_told_the_models_scale_and_never_the_maps_own(found, prepared, volume):
    """Or every healthy head lights up. What is ordinary, or was not judged, is 0."""
    anomaly = anomaly_volume(found, prepared, volume, Plane.AXIAL)
    assert anomaly.min() < 0 < anomaly.max()
    for each in (anomaly, anomaly / 8):
        data = gzip.decompress(nifti_map(each, volume, SCALE, "mriad model 3"))
        image = nibabel.Nifti1Image.from_bytes(data)
        assert (image.header["cal_min"], image.header["cal_max"]) == (SCALE.low, SCALE.high)
        values = image.get_fdata()
        assert values.min() == 0
        assert values.max() == pytest.approx(each.max())
        assert not values[each.transpose(2, 1, 0) <= 0].any()


def test_the_map_says_that_it_is_for_research(volume):
    anomaly = np.zeros(volume.voxels.shape, np.float32)
    data = nifti_map(anomaly, volume, SCALE, "a long description, " * 8)
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    assert image.header["descrip"].item().startswith(b"RESEARCH USE ONLY")
    assert NOTICE.encode() in image.header.extensions[0].get_content()
    assert image.header["sform_code"] > 0
    assert data == nifti_map(anomaly, volume, SCALE, "a long description, " * 8)
