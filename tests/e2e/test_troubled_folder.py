"""What arrives in a folder: every kind of trouble that was met, in one folder, read in children."""

import gzip
import io
import os
import struct
import zipfile
import zlib

import nibabel
import numpy as np
import pytest
from PIL import Image

from mriad_model.errors import RejectedFile
from mriad_model.readers.contents import group_files
from mriad_model.readers.folders import list_files
from mriad_model.readers.images.reading import read_image
from mriad_model.readers.sandbox.pool import ReaderPool
from mriad_model.readers.sandbox.worker import ChildLimits
from mriad_model.readers.volume_files import store_volume
from tests.mriad_model.conftest import SeriesWriter, drawn_head, oblique_affine
from tests.support.processes import isolated

HEAD = drawn_head((4, 36, 34))
GRAY = np.clip(HEAD[1] // 4, 0, 255).astype(np.uint8)
COLOUR = np.dstack([GRAY, GRAY // 2, GRAY[::-1]])
DEEP = HEAD[1].astype(np.uint16) * 60
MARK = "1.2.3.4.5.6.7.8.9"


def picture(pixels, kind="PNG", mode=None, **options):
    file = io.BytesIO()
    shown = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    (shown.convert(mode) if mode else shown).save(file, kind, **options)
    return file.getvalue()


def zeros(wbits, n_mib, start=b""):
    """`start` and so many MiB of zeros, packed in no time: the same block over and over."""
    packer = zlib.compressobj(9, wbits=wbits)
    head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(16 * 2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * (n_mib // 16) + packer.flush()


def png_bomb():
    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zeros(15, 896)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def nifti(voxels=HEAD, **fields):
    """`fields`: where they stand in the header, as offset_codes="values"."""
    data = bytearray(nibabel.Nifti1Image(voxels.T, oblique_affine()).to_bytes())
    for place, values in fields.items():
        offset, codes = place.removeprefix("at_").split("_")
        struct.pack_into("<" + codes, data, int(offset), *values)
    return bytes(data)


def complex_nifti():
    return nibabel.Nifti1Image(HEAD.T.astype(np.complex64), oblique_affine()).to_bytes()


def with_nan():
    voxels = HEAD.astype(np.float32)
    voxels[2, 3, 4] = np.nan
    return voxels


def torch_file():
    """What `torch.load` would run, were it asked to: a pickle that calls a function."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"cos\nsystem\n(S'touch /tmp/evil'\ntR.")
    return file.getvalue()


PICTURES = {
    "name in any bytes \udcff\n.png": (picture(GRAY), "scan"),
    "bomb.png": (png_bomb(), "too_large"),
    "cut.jpg": (picture(COLOUR, "JPEG")[:-300], "truncated"),
    "sixteen bits.png": (picture(DEEP), "scan"),
    "rgba.png": (picture(COLOUR, mode="RGBA"), "scan"),
    "palette.png": (picture(COLOUR, mode="P"), "scan"),
    "cmyk.jpg": (picture(COLOUR, "JPEG", mode="CMYK"), "scan"),
    "black.png": (picture(GRAY * 0), "no_signal"),
    "constant.png": (picture(GRAY * 0 + 7), "no_signal"),
    "1x1.png": (picture(GRAY[:1, :1]), "bad_shape"),
    "4000x2.png": (picture(np.tile(GRAY, (1, 120))[:2, :4000]), "bad_shape"),
    "model.pt": (torch_file(), "unsupported"),
    "empty.png": (b"", "empty"),
}
NIFTIS = {
    "good.nii": (nifti(), "scan"),
    "bomb.nii.gz": (zeros(31, 4096, nifti()), "corrupt"),
    "huge.nii": (nifti(at_40_4h=(3, 32767, 32767, 32767)), "too_large"),
    "negative.nii": (nifti(at_40_4h=(3, -36, 34, 4)), "corrupt"),
    "nan.nii": (nifti(with_nan()), "not_finite"),
    "4d.nii.gz": (gzip.compress(nifti(at_40_5h=(4, 34, 36, 2, 2))), "several_volumes"),
    "complex.nii": (complex_nifti(), "not_magnitude"),
    "singular.nii": (nifti(at_280_12f=(0,) * 12), "bad_geometry"),
}


def edited(edit):
    """Changes the bytes of every file of a series."""

    def spoil(folder):
        for path in SeriesWriter(folder).classic(HEAD, StudyInstanceUID=MARK):
            path.write_bytes(edit(path.read_bytes()))

    return spoil


def tagged(**tags):
    return lambda folder: SeriesWriter(folder).classic(HEAD, **tags)


def deflated(data):
    plain, packed = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"
    at = data.index(plain) + len(plain)
    meta = data[:at].replace(plain, packed).replace(b"UI\x14\0" + packed, b"UI\x16\0" + packed)
    return meta + zeros(-15, 2048)


def nested(data):
    at = data.index(struct.pack("<HH2s", 0x0008, 0x0016, b"UI"))
    opening = struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    opening += struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return data[:at] + opening * 5000 + data[at:]


def invalid_vr(data):
    return data.replace(b"\x28\x00\x10\x00US", b"\x28\x00\x10\x00ZZ")


def mixed(folder):
    writer = SeriesWriter(folder)
    writer.classic(HEAD)
    writer.classic(HEAD, SeriesInstanceUID="1.2.3")


def doubled(folder):
    path = SeriesWriter(folder).classic(HEAD)[0]
    (folder / "zzz.dcm").write_bytes(path.read_bytes())


SERIES = {
    "good": (tagged(), {"scan"}),
    "deflated": (edited(deflated), {"unsupported"}),
    "nested": (edited(nested), {"corrupt"}),
    "invalid VR": (edited(invalid_vr), {"corrupt"}),
    "cut header": (edited(lambda data: data[:600]), {"missing_tags"}),
    "cut pixels": (edited(lambda data: data[:-100]), {"truncated"}),
    "huge rows": (tagged(Rows=65535, Columns=65535), {"too_large"}),
    "huge frames": (tagged(NumberOfFrames=2_000_000_000), {"too_large"}),
    "no orientation": (tagged(ImageOrientationPatient=["0"] * 6), {"bad_geometry"}),
    "no slope": (tagged(RescaleSlope="0"), {"no_signal"}),
    "evil uid": (edited(lambda data: data.replace(MARK.encode(), b"../../../tmp/evil")), {"scan"}),
    "script": (tagged(SeriesDescription="<script>alert(1)</script>"), {"scan"}),
    "mixed": (mixed, {"scan"}),
    "doubled": (doubled, {"scan", "duplicate"}),
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Where each file lies, below the folder -> what became of it; and the children's peak, MiB."""
    root = tmp_path_factory.mktemp("arrived")
    folder, scratch = root / "inbox", root / "scratch"
    scratch.mkdir()
    folder.mkdir()
    for name, (data, _) in {**PICTURES, **NIFTIS}.items():
        (folder / name).write_bytes(data)
    for name, (write, _) in SERIES.items():
        write(folder / name)
    os.mkfifo(folder / "pipe")
    (folder / "out").symlink_to(root)
    (folder / "loop").symlink_to(folder)
    with ReaderPool(2, ChildLimits(seconds=30)) as readers:
        found = group_files(readers, list_files(folder))
        told = [*found.rejections]
        jobs = [(source, scratch / f"{i}.npy") for i, source in enumerate(found.volumes)]
        for source, stored in zip(found.volumes, readers.map(store_volume, jobs), strict=True):
            told += [(file, stored) for file in source.files]
        scans = readers.map(read_image, [each.path for each in found.pictures], together=4)
        told += zip(found.pictures, scans, strict=True)
        peaks = list(readers.map(isolated.peak_mib, range(20)))
    outcomes = {}
    for file, each in told:
        name = str(file.path.relative_to(folder))
        rejected = isinstance(each, RejectedFile) or hasattr(each, "reason")
        outcomes.setdefault(name, set()).add(each.reason.value if rejected else "scan")
    assert sorted(path.name for path in root.iterdir()) == ["inbox", "scratch"]
    return outcomes, max(peaks)


@pytest.mark.parametrize("name", [*PICTURES, *NIFTIS], ids=ascii)
def test_a_file_is_a_scan_or_rejected_for_its_own_reason(swept, name):
    outcomes, _ = swept
    assert outcomes[name] == {{**PICTURES, **NIFTIS}[name][1]}


@pytest.mark.parametrize("name", SERIES)
def test_a_series_is_a_scan_or_rejected_for_its_own_reason(swept, name):
    outcomes, _ = swept
    reasons = [each for file, each in outcomes.items() if file.startswith(f"{name}/")]
    assert set().union(*reasons) == SERIES[name][1]


@pytest.mark.parametrize(
    ("name", "reason"), [("pipe", "not_regular"), ("out", "symlink"), ("loop", "symlink")]
)
def test_what_is_no_regular_file_is_listed_and_left_alone(swept, name, reason):
    outcomes, _ = swept
    assert outcomes[name] == {reason}


def test_none_of_it_takes_the_memory_that_it_asks_for(swept):
    """The bombs hold 0.9, 2 and 4 GB."""
    _, peak = swept
    assert peak < 256
