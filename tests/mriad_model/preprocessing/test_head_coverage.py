"""What can be no head by its size, and heads whose top is not in the picture."""

from dataclasses import replace

import numpy as np
import pytest

from mriad_model.errors import RejectedFile
from mriad_model.preprocessing.volumes import prepare_volume
from mriad_model.readers.nifti.reading import read_nifti
from mriad_model.readers.volume.volumes import volume_of
from tests.conftest import REPOSITORY
from tests.mriad_model.readers.nifti.test_reading import nifti_bytes
from tests.support.scans.cases import RECIPE, flair_head, rejected_in, series_in

DATA = REPOSITORY.parent / "shared/data"
METRES, MILLIMETRES, MICROMETRES, UNKNOWN = 1, 2, 3, 0


@pytest.fixture(scope="module")
def head():
    return flair_head(5)


def scaled(volume, factor):
    affine = volume.affine.copy()
    affine[:3] *= factor
    return volume_of(volume.voxels, affine, volume.origin)


def without_top(volume, n, blank=0):
    """The head without its topmost slices, and with blank ones in their place if asked for."""
    kept = volume.voxels[:-n]
    air = np.zeros((blank, *kept.shape[1:]), kept.dtype)
    return volume_of(np.concatenate([kept, air]), volume.affine, volume.origin)


def rejected(volume, recipe=RECIPE):
    with pytest.raises(RejectedFile) as caught:
        prepare_volume(volume, recipe)
    return caught.value.reason.value


class TestSize:
    @pytest.mark.parametrize("factor", [0.1, 0.2, 2.5, 4.0])
    def test_no_head_is_judged_that_is_too_small_or_too_large(self, head, factor):
        assert rejected(scaled(head, factor)) == "bad_geometry"

    @pytest.mark.parametrize("factor", [0.45, 0.8, 1.2])
    def test_those_of_newborns_and_large_adults_are(self, head, factor):
        assert len(prepare_volume(scaled(head, factor), RECIPE)) > 0

    @pytest.mark.parametrize("factor", [0.001, 1000.0])
    def test_no_scanners_field_of_view_is_rejected_when_read(self, head, factor):
        with pytest.raises(RejectedFile, match="bad_geometry"):
            scaled(head, factor)

    def test_a_wide_field_of_view_and_a_slab_are_no_other_head(self, head):
        wide = np.pad(head.voxels, ((0, 0), (100, 100), (100, 100)))
        prepared = prepare_volume(volume_of(wide, head.affine, head.origin), RECIPE)
        assert len(prepared) > 0
        slab = volume_of(head.voxels[-14:], head.affine, head.origin)
        assert len(prepare_volume(slab, RECIPE)) > 0

    @pytest.mark.parametrize(
        ("units", "factor"), [(METRES, 1e-3), (MILLIMETRES, 1), (MICROMETRES, 1e3), (UNKNOWN, 1)]
    )
    def test_units_are_applied_and_unknown_ones_are_millimetres(
        self, head, tmp_path, units, factor
    ):
        affine = head.affine.copy()
        affine[:3] *= factor
        path = tmp_path / "a.nii"
        path.write_bytes(nifti_bytes(head.voxels, affine, xyzt_units=units))
        np.testing.assert_allclose(read_nifti(path).affine, head.affine, rtol=1e-6, atol=1e-4)

    def test_millimetres_under_the_code_of_micrometres_are_rejected(self, head, tmp_path):
        path = tmp_path / "a.nii"
        path.write_bytes(nifti_bytes(head.voxels, head.affine, xyzt_units=MICROMETRES))
        with pytest.raises(RejectedFile, match="bad_geometry"):
            read_nifti(path)

    def test_of_the_case_the_right_one_is_ill_and_the_wrong_one_rejected(self, cases, flair_judge):
        true, wrong = (
            next((cases / "08-units" / each).glob("*.nii*")) for each in ("true", "wrong")
        )
        assert flair_judge.verdict(read_nifti(true)).value == "suspicious"
        with pytest.raises(RejectedFile, match="bad_geometry"):
            read_nifti(wrong)


class TestTop:
    @pytest.mark.parametrize("blank", [0, 8])
    def test_a_head_cut_off_at_its_top_is_not_judged_by_wrong_levels(self, head, blank):
        assert rejected(without_top(head, 15, blank)) == "incomplete"

    def test_one_that_ends_just_below_its_vertex_is_judged(self, head):
        whole = prepare_volume(head, RECIPE)
        n_above = head.voxels.shape[0] - 1 - whole.positions[-1]
        found = prepare_volume(without_top(head, n_above), RECIPE)
        assert found.positions == whole.positions

    def test_where_no_levels_count_from_the_top_it_is_judged(self, head):
        anywhere = replace(RECIPE.volumes, reach=None, levels=None)
        assert len(prepare_volume(without_top(head, 15), replace(RECIPE, volumes=anywhere))) > 0

    def test_the_case_without_its_top_is_rejected_by_its_headers_or_its_picture(self, cases):
        by_picture = {rejected(each) for each in series_in(cases / "06-short/no-top")}
        assert by_picture | rejected_in(cases / "06-short/no-top") == {"incomplete"}

    @pytest.mark.skipif(not DATA.is_dir(), reason="shared/data is absent")
    def test_whole_heads_of_scanners_are_judged(self):
        paths = [
            *sorted((DATA / "ixi_t1").glob("*.nii.gz"))[::12],
            *sorted((DATA / "nichart_flair").glob("*FL.nii.gz"))[::3],
            *sorted((DATA / "volumes").glob("*.nii.gz")),
            *sorted((DATA / "volumes").rglob("*fla*.nii.gz")),
        ]
        assert paths
        for path in paths:
            assert len(prepare_volume(read_nifti(path), RECIPE)) > 0
