"""One case: a good file, damaged by a seeded rule, read as if it had arrived. Runs in children."""

import gzip
import os
import random
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from mriad_model.enums import ScanKind
from mriad_model.errors import RejectedFile
from mriad_model.readers.contents import VolumeSource, content_of
from mriad_model.readers.dicom.series import series_of
from mriad_model.readers.folders import FoundFile, list_files
from mriad_model.readers.images.formats import PNG_SIGNATURE
from mriad_model.readers.images.reading import read_image
from mriad_model.readers.signatures import GZIP
from mriad_model.readers.volume.volumes import VolumeLimits
from mriad_model.readers.volume_files import store_volume

SCAN = "scan"
WIDTHS = {1: "B", 2: "H", 4: "I"}
TELLING = (0, 1, 2**7 - 1, 2**7, 2**8 - 1, 2**15 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)


@dataclass(frozen=True, slots=True)
class Case:
    """Which file is damaged, and how: the same case gives the same bytes."""

    samples: Path
    format: str
    seed: int
    number: int


def run(case: Case) -> list[str]:
    """What reading a damaged file gives: `scan`, reasons of rejections, or `error: ...`."""
    with _damaged(case) as folder:
        try:
            return list(_read(list(list_files(folder)), folder))
        except Exception as error:
            return [f"error: {type(error).__name__}: {error}"]


def _read(files: list[FoundFile], scratch: Path) -> Iterator[str]:
    """Every file is a scan, in one, or refused; anything else is an error."""
    frames, told = [], set[Path]()
    for found in files:
        try:
            content = content_of(found)
            if content is None:
                read_image(found.path)
            elif content is ScanKind.NIFTI:
                _store(VolumeSource(ScanKind.NIFTI, (found,)), scratch)
            else:
                frames.extend(content)
                continue
            yield SCAN
        except RejectedFile as error:
            yield error.reason.value
        told.add(found.path)
    series, rejections = series_of(frames, VolumeLimits())
    for file, error in rejections:
        yield error.reason.value
        told.add(file.path)
    for each in series:
        told |= {found.path for found in each.files}
        try:
            _store(VolumeSource(ScanKind.DICOM, each.files, each), scratch)
            yield SCAN
        except RejectedFile as error:
            yield error.reason.value
    if told != {found.path for found in files}:
        yield "error: a file vanished"


def _store(source: VolumeSource, scratch: Path) -> None:
    volume = store_volume((source, scratch / ".scratch.npy")).load()
    assert volume.voxels.ndim == 3
    assert np.isfinite(volume.voxels).all()
    assert np.isfinite(volume.affine).all()


@contextmanager
def _damaged(case: Case) -> Iterator[Path]:
    """A folder of its own with a sample in it, one file of it damaged."""
    chance = random.Random(f"{case.seed} {case.format} {case.number}")
    sample = chance.choice(_samples(case.samples / case.format))
    names = sorted(sample)
    victim = chance.choice(names)
    folder = case.samples / f".child-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    for name in names:
        data = _spoiled(sample[name], chance) if name == victim else sample[name]
        (folder / name).write_bytes(data)
    try:
        yield folder
    finally:
        for path in folder.iterdir():
            path.unlink()


@cache
def _samples(folder: Path) -> list[dict[str, bytes]]:
    return [
        {path.name: path.read_bytes() for path in sample.iterdir()}
        for sample in sorted(folder.iterdir())
    ]


def _spoiled(data: bytes, chance: random.Random) -> bytes:
    """Damaged outside, or inside of what checksums guard: those are made to fit again."""
    if data.startswith(GZIP) and chance.random() < 0.6:
        return gzip.compress(damaged(gzip.decompress(data), chance), 1, mtime=0)
    spoiled = damaged(data, chance)
    if data.startswith(PNG_SIGNATURE) and chance.random() < 0.6:
        return _with_checksums(spoiled)
    return spoiled


def _with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what is in them."""
    whole, position = bytearray(data), len(PNG_SIGNATURE)
    while position + 12 <= len(whole):
        end = position + 8 + int.from_bytes(whole[position : position + 4], "big")
        if end + 4 > len(whole):
            break
        whole[end : end + 4] = zlib.crc32(whole[position + 4 : end]).to_bytes(4, "big")
        position = end + 4
    return bytes(whole)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, cut out, put in, doubled or cut off; often near the start."""
    spoiled = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        reach = min(chance.choice((64, 512, len(data), len(data))), len(spoiled))
        at = chance.randrange(max(reach, 1))
        match chance.choice(("bit", "bytes", "bytes", "number", "number", "cut", "insert", "end")):
            case "bit":
                spoiled[at : at + 1] = bytes(
                    b ^ 1 << chance.randrange(8) for b in spoiled[at : at + 1]
                )
            case "bytes":
                n = chance.choice((1, 2, 4, 16))
                spoiled[at : at + n] = chance.randbytes(n)
            case "number":
                width = chance.choice(tuple(WIDTHS))
                value = chance.choice(TELLING) % 2 ** (8 * width)
                packed = struct.pack(chance.choice("<>") + WIDTHS[width], value)
                spoiled[at : at + width] = packed
            case "cut":
                del spoiled[at : at + chance.choice((1, 2, 8, 100))]
            case "insert":
                spoiled[at:at] = chance.choice(
                    (chance.randbytes(8), bytes(64), spoiled[at : at + 64])
                )
            case "end":
                if chance.random() < 0.3:
                    del spoiled[chance.randrange(len(spoiled) + 1) :]
    return bytes(spoiled)
