"""What arrives as DICOM and is no volume: every kind of it, by the reason it is rejected for."""

import errno
import os
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from mriad_model.errors import RejectedFile
from mriad_model.readers.dicom.reading import read_series
from mriad_model.readers.folders import list_files
from mriad_model.readers.volume.volumes import VolumeLimits
from tests.mriad_model.conftest import SYNTAXES, drawn_head
from tests.support.scans.survey import survey

ZEROS = ["0"] * 6


def shift(dataset, by):
    """Move a slice by (x, y, z) mm, LPS."""
    moved = np.array(dataset.ImagePositionPatient, float) + by
    dataset.ImagePositionPatient = [f"{each:.8f}" for each in moved]


def normal_of(dataset):
    orientation = np.array(dataset.ImageOrientationPatient, float)
    return np.cross(orientation[:3], orientation[3:])


class TestGeometry:
    def test_of_two_slices_is_too_few(self, series, rejected):
        series.classic(drawn_head((2, 40, 36)))
        assert rejected() == {"too_few_slices"}

    def test_with_slices_at_one_position_is_no_single_volume(self, series, rejected):
        series.classic()
        series.classic()
        assert rejected() == {"shared_positions"}

    def test_with_a_missing_slice_has_a_gap(self, series, rejected):
        for path in series.classic()[5:6]:
            path.unlink()
        assert rejected() == {"gap"}

    @pytest.mark.parametrize(("share", "reason"), [(0.04, None), (0.07, "gap")])
    def test_may_be_uneven_by_five_per_cent(self, series, surveyed, share, reason):
        def edit(dataset, place):
            if place > 5:
                shift(dataset, normal_of(dataset) * 2.5 * share)

        series.classic(edit=edit)
        found = surveyed()
        assert {each.reason.value for _, each in found.rejections} == (
            {reason} if reason else set()
        )

    def test_that_is_sheared_is_rejected(self, series, rejected):
        def edit(dataset, place):
            shift(dataset, np.array(dataset.ImageOrientationPatient[:3], float) * 0.2 * place)

        series.classic(edit=edit)
        assert rejected() == {"bad_geometry"}

    def test_with_one_slice_shifted_in_its_plane_is_rejected(self, series, rejected):
        def edit(dataset, place):
            if place == 6:
                shift(dataset, np.array(dataset.ImageOrientationPatient[:3], float) * 3)

        series.classic(edit=edit)
        assert rejected() == {"bad_geometry"}

    @pytest.mark.parametrize(
        "orientation",
        [ZEROS, ["1", "0", "0", "1", "0", "0"], ["2", "0", "0", "0", "1", "0"]],
        ids=["zeros", "parallel", "long"],
    )
    def test_of_an_impossible_orientation_is_rejected(self, series, rejected, orientation):
        series.classic(ImageOrientationPatient=orientation)
        assert rejected() == {"bad_geometry"}

    @pytest.mark.parametrize("spacing", [["0", "1"], ["-1", "1"], ["1", "1e9"]])
    def test_of_an_impossible_spacing_is_rejected(self, series, rejected, spacing):
        series.classic(PixelSpacing=spacing)
        assert rejected() == {"bad_geometry"}

    def test_of_a_position_that_is_no_number_is_corrupt(self, series, rejected):
        series.classic()
        for path in series.folder.iterdir():
            data = path.read_bytes()
            at = data.index(b"DS", data.index(b"\x20\x00\x32\x00")) + 4
            path.write_bytes(data[:at] + b"nan\\inf\\".ljust(12) + data[at + 12 :])
        assert rejected() == {"corrupt"}


