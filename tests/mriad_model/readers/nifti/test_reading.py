"""NIfTI files: what is read as what, and what is rejected for which reason."""

import gzip
import itertools
import os
import struct
import tracemalloc
import zlib
from functools import cache

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mriad_model.enums import ScanKind
from mriad_model.errors import RejectedFile
from mriad_model.readers.nifti.header import parse_header
from mriad_model.readers.nifti.reading import read_nifti
from mriad_model.readers.signatures import volume_kind
from mriad_model.readers.volume.geometry import canonical, canonical_affine
from mriad_model.readers.volume.volumes import VolumeLimits
from tests.mriad_model.conftest import drawn_head, oblique_affine
from tests.support.places import SHARED

VOLUMES = SHARED / "volumes"
IMAGES = {1: nibabel.Nifti1Image, 2: nibabel.Nifti2Image}
HEAD = drawn_head()
# NIfTI-1 fields: where they stand, and their struct codes.
DIM, DATATYPE, PIXDIM, OFFSET, SLOPE, INTERCEPT = 40, 70, 76, 108, 112, 116
QFORM, SFORM, QUATERNION, SROW = 252, 254, 256, 280


def nifti_bytes(voxels=HEAD, affine=None, version=1, **header):
    """A file in memory. `voxels` (Z, Y, X)."""
    affine = oblique_affine() if affine is None else affine
    image = IMAGES[version](voxels.T, affine)
    for key, value in header.items():
        image.header[key] = value
    return image.to_bytes()


def spoiled(offset, codes, *values, data=None):
    data = bytearray(nifti_bytes() if data is None else data)
    struct.pack_into("<" + codes, data, offset, *values)
    return bytes(data)


@pytest.fixture
def read(tmp_path):
    def read_bytes(data, limits=None, name="scan.nii"):
        path = tmp_path / name
        path.write_bytes(data)
        return read_nifti(path, limits)

    return read_bytes


@pytest.fixture
def reason(read):
    def rejected(data, limits=None):
        with pytest.raises(RejectedFile) as caught:
            read(data, limits)
        assert caught.value.detail
        return caught.value.reason.value

    return rejected


