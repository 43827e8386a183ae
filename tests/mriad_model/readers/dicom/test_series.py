"""DICOM series that are read: classic, enhanced, compressed, scaled, in any order."""

import pickle
import shutil
import subprocess
import tracemalloc

import nibabel
import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from mriad_model.enums import ScanKind
from mriad_model.preprocessing.slicing import cut
from mriad_model.readers.dicom.reading import read_series
from mriad_model.readers.folders import list_files
from mriad_model.readers.nifti.reading import read_nifti
from mriad_model.readers.volume.geometry import canonical, canonical_affine
from mriad_model.recipes.recipe import Plane, Slicing
from tests.mriad_model.conftest import SYNTAXES, drawn_head, item, oblique_affine
from tests.support.places import SHARED
from tests.support.scans.survey import survey

DICOM_T1 = SHARED / "volumes/dicom_t1"
DCM2NIIX = shutil.which("dcm2niix")
needs_dcm2niix = pytest.mark.skipif(DCM2NIIX is None, reason="dcm2niix is not installed")


def as_converted(folder, out):
    """What dcm2niix makes of a folder, and the file that it wrote."""
    out.mkdir()
    command = [DCM2NIIX, "-f", "converted", "-z", "n", "-b", "n", "-o", out, folder]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    (path,) = out.glob("*.nii")
    return nibabel.as_closest_canonical(nibabel.load(path)), path


def assert_same_volume(ours, theirs):
    """On the patient's axes: affine within 1e-4, voxels exactly."""
    affine = canonical_affine(ours.voxels.shape, ours.affine)
    np.testing.assert_allclose(affine, theirs.affine, atol=1e-4)
    np.testing.assert_array_equal(canonical(ours.voxels, ours.affine), np.asarray(theirs.dataobj))


@pytest.mark.skipif(not DICOM_T1.is_dir(), reason="shared/data/volumes is absent")
class TestARealSeries:
    @needs_dcm2niix
    def test_equals_what_dcm2niix_makes_of_it(self, tmp_path):
        found = survey(list_files(DICOM_T1))
        ours = read_series(found.series[0])
        theirs, path = as_converted(DICOM_T1, tmp_path / "out")
        assert_same_volume(ours, theirs)
        assert read_nifti(path).sha256 == ours.sha256

    @needs_dcm2niix
    def test_gives_the_slices_of_the_nifti_file_made_of_it(self, tmp_path):
        ours = read_series(survey(list_files(DICOM_T1)).series[0])
        _, path = as_converted(DICOM_T1, tmp_path / "out")
        for plane in Plane:
            sliced = [cut(each, Slicing(plane=plane)) for each in (ours, read_nifti(path))]
            assert sliced[0].positions == sliced[1].positions
            for one, other in list(zip(*sliced, strict=True))[::20]:
                np.testing.assert_array_equal(one.pixels, other.pixels)

    def test_is_one_volume_and_the_texts_beside_it_are_no_dicom(self):
        found = survey(list_files(DICOM_T1))
        assert len(found.series) == 1
        assert found.series[0].shape == (80, 384, 274)
        assert not found.rejections
        assert {each.path.name for each in found.others} == {"README.md", "LICENSE"}