class TestContent:
    @pytest.mark.parametrize(
        ("tags", "reason"),
        [
            ({"Modality": "CT"}, "wrong_modality"),
            ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
            ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "unsupported"),
            ({"BurnedInAnnotation": "YES"}, "burned_in_annotation"),
            ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "colour"),
            ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour"),
            ({"RescaleSlope": "0"}, "no_signal"),
            ({"ModalityLUTSequence": [Dataset()]}, "unsupported"),
            ({"BitsAllocated": 1, "BitsStored": 1}, "unsupported"),
            ({"BitsStored": 17}, "corrupt"),
            ({"Rows": 65535, "Columns": 65535}, "too_large"),
            ({"Rows": 4, "Columns": 4}, "bad_shape"),
            ({"NumberOfFrames": 2_000_000_000}, "too_large"),
            ({"NumberOfFrames": -1}, "corrupt"),
            ({"NumberOfFrames": 0}, "bad_shape"),
            ({"Rows": 41}, "truncated"),
            ({"SeriesInstanceUID": ""}, "missing_tags"),
        ],
        ids=str,
    )
    def test_of_the_wrong_kind_is_rejected_by_name(self, series, rejected, tags, reason):
        series.classic(**tags)
        assert rejected() == {reason}

    @pytest.mark.parametrize(
        "keyword",
        ["Modality", "SOPInstanceUID", "Rows", "PixelSpacing", "ImagePositionPatient",
         "ImageOrientationPatient", "BitsAllocated", "PixelRepresentation",
         "PhotometricInterpretation"],
    )  # fmt: skip
    def test_without_a_required_tag_is_rejected(self, series, rejected, keyword):
        series.classic(edit=lambda dataset, place: delattr(dataset, keyword))
        assert rejected() == {"missing_tags"}

    def test_without_pixels_is_truncated(self, series, rejected):
        series.classic(edit=lambda dataset, place: delattr(dataset, "PixelData"))
        assert rejected() == {"truncated"}

    def test_that_is_the_same_everywhere_has_no_signal(self, series, surveyed):
        series.classic(np.full((5, 40, 36), 7, np.int16))
        with pytest.raises(RejectedFile, match="no_signal"):
            read_series(surveyed().series[0])

    def test_that_becomes_infinite_is_rejected(self, series, surveyed):
        series.classic(RescaleSlope="1e300")
        with pytest.raises(RejectedFile, match="not_finite"):
            read_series(surveyed().series[0])

    def test_of_a_second_file_with_one_uid_is_a_duplicate(self, series, surveyed):
        first = series.classic()[3]
        copy = series.folder / "zzz.dcm"
        copy.write_bytes(first.read_bytes())
        found = surveyed()
        assert len(found.series) == 1
        ((rejected, reason),) = [(file.path, r.reason.value) for file, r in found.rejections]
        assert (rejected, reason) == (copy, "duplicate")

    def test_of_frames_without_a_place_each_is_rejected(self, series, rejected):
        def edit(dataset, place):
            del dataset.PerFrameFunctionalGroupsSequence

        series.enhanced(edit=edit)
        assert rejected() == {"multi_frame"}

    def test_of_more_frames_than_places_is_corrupt(self, series, rejected):
        def edit(dataset, place):
            del dataset.PerFrameFunctionalGroupsSequence[-1]

        series.enhanced(edit=edit)
        assert rejected() == {"corrupt"}

    def test_never_has_its_values_quoted(self, series, surveyed, caplog, capfd):
        """Neither in details nor in logs; warnings are errors here."""
        series.classic(drawn_head((2, 40, 36)), StudyInstanceUID="1.2.3.4.5.6.78")
        series.classic(PixelSpacing=["1.2525", "1.2525"])
        spoiled = {
            b"1.2.3.4.5.6.78": b"../../tmp/evil",
            b"1.2525": b"evil00",
            b"t2_tse_tra": b"<script>\xff\xfe",
        }
        for path in series.folder.iterdir():
            data = path.read_bytes()
            for good, bad in spoiled.items():
                data = data.replace(good, bad)
            path.write_bytes(data)
        found = surveyed()
        assert {each.reason.value for _, each in found.rejections} == {"too_few_slices", "corrupt"}
        told = (
            [each.detail for _, each in found.rejections] + caplog.messages + [*capfd.readouterr()]
        )
        for word in ("Doe", "P-17", "script", "evil"):
            assert not any(word in each for each in told)