class TestAGoodFile:
    @pytest.mark.parametrize("version", [1, 2])
    @pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
    def test_is_read_voxel_by_voxel_onto_its_affine(self, read, version, pack):
        volume = read(pack(nifti_bytes(version=version)))
        np.testing.assert_array_equal(volume.voxels, HEAD)
        np.testing.assert_allclose(volume.affine, oblique_affine(), atol=1e-5)
        assert volume.voxels.dtype == np.int16
        assert volume.origin.kind is ScanKind.NIFTI

    @pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8", "i8"])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_may_be_of_any_real_type_and_byte_order(self, tmp_path, dtype, order):
        voxels = (HEAD % 100).astype(dtype)
        image = nibabel.Nifti1Image(voxels.T, np.eye(4), dtype=voxels.dtype)
        if order == ">":
            image = nibabel.Nifti1Image(voxels.T, np.eye(4), image.header.as_byteswapped(">"))
        path = tmp_path / "typed.nii"
        nibabel.save(image, path)
        volume = read_nifti(path)
        np.testing.assert_array_equal(volume.voxels, voxels)
        kept = dtype in ("u1", "i1", "i2", "u2")
        assert volume.voxels.dtype == np.dtype(dtype if kept else np.float32)
        assert volume.voxels.dtype.isnative

    def test_is_scaled(self, read):
        volume = read(nifti_bytes(scl_slope=0.5, scl_inter=-3))
        np.testing.assert_array_equal(volume.voxels, (HEAD * 0.5 - 3).astype("f4"))

    def test_with_a_slope_of_zero_is_not_scaled(self, read):
        volume = read(spoiled(SLOPE, "2f", 0.0, 7.0))
        np.testing.assert_array_equal(volume.voxels, HEAD)

    def test_may_place_itself_by_quaternion_alone(self, read):
        image = nibabel.Nifti1Image(HEAD.T, oblique_affine())
        image.set_qform(oblique_affine(), 1)
        image.set_sform(None, 0)
        np.testing.assert_allclose(read(image.to_bytes()).affine, image.affine, atol=1e-6)

    def test_of_a_left_handed_quaternion_keeps_its_sides(self, read):
        affine = oblique_affine() @ np.diag([-1, 1, 1, 1])
        image = nibabel.Nifti1Image(HEAD.T, affine)
        image.set_qform(affine, 1)
        image.set_sform(None, 0)
        np.testing.assert_allclose(read(image.to_bytes()).affine, affine, atol=1e-5)

    def test_in_metres_is_read_in_millimetres(self, read):
        metres = np.diag([1e-3, 1e-3, 1e-3, 1]) @ oblique_affine()
        volume = read(nifti_bytes(affine=metres, xyzt_units=1))
        np.testing.assert_allclose(volume.affine, oblique_affine(), atol=1e-5)

    def test_may_have_a_fourth_side_of_one(self, read):
        data = nibabel.Nifti1Image(HEAD.T[..., None], oblique_affine()).to_bytes()
        np.testing.assert_array_equal(read(data).voxels, HEAD)

    def test_says_its_subject_and_contrast_by_its_name(self, read):
        volume = read(nifti_bytes(), name="sub-07_ses-2_T1w.nii")
        assert (volume.origin.patient_id, volume.origin.contrast) == ("07", "T1w")

    @pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
    @pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (-1, -1, -1)])
    def test_turns_to_the_patients_axes_as_nibabel_turns_it(self, read, axes, signs):
        turn = np.zeros((4, 4))
        turn[axes, (0, 1, 2)] = signs
        turn[3, 3] = 1
        affine = turn @ oblique_affine(degrees=(5, 6, 7))
        volume = read(nifti_bytes(affine=affine))
        image = nibabel.as_closest_canonical(nibabel.Nifti1Image(HEAD.T, affine))
        np.testing.assert_array_equal(
            canonical(volume.voxels, volume.affine), np.asarray(image.dataobj)
        )
        ours = canonical_affine(volume.voxels.shape, volume.affine)
        np.testing.assert_allclose(ours, image.affine, atol=1e-4)

    def test_has_an_identity_that_does_not_depend_on_how_it_is_stored(self, read):
        plain = read(nifti_bytes())
        turned = nibabel.as_closest_canonical(nibabel.Nifti1Image(HEAD.T, oblique_affine()))
        zipped = read(gzip.compress(turned.to_bytes()))
        floats = read(nifti_bytes(HEAD.astype("f8"), version=2))
        mirrored = read(nifti_bytes(HEAD[:, :, ::-1]))
        assert plain.sha256 == zipped.sha256 == floats.sha256 != mirrored.sha256

    @pytest.mark.skipif(not VOLUMES.is_dir(), reason="shared/data/volumes is absent")
    def test_of_the_real_ones_is_read_as_nibabel_reads_it(self):
        paths = [*VOLUMES.glob("*.nii.gz"), *sorted(VOLUMES.rglob("*_bet.nii.gz"))[:3]]
        for path in paths:
            volume, image = read_nifti(path), nibabel.load(path)
            np.testing.assert_array_equal(volume.voxels.T, np.asarray(image.dataobj, "f4"))
            np.testing.assert_array_equal(volume.affine, image.affine)
        assert paths