class TestAWrittenSeries:
    @pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.uint8])
    def test_is_read_voxel_by_voxel_onto_its_affine(self, series, volume, dtype):
        head = drawn_head(dtype=np.int32) - (100 if dtype is np.int16 else 0)
        voxels = np.clip(head, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)
        series.classic(voxels)
        ours = volume()
        np.testing.assert_array_equal(ours.voxels, voxels)
        assert ours.voxels.dtype == dtype
        np.testing.assert_allclose(ours.affine, oblique_affine(), atol=1e-5)
        np.testing.assert_allclose(ours.spacing, (1.1, 0.9, 2.5), atol=1e-6)

    def test_says_where_it_comes_from(self, series, volume):
        series.classic()
        origin = volume().origin
        assert origin.kind is ScanKind.DICOM
        assert origin.patient_id == "P-17"
        assert (origin.series_uid, origin.study_uid) == (series.series_uid, series.study_uid)
        assert origin.frame_of_reference_uid == series.frame_uid
        assert (origin.scanner, origin.contrast) == ("ACME Coil 3 T", "T2w")
        assert origin.decoder == "native"

    def test_is_ordered_by_place_not_by_name_or_number(self, series, volume):
        series.classic(reverse=True)
        np.testing.assert_array_equal(volume().voxels, drawn_head())

    @pytest.mark.parametrize("syntax", SYNTAXES)
    def test_is_the_same_compressed(self, series, volume, syntax):
        series.classic(syntax=syntax)
        ours = volume()
        np.testing.assert_array_equal(ours.voxels, drawn_head())
        assert ours.origin.decoder.split()[0] in ("python-gdcm", "pydicom")
        assert len(ours.origin.decoder.split()) == 2

    def test_is_the_same_enhanced(self, series, volume):
        series.enhanced()
        ours = volume()
        np.testing.assert_array_equal(ours.voxels, drawn_head())
        np.testing.assert_allclose(ours.affine, oblique_affine(), atol=1e-5)

    @pytest.mark.parametrize("syntax", SYNTAXES)
    def test_is_the_same_enhanced_and_compressed(self, series, volume, syntax):
        series.enhanced(syntax=syntax)
        np.testing.assert_array_equal(volume().voxels, drawn_head())

    def test_of_monochrome1_is_turned_round_within_its_stored_bits(self, series, volume):
        head = drawn_head(dtype=np.uint16)
        tags = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "HighBit": 11}
        series.classic(4095 - head, **tags)
        np.testing.assert_array_equal(volume().voxels, head)

    def test_of_signed_monochrome1_is_turned_round(self, series, volume):
        series.classic(~drawn_head(), PhotometricInterpretation="MONOCHROME1")
        np.testing.assert_array_equal(volume().voxels, drawn_head())

    def test_is_scaled_slice_by_slice(self, series, volume):
        def edit(dataset, place):
            dataset.RescaleSlope, dataset.RescaleIntercept = str(1 + place), "-3.5"

        series.classic(edit=edit)
        ours = volume()
        slopes = np.arange(1, 13)[:, None, None]
        assert ours.voxels.dtype == np.float32
        np.testing.assert_array_equal(ours.voxels, (drawn_head() * slopes - 3.5).astype("f4"))

    def test_that_is_identically_scaled_keeps_its_integers(self, series, volume):
        series.classic(RescaleSlope="1", RescaleIntercept="0")
        assert volume().voxels.dtype == np.int16

    @needs_dcm2niix
    def test_of_monochrome1_is_what_dcm2niix_leaves_turned_round(self, series, volume, tmp_path):
        tags = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "HighBit": 11}
        series.classic(4095 - drawn_head(dtype=np.uint16), **tags)
        ours = volume()
        theirs, _ = as_converted(series.folder, tmp_path / "out")
        voxels = canonical(ours.voxels, ours.affine)
        np.testing.assert_array_equal(voxels, 4095 - np.asarray(theirs.dataobj))

    @pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
    def test_may_be_implicit_or_big_endian(self, series, volume, syntax):
        def edit(dataset, place):
            dataset.file_meta.TransferSyntaxUID = syntax
            order = "<i2" if syntax.is_little_endian else ">i2"
            dataset.PixelData = drawn_head()[place].astype(order).tobytes()

        series.classic(edit=edit)
        np.testing.assert_array_equal(volume().voxels, drawn_head())

    @needs_dcm2niix
    @pytest.mark.parametrize(
        "way", ["classic", "reverse", "enhanced", "jpeg lossless", "jpeg 2000", "scaled"]
    )
    def test_equals_what_dcm2niix_makes_of_it(self, series, volume, tmp_path, way):
        if way == "enhanced":
            series.enhanced()
        elif way == "scaled":
            series.classic(RescaleSlope="2", RescaleIntercept="-5")
        else:
            syntax = way if way in SYNTAXES else None
            series.classic(reverse=way == "reverse", syntax=syntax)
        theirs, _ = as_converted(series.folder, tmp_path / "out")
        assert_same_volume(volume(), theirs)

    def test_has_the_identity_of_the_nifti_file_made_of_it(self, series, volume, tmp_path):
        series.classic()
        ours = volume()
        turned = nibabel.Nifti1Image(ours.voxels.transpose(2, 1, 0)[::-1], ours.affine)
        turned.affine[:3, 3] += turned.affine[:3, 0] * (ours.voxels.shape[2] - 1)
        turned.affine[:3, 0] *= -1
        turned.header.set_data_dtype(np.float32)
        path = tmp_path / "turned.nii.gz"
        nibabel.save(nibabel.Nifti1Image(turned.dataobj, turned.affine), path)
        assert read_nifti(path).sha256 == ours.sha256

    def test_takes_its_own_size_and_little_more(self, series, surveyed):
        voxels = np.tile(drawn_head((4, 128, 128)), (15, 1, 1))
        series.classic(voxels)
        tracemalloc.start()
        read_series(surveyed().series[0])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1.7 * voxels.nbytes