class TestFiles:
    def test_cut_anywhere_are_rejected_and_never_read_short(self, series, tmp_path):
        path = series.classic()[0]
        whole = path.read_bytes()
        for length in range(0, len(whole) - 1, 97):
            path.write_bytes(whole[:length])
            found = survey(list_files(path))
            assert not found.series
            reasons = {each.reason.value for _, each in found.rejections}
            assert reasons <= {"truncated", "missing_tags", "corrupt"}
            assert bool(reasons) is (length > 132)  # before, nothing says that it is DICOM

    @pytest.mark.parametrize("syntax", SYNTAXES)
    def test_of_compressed_pixels_cut_short_are_truncated(self, series, rejected, syntax):
        for path in series.classic(syntax=syntax):
            path.write_bytes(path.read_bytes()[:-100])
        assert rejected() == {"truncated"}

    def test_that_are_deflated_are_rejected_before_they_are_inflated(self, series, surveyed):
        path = series.classic()[0]
        whole = path.read_bytes()
        at = whole.index(b"1.2.840.10008.1.2.1\0") + 20
        meta = whole[:at].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
        meta = meta.replace(struct.pack("<2sH", b"UI", 20), struct.pack("<2sH", b"UI", 22))
        packer = zlib.compressobj(wbits=-15)
        path.write_bytes(meta + packer.compress(bytes(200 * 2**20)) + packer.flush())
        assert DeflatedExplicitVRLittleEndian.encode() in path.read_bytes()[:1000]
        tracemalloc.start()
        found = survey(list_files(path))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert [each.reason.value for _, each in found.rejections] == ["unsupported"]
        assert peak < 2**20

    def test_of_an_unknown_transfer_syntax_are_unsupported(self, series, rejected):
        for path in series.classic():
            data = path.read_bytes()
            path.write_bytes(data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.77"))
        assert rejected() == {"unsupported"}

    def test_of_larger_headers_than_the_limit_are_rejected(self, series, rejected):
        series.classic()
        assert rejected(VolumeLimits(max_header_bytes=300)) == {"too_large"}

    @pytest.mark.parametrize("limit", ["max_header_reads", "max_items"])
    def test_of_elements_without_end_are_too_large(self, series, surveyed, limit):
        def edit(dataset, place):
            dataset.PerFrameFunctionalGroupsSequence = [Dataset()] * 1001
            undefined = limit == "max_header_reads"
            dataset["PerFrameFunctionalGroupsSequence"].is_undefined_length = undefined

        series.enhanced(edit=edit)
        ((_, rejection),) = surveyed(VolumeLimits(**{limit: 1000})).rejections
        assert rejection.reason.value == "too_large"
        ((_, rejection),) = surveyed().rejections
        assert rejection.reason.value == "corrupt"

    def test_nested_without_end_are_corrupt(self, series, rejected):
        opening = struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
        opening += struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
        for path in series.classic():
            data = path.read_bytes()
            at = data.index(struct.pack("<HH2s", 0x0008, 0x0016, b"UI"))
            path.write_bytes(data[:at] + opening * 5000 + data[at:])
        assert rejected() == {"corrupt"}

    @pytest.mark.parametrize(
        ("syntax", "marker", "offset", "codes", "values"),
        [
            ("jpeg 2000", b"\xff\x4f\xff\x51", 8, ">2L", (30000, 30000)),
            ("jpeg 2000", b"\xff\x4f\xff\x51", 40, ">H", (16384,)),  # components
            ("jpeg 2000", b"\xff\x4f\xff\x51", 42, ">B", (0x36,)),  # bits: GDCM would abort
            ("jpeg lossless", b"\xff\xc3", 5, ">2H", (65535, 65535)),
            ("jpeg lossless", b"\xff\xc3", 4, ">B", (255,)),
            ("jpeg lossless", b"\xff\xc3", 0, ">H", (0xFFC2,)),  # progressive: scans without end
            ("jpeg lossless", b"\xff\xc4", 0, ">L", (0xE07F1000,)),  # no table: GDCM would abort
            ("jpeg-ls", b"\xff\xf7", 5, ">2H", (65535, 65535)),
        ],
    )
    def test_whose_compressed_frame_claims_more_than_the_header_are_corrupt(
        self, series, rejected, syntax, marker, offset, codes, values
    ):
        for path in series.classic(syntax=syntax):
            data = bytearray(path.read_bytes())
            struct.pack_into(codes, data, data.index(marker) + offset, *values)
            path.write_bytes(data)
        assert rejected() == {"corrupt"}

    def test_of_no_bytes_and_of_other_kinds_are_left_to_others(self, series, surveyed):
        (series.folder / "empty").touch()
        (series.folder / "note.txt").write_text("hello")
        found = surveyed()
        assert [each.path.name for each in found.others] == ["empty", "note.txt"]
        assert not found.rejections

    def test_larger_than_the_limit_are_rejected(self, series, rejected):
        series.classic()
        assert rejected(VolumeLimits(max_file_bytes=1000)) == {"too_large"}
        assert rejected(VolumeLimits(max_voxels=10_000)) == {"too_large"}
        assert rejected(VolumeLimits(min_slices=13)) == {"too_few_slices"}

    def test_that_are_links_or_pipes_are_rejected_at_once(self, series, surveyed):
        real = series.classic()[0]
        (series.folder / "link.dcm").symlink_to(real)
        os.mkfifo(series.folder / "pipe.dcm")
        reasons = {file.path.name: each.reason.value for file, each in surveyed().rejections}
        assert reasons == {"link.dcm": "symlink", "pipe.dcm": "not_regular"}

    def test_that_change_between_listing_and_reading_are_rejected(self, series, surveyed):
        paths = series.classic()
        found = surveyed()
        status = paths[4].stat()
        os.utime(paths[4], ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        with pytest.raises(RejectedFile, match="unreadable"):
            read_series(found.series[0])

    def test_that_cannot_be_opened_are_unreadable(self, series, surveyed, monkeypatch):
        series.classic()
        listed = list(list_files(series.folder))

        def denied(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr("mriad_model.readers.signatures.open_regular", denied)
        assert {each.reason.value for _, each in survey(listed).rejections} == {"unreadable"}

    def test_dicomdir_is_an_index_and_no_scan(self, series, rejected):
        path = series.classic()[0]
        for other in series.folder.iterdir():
            if other != path:
                other.unlink()
        meta = path.read_bytes()
        before, after = b"1.2.840.10008.5.1.4.1.1.4\0", b"1.2.840.10008.1.3.10".ljust(26, b"\0")
        path.write_bytes(meta.replace(before, after))
        assert rejected() == {"unsupported"}

    def test_whose_pixels_cannot_be_decompressed_are_corrupt(self, series, surveyed):
        for path in series.classic(syntax="jpeg 2000"):
            data = bytearray(path.read_bytes())
            at = data.index(b"\xff\x52")  # the coding style (T.800, A.6.1): 200 decompositions
            data[at + 9] = 200
            path.write_bytes(data)
        with pytest.raises(RejectedFile, match="corrupt"):
            read_series(surveyed().series[0])


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A classic, an enhanced and two compressed files, as bytes."""
    from tests.mriad_model.conftest import SeriesWriter

    def bytes_of(name, write):
        writer = SeriesWriter(tmp_path_factory.mktemp(name) / "series")
        return [path.read_bytes() for path in write(writer)]

    small = drawn_head((4, 18, 16))
    return {
        "classic": bytes_of("a", lambda writer: writer.classic(small)),
        "enhanced": bytes_of("b", lambda writer: writer.enhanced(small)),
        "jpeg": bytes_of("c", lambda writer: writer.classic(small, syntax="jpeg lossless")),
        "j2k": bytes_of("d", lambda writer: writer.classic(small, syntax="jpeg 2000")),
        "rle": bytes_of("e", lambda writer: writer.classic(small, syntax="rle")),
    }


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_mutated_files_end_in_volumes_or_rejections(samples, tmp_path, data):
    files = samples[data.draw(st.sampled_from(sorted(samples)))]
    # Compressed pixels are left alone: a decoder that dies takes its process, not us, along.
    end = min(each.rindex(b"\xe0\x7f\x10\x00") for each in files) + 12
    for number, whole in enumerate(files):
        spoiled = bytearray(whole)
        for _ in range(data.draw(st.integers(0, 4))):
            at = data.draw(st.integers(132, end - 1))
            width = data.draw(st.sampled_from([1, 2, 4]))
            spoiled[at : at + width] = data.draw(st.binary(min_size=width, max_size=width))
        (tmp_path / f"{number}.dcm").write_bytes(spoiled)
    found = survey(list_files(tmp_path))
    told = {each.path for series in found.series for each in series.files}
    told |= {file.path for file, each in found.rejections} | {each.path for each in found.others}
    assert told == set(tmp_path.iterdir())
    for each in found.series:
        try:
            volume = read_series(each)
        except RejectedFile:
            continue
        assert volume.voxels.shape == each.shape
        assert np.isfinite(volume.affine).all()