class TestWhereItLies:
    """Every way that a header can state it, against nibabel."""

    @pytest.mark.parametrize("version", [1, 2])
    @pytest.mark.parametrize("sform", range(-1, 7))
    @pytest.mark.parametrize("qform", range(-1, 7))
    def test_is_what_nibabel_says_for_all_codes_and_signs(self, version, sform, qform):
        small = drawn_head((4, 18, 16))
        for qfac, *signs in itertools.product((-1, 0, 1), *[(-1, 1)] * 3):
            data = _stated(small, version, sform, qform, qfac, signs)
            image = IMAGES[version].from_bytes(data)
            if image.header["sform_code"] == 0 and image.header["qform_code"] == 0:
                with pytest.raises(RejectedFile, match="neither sform nor qform"):
                    parse_header(data, VolumeLimits())
                continue
            ours = parse_header(data, VolumeLimits()).affine
            np.testing.assert_allclose(ours, image.affine, atol=1e-5)

    def test_is_not_mirrored_by_a_negative_pixdim(self, read):
        data = _stated(HEAD, 1, 0, 1, 1, (1, 1, 1))
        negative = _stated(HEAD, 1, 0, 1, 1, (-1, 1, 1))
        assert read(negative).sha256 == read(data).sha256

    def test_is_not_guessed_where_a_pixdim_is_0(self, reason):
        data = spoiled(PIXDIM, "4f", 1, 0, 1, 1, data=_stated(HEAD, 1, 0, 1, 1, (1, 1, 1)))
        assert reason(data) == "bad_geometry"

    def test_of_the_case_is_the_same_with_and_without_the_sign(self, cases, flair_judge):
        found = [
            read_nifti(next((cases / "07-negpixdim" / each).glob("*.nii*")))
            for each in ("pos", "neg")
        ]
        assert found[0].sha256 == found[1].sha256
        assert flair_judge.scored(found[0]).score == flair_judge.scored(found[1]).score


@cache
def _differing(version, shape, voxels):
    """A file of int16 whose sform and qform differ."""
    image = IMAGES[version](np.frombuffer(voxels, np.int16).reshape(shape).T, None)
    image.header.set_sform(oblique_affine((1.2, 0.8, 2.2), (3.0, 9.0, -15.0)), 1)
    image.header.set_qform(oblique_affine(), 1)
    return image.to_bytes()


def _stated(voxels, version, sform, qform, qfac, signs):
    """A file whose sform and qform differ, with these codes and signs of pixdim."""
    data = bytearray(_differing(version, voxels.shape, voxels.tobytes()))
    if version == 1:
        struct.pack_into("<2h", data, QFORM, qform, sform)
        spacing = np.array(struct.unpack_from("<3f", data, PIXDIM + 4)) * signs
        struct.pack_into("<4f", data, PIXDIM, qfac, *spacing)
    else:
        struct.pack_into("<2i", data, 344, qform, sform)
        spacing = np.array(struct.unpack_from("<3d", data, 112)) * signs
        struct.pack_into("<4d", data, 104, qfac, *spacing)
    return bytes(data)


