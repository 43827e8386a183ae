"""Reading picture files: which scan they are, and what is rejected for which reason."""

import gzip
import os
import random
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.folders import list_files
from mriad_model.readers.images.reading import ImageScan, ReadLimits, content_sha256, read_image
from tests.support.places import SHARED
from tests.support.scans.pictures import (
    COLOUR,
    DEEP,
    FORMATS,
    GRAY,
    chunk,
    encoded,
    slice_like,
    tiff,
)

KAGGLE = SHARED / "kaggle253"


def test_the_name_says_nothing(tmp_path):
    for name in ("a.jpg", "a.DCM", "a", "a.txt"):
        (tmp_path / name).write_bytes(encoded(GRAY, "PNG"))
        assert read_image(tmp_path / name).sha256 == content_sha256(GRAY)


def test_a_name_in_any_bytes_is_opened(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n.png"))
    path.write_bytes(encoded(GRAY))
    assert read_image(path).sha256 == content_sha256(GRAY)


def test_the_same_pixels_are_the_same_scan_in_any_file(read):
    colour = Image.fromarray(GRAY).convert("RGB")
    opaque = Image.fromarray(GRAY).convert("RGBA")
    files = [
        encoded(GRAY, "PNG"),
        encoded(GRAY, "PNG", compress_level=1),
        encoded(GRAY, "BMP"),
        encoded(GRAY, "TIFF"),
        encoded(GRAY, "TIFF", compression="tiff_lzw"),
        encoded(GRAY, "TIFF", compression="tiff_adobe_deflate"),
        encoded(colour, "PNG"),
        encoded(colour, "BMP"),
        encoded(opaque, "PNG"),
        encoded(opaque, "TIFF"),
        encoded(Image.fromarray(GRAY).convert("P"), "PNG"),
    ]
    assert {read(data).sha256 for data in files} == {content_sha256(GRAY)}


def test_other_pixels_shape_or_depth_are_another_scan():
    changed = GRAY.copy()
    changed[0, 0] ^= 1
    ids = [content_sha256(x) for x in (GRAY, changed, GRAY.T, GRAY.astype(np.uint16))]
    assert len(set(ids)) == 4


def test_identity_does_not_depend_on_memory_layout():
    big_endian = DEEP.astype(">u2")
    assert content_sha256(np.asfortranarray(DEEP)) == content_sha256(DEEP)
    assert content_sha256(big_endian) == content_sha256(DEEP)


def test_the_identity_is_fixed_for_ever():
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert content_sha256(pixels).startswith("dc433d1294f9ce1c")


def test_an_empty_file(reason):
    assert reason(b"") == RejectionReason.EMPTY


def test_a_png_bomb_is_too_large_before_anything_is_unpacked(reason):
    packed = zlib.compressobj(9)
    start = packed.compress(b"") + packed.flush(zlib.Z_FULL_FLUSH)
    thousand_rows = packed.compress(bytes(30_001_000)) + packed.flush(zlib.Z_FULL_FLUSH)
    raw = start + 30 * thousand_rows + packed.flush()
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", raw) + chunk(b"IEND", b"")
    assert len(data) < 1_000_000
    tracemalloc.start()
    assert reason(data) == RejectionReason.TOO_LARGE
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("kind", FORMATS)
def test_sizes_are_checked_from_the_header(reason, kind):
    assert reason(encoded(GRAY, kind), ReadLimits(max_pixels=1000)) == RejectionReason.TOO_LARGE


def test_a_tiff_that_claims_a_huge_picture_is_too_large(reason):
    assert reason(tiff(60_000, 60_000, b"")) == RejectionReason.TOO_LARGE


def test_a_file_over_the_byte_cap_is_too_large(reason, tmp_path):
    assert reason(encoded(GRAY), ReadLimits(max_bytes=100)) == RejectionReason.TOO_LARGE
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(RejectedFile, match="too_large"):
        read_image(tmp_path / "sparse")


@pytest.mark.parametrize("kind", FORMATS)
def test_no_file_cut_anywhere_gives_other_pixels(tmp_path, kind):
    data = encoded(COLOUR, kind)
    whole = tmp_path / "whole"
    whole.write_bytes(data)
    expected = read_image(whole).sha256
    for end in [*random.Random(0).sample(range(len(data)), 60), len(data) - 1, len(data) - 2]:
        (tmp_path / "cut").write_bytes(data[:end])
        try:
            found = read_image(tmp_path / "cut").sha256
        except RejectedFile:
            continue
        assert found == expected  # what was cut off held no pixels


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_constant_picture_has_no_signal(reason, value):
    for kind in FORMATS:
        data = encoded(np.full((48, 40), value, np.uint8), kind)
        assert reason(data) == RejectionReason.NO_SIGNAL
    deep = encoded(np.full((48, 40), value * 257, np.uint16))
    assert reason(deep) == RejectionReason.NO_SIGNAL


def test_a_picture_all_transparent_has_no_signal(reason):
    clear = np.dstack([COLOUR, np.zeros((48, 40), np.uint8)])
    assert reason(encoded(clear)) == RejectionReason.NO_SIGNAL


@pytest.mark.parametrize("shape", [(1, 1), (2, 4000), (4000, 2), (31, 31), (40, 161)])
def test_a_picture_too_small_or_too_long_has_a_bad_shape(reason, shape):
    data = encoded(slice_like(*shape))
    assert reason(data) == RejectionReason.BAD_SHAPE


def test_the_smallest_and_longest_allowed_are_read(read):
    assert read(encoded(slice_like(32, 128))).pixels.shape == (32, 128)


def test_a_pipe_is_rejected_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(RejectedFile, match="not_regular"):
            read_image(path)


def test_a_symbolic_link_is_rejected(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(GRAY))
    (tmp_path / "link.png").symlink_to("a.png")
    with pytest.raises(RejectedFile, match="symlink"):
        read_image(tmp_path / "link.png")


def test_what_the_disk_refuses_is_unreadable(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    with pytest.raises(RejectedFile, match="unreadable: No such file"):
        read_image(path)
    path.write_bytes(encoded(GRAY))

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("mriad_model.files.os.open", refuse)
    with pytest.raises(RejectedFile, match="unreadable: Permission denied"):
        read_image(path)


def test_running_out_of_memory_rejects_the_file_and_goes_on(reason, monkeypatch):
    def no_memory(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr("mriad_model.readers.images.decoding.Image.Image.convert", no_memory)
    assert reason(encoded(COLOUR)) == RejectionReason.TOO_LARGE


SEEDS = {
    **{kind: encoded(COLOUR, kind) for kind in FORMATS},
    "gray JPEG": encoded(GRAY, "JPEG", progressive=True),
    "deep PNG": encoded(DEEP, "PNG"),
    "palette PNG": encoded(Image.fromarray(COLOUR).quantize(16), "PNG", transparency=3),
    "LZW TIFF": encoded(COLOUR, "TIFF", compression="tiff_lzw"),
    "deep TIFF": encoded(DEEP, "TIFF"),
    "palette BMP": encoded(Image.fromarray(COLOUR).quantize(16), "BMP"),
}


@st.composite
def damaged(draw):
    """A good file with some bytes changed, cut out or put in; changes crowd in the header."""
    data = bytearray(SEEDS[draw(st.sampled_from(sorted(SEEDS)))])
    for _ in range(draw(st.integers(1, 6))):
        reach = draw(st.sampled_from([64, 256, len(data)]))
        at = draw(st.integers(0, max(min(reach, len(data)) - 1, 0)))
        match draw(st.sampled_from(["change", "change", "cut", "insert", "end"])):
            case "change":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=4))
            case "cut":
                del data[at : at + draw(st.integers(1, 40))]
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=20))
            case "end":
                del data[at:]
    return bytes(data)


@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=damaged())
def test_damaged_files_give_a_scan_or_a_reason_and_nothing_else(read, data):
    try:
        scan = read(data)
    except RejectedFile:
        return
    assert isinstance(scan, ImageScan)
    assert scan.pixels.dtype in (np.uint8, np.uint16)
    assert scan.pixels.min() < scan.pixels.max()


@pytest.mark.skipif(not KAGGLE.is_dir(), reason="shared/data/kaggle253 is absent")
def test_all_253_real_images_are_read_as_228_scans():
    scans = [read_image(found.path) for found in list_files(KAGGLE)]
    assert len(scans) == 253
    assert len({scan.sha256 for scan in scans}) == 228


def test_a_packed_file_that_is_no_nifti_is_called_one(read):
    with pytest.raises(RejectedFile) as raised:
        read(gzip.compress(bytes(128) + b"DICM"))
    assert raised.value.reason is RejectionReason.UNSUPPORTED
    assert "a gzip file" in raised.value.detail
    assert "unpack it" in raised.value.detail