class TestSeveralSeriesInOneFolder:
    def test_are_told_apart_by_uid_echo_orientation_type_and_time(self, series, surveyed):
        series.classic()
        series.classic(EchoTime=30)
        series.classic(affine=oblique_affine(degrees=(80.0, 0.0, 0.0)))
        series.classic(ImageType=["DERIVED", "PRIMARY", "M", "NORM"])
        series.classic(TemporalPositionIdentifier=2)
        series.classic(SeriesInstanceUID="1.2.3")
        found = surveyed()
        assert len(found.series) == 6
        assert all(each.shape == (12, 40, 36) for each in found.series)
        assert not found.rejections

    @pytest.mark.parametrize("told_apart", [True, False])
    def test_in_one_enhanced_file_are_told_apart_by_their_functional_groups(
        self, series, surveyed, told_apart
    ):
        def edit(dataset, place):
            frames = dataset.PerFrameFunctionalGroupsSequence
            for first, second in zip(frames[:12], frames[12:], strict=True):
                second.PlanePositionSequence = first.PlanePositionSequence
                if told_apart:
                    second.MREchoSequence = [item(EffectiveEchoTime=30.0)]

        both = np.concatenate([drawn_head(), drawn_head() + 1])
        series.enhanced(both, edit=edit, shuffled=False)
        found = surveyed()
        if told_apart:
            volumes = [read_series(each).voxels for each in found.series]
            np.testing.assert_array_equal(np.concatenate(volumes), both)
        else:
            assert not found.series
            assert [each.reason.value for _, each in found.rejections] == ["shared_positions"]

    def test_of_two_patients_are_never_mixed(self, series, surveyed):
        series.classic()
        series.classic(PatientID="P-18")
        assert len(surveyed().series) == 2

    def test_leave_a_good_one_unharmed_by_a_bad_one(self, series, surveyed):
        series.classic()
        series.classic(SeriesInstanceUID="1.2.3", RescaleSlope="0")
        found = surveyed()
        assert len(found.series) == 1
        assert {each.reason.value for _, each in found.rejections} == {"no_signal"}
        assert len(found.rejections) == 12

    def test_jitter_of_the_orientation_does_not_split_a_series(self, series, volume):
        def edit(dataset, place):
            tilted = [float(each) for each in dataset.ImageOrientationPatient]
            tilted[1] += 1e-5 * (-1) ** place
            dataset.ImageOrientationPatient = [f"{each:.8f}" for each in tilted]

        series.classic(edit=edit)
        assert volume().voxels.shape == (12, 40, 36)

    def test_go_from_one_process_to_another(self, series, surveyed):
        series.classic()
        found = surveyed()
        assert pickle.loads(pickle.dumps(found)) == found

    def test_files_of_one_volume_are_listed_in_slice_order(self, series, surveyed):
        paths = series.classic(reverse=True)
        assert [each.path for each in surveyed().series[0].files] == paths