class TestARejectedFile:
    @pytest.mark.parametrize(
        ("data", "wanted"),
        [
            (spoiled(DIM, "8h", 3, -36, 40, 12, 1, 1, 1, 1), "corrupt"),
            (spoiled(DIM, "8h", 3, 0, 40, 12, 1, 1, 1, 1), "corrupt"),
            (spoiled(DIM, "8h", 9, 36, 40, 12, 1, 1, 1, 1), "corrupt"),
            (spoiled(DIM, "8h", 2, 36, 480, 1, 1, 1, 1, 1), "bad_shape"),
            (spoiled(DIM, "8h", 4, 36, 40, 6, 2, 1, 1, 1), "several_volumes"),
            (spoiled(DIM, "8h", 3, 32767, 32767, 32767, 1, 1, 1, 1), "too_large"),
            (spoiled(DIM, "8h", 3, 36, 40, 2, 1, 1, 1, 1), "bad_shape"),
            (spoiled(DIM, "8h", 3, 36, 40, 13, 1, 1, 1, 1), "truncated"),
            (spoiled(DATATYPE, "h", 32), "not_magnitude"),
            (spoiled(DATATYPE, "h", 128), "colour"),
            (spoiled(DATATYPE, "h", 12345), "unsupported"),
            (spoiled(OFFSET, "f", -1.0), "corrupt"),
            (spoiled(OFFSET, "f", np.nan), "corrupt"),
            (spoiled(OFFSET, "f", 1e9), "too_large"),
            (spoiled(SLOPE, "2f", 1.0, np.inf), "corrupt"),
            (spoiled(SLOPE, "2f", 3e38, 0.0), "not_finite"),
            (spoiled(QFORM, "2h", 0, 0), "bad_geometry"),
            (spoiled(SROW, "12f", *np.zeros(12)), "bad_geometry"),
            (spoiled(SROW, "12f", *np.full(12, np.nan)), "bad_geometry"),
            (spoiled(SROW, "12f", 1, 0, 0, 0, 0, 1, 0.3, 0, 0, 0, 1, 0), "bad_geometry"),
            (spoiled(SROW, "12f", 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0), "bad_geometry"),
            (spoiled(QFORM, "2h6f", 1, 0, 9, 9, 9, 0, 0, 0), "bad_geometry"),
            (spoiled(344, "4s", b"ni1\0"), "unsupported"),
            (nifti_bytes()[:-1], "truncated"),
            (nifti_bytes()[:300], "truncated"),
            (nifti_bytes()[:2], "truncated"),
            (b"", "empty"),
            (b"no header at all" * 100, "unsupported"),
            (nifti_bytes() + bytes(100_000), "corrupt"),
            (nifti_bytes(np.full((4, 20, 20), 5, "i2")), "no_signal"),
            (nifti_bytes((HEAD > 300).astype("u1")), "label_map"),
            (nifti_bytes((HEAD // 100).astype("f4")), "label_map"),
            (gzip.compress(nifti_bytes(), mtime=0)[:-2000], "truncated"),
            (gzip.compress(nifti_bytes(), mtime=0)[:-1], "truncated"),
            (gzip.compress(nifti_bytes(), mtime=0)[:100], "truncated"),
            (gzip.compress(nifti_bytes(), mtime=0)[:-8] + bytes(8), "corrupt"),
            (b"\x1f\x8b not gzip", "corrupt"),
        ],
    )
    def test_has_its_reason(self, reason, data, wanted):
        assert reason(data) == wanted

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_holds_a_voxel_that_is_no_number(self, reason, value):
        voxels = HEAD.astype("f4")
        voxels[7, 3, 5] = value
        assert reason(nifti_bytes(voxels)) == "not_finite"

    def test_is_a_bomb_that_costs_no_more_than_its_header_says(self, reason):
        packer = zlib.compressobj(wbits=31)
        bomb = packer.compress(nifti_bytes())
        bomb += b"".join(packer.compress(bytes(2**20)) for _ in range(200)) + packer.flush()
        tracemalloc.start()
        assert reason(bomb) == "corrupt"
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2**21

    def test_asks_for_more_than_the_limits(self, reason):
        assert reason(nifti_bytes(), VolumeLimits(max_voxels=1000)) == "too_large"
        assert reason(nifti_bytes(), VolumeLimits(max_file_bytes=1000)) == "too_large"
        assert reason(nifti_bytes(), VolumeLimits(max_side=39)) == "too_large"

    def test_is_a_link_or_a_pipe(self, tmp_path):
        real = tmp_path / "real.nii"
        real.write_bytes(nifti_bytes())
        (tmp_path / "link.nii").symlink_to(real)
        os.mkfifo(tmp_path / "pipe.nii")
        for name in ("link", "pipe"):
            with pytest.raises(RejectedFile, match=r"symlink|not_regular"):
                read_nifti(tmp_path / f"{name}.nii")


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    version=st.sampled_from([1, 2]),
    zipped=st.booleans(),
    changes=st.lists(st.tuples(st.integers(0, 700), st.binary(min_size=1, max_size=8)), max_size=5),
    cut=st.integers(0, 1500),
)
def test_mutated_files_end_in_volumes_or_rejections(tmp_path, version, zipped, changes, cut):
    data = bytearray(nifti_bytes(drawn_head((4, 18, 16)), version=version))
    if zipped:
        data = bytearray(gzip.compress(data, 1))
    for at, change in changes:
        data[at : at + len(change)] = change
    path = tmp_path / "mutated.nii"
    path.write_bytes(data[:-cut] if cut > 1000 else data)
    volume_kind(path)
    try:
        volume = read_nifti(path)
    except RejectedFile:
        return
    assert volume.voxels.ndim == 3
    assert np.isfinite(volume.voxels).all()
    assert np.isfinite(volume.affine).all()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_the_kind_of_a_file_is_told_by_its_content(tmp_path, pack):
    path = tmp_path / "picture.jpg"
    path.write_bytes(pack(nifti_bytes(version=2)))
    assert volume_kind(path) is ScanKind.NIFTI
    path.write_bytes(pack(b"anything else" * 100))
    assert volume_kind(path) is None
