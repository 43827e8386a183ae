"""What is one volume and what are two: voxels and spacing tell, where it lies does not."""

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mriad_model.readers.nifti.reading import read_nifti
from mriad_model.readers.volume.volume_identity import STEP, TOLERANCE, identity_of
from tests.mriad_model.conftest import drawn_head, oblique_affine

HEAD = drawn_head((6, 20, 18))


def identity(spacing=(1.1, 0.9, 2.5), voxels=HEAD, origin=(0, 0, 0), degrees=(12.0, -7.0, 20.0)):
    affine = oblique_affine(spacing, degrees)
    affine[:3, 3] = origin
    return identity_of(voxels, affine)


def answers(one, other):
    """Whether one is known under a name of the other."""
    return other.sha256 in (one.sha256, *one.near)


@pytest.mark.parametrize("axis", range(3))
def test_another_spacing_along_any_axis_is_another_scan(axis):
    spacing = [1.1, 0.9, 2.5]
    spacing[axis] += 0.1
    assert not answers(identity(), identity(spacing))


def test_where_it_lies_and_how_it_is_turned_is_not_part_of_it():
    assert identity().names == identity(origin=(40, -3, 7)).names
    assert answers(identity(), identity(degrees=(0, 0, 0)))


def test_the_spacing_goes_with_the_patients_axes_not_the_files():
    turned = nibabel.Nifti1Image(HEAD.T, oblique_affine()).as_reoriented([[1, 1], [0, -1], [2, 1]])
    other = identity_of(np.ascontiguousarray(turned.dataobj).T, turned.affine)
    assert answers(identity(), other)
    swapped = identity_of(HEAD, oblique_affine((0.9, 1.1, 2.5)))
    assert not answers(identity(), swapped)


# Edges of rounding, fields of view over matrices, and what stands a float away from each.
@pytest.mark.parametrize(
    "nominal", [1.125, 1.875, 0.625, 0.3125, 0.005, 0.015, 4.995, 5.0, 220 / 384]
)
@pytest.mark.parametrize("off", [-TOLERANCE, -1e-6, 0, 1e-6, TOLERANCE])
def test_a_spacing_stored_to_other_digits_is_the_same_scan_on_any_edge(nominal, off):
    one, other = identity((nominal, 1, 5)), identity((nominal + 0.999 * off, 1, 5))
    assert answers(one, other)
    assert answers(other, one)


@given(st.floats(0.2, 12), st.floats(-TOLERANCE, TOLERANCE))
def test_no_two_spacings_within_the_tolerance_are_parted(spacing, off):
    small = drawn_head((3, 16, 16))
    one = identity((1, 1, spacing), small)
    assert answers(one, identity((1, 1, spacing + 0.999 * off), small))


@given(st.floats(0.2, 12), st.floats(STEP + 2 * TOLERANCE, 2))
def test_none_further_apart_than_a_step_are_one(spacing, off):
    small = drawn_head((3, 16, 16))
    assert not answers(identity((1, 1, spacing), small), identity((1, 1, spacing + off), small))


def test_float32_affines_and_quaternions_make_no_other_scan(tmp_path):
    affine = oblique_affine((1.875, 0.9375, 1.125))
    names = set()
    for codes in ((1, 0), (0, 1)):
        image = nibabel.Nifti1Image(HEAD.T, affine)
        image.set_sform(affine, codes[0])
        image.set_qform(affine, codes[1])
        nibabel.save(image, tmp_path / "a.nii")
        found = read_nifti(tmp_path / "a.nii").identity
        assert answers(identity_of(HEAD, affine), found)
        names |= set(found.names)
    assert identity_of(HEAD, affine).sha256 in names


def test_a_volume_keeps_its_names_under_the_one_that_the_record_has():
    found = identity((1.125, 1, 5))
    named = found.recorded_as(found.near[0])
    assert named.sha256 == found.near[0]
    assert set(named.names) == set(found.names)
