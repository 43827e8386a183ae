"""A chunk's scratch folder: its scans on their way from reading to preparing to scoring.

Between tasks travels the folder's path. A scan that one step has read is there for the next, so
that no file of a night is decoded twice: pixels of pictures in one file, voxels of each volume
in one of its own. The folder goes when the chunk is done, or with its run.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeAlias

from safetensors import safe_open
from safetensors.numpy import save_file

from mriad_model.files import make_folder, write_atomically
from mriad_model.images import ImageScan
from mriad_model.nouns import ScanKind
from mriad_model.volumes.stored import StoredVolume
from mriad_model.volumes.volume import Origin

MOST_PIXEL_BYTES = 256 * 2**20  # of a chunk's pictures; more are read again instead

ReadScan: TypeAlias = ImageScan | StoredVolume


@dataclass(frozen=True, slots=True)
class Kept:
    """A scan as read, and the first of the files that it was read from."""

    source: Path
    scan: ReadScan


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of one chunk, made on first use (0700)."""

    folder: Path

    @property
    def prepared(self) -> Path:
        """Where the prepared slices go."""
        return self.folder / "prepared.safetensors"

    @property
    def _pixels(self) -> Path:
        return self.folder / "pixels.safetensors"

    @property
    def _volumes(self) -> Path:
        return self.folder / "volumes.json"

    def voxels(self, number: int, step: str) -> Path:
        """A file for the voxels of one volume."""
        make_folder(self.folder)
        return self.folder / f"{step}-{number}.npy"

    def keep(self, read: Sequence[Kept]) -> None:
        """Leave scans for the next step, instead of what was left before. Nobody's name is kept.

        Pictures that are too many are not left; whoever needs them reads them again.
        """
        make_folder(self.folder)
        pixels, sources, volumes = {}, {}, []
        for each in read:
            if isinstance(each.scan, ImageScan):
                pixels[each.scan.sha256] = each.scan.pixels
                sources[each.scan.sha256] = str(each.source)
            else:
                volumes.append(_described(each.source, each.scan))
        if pixels and sum(each.nbytes for each in pixels.values()) <= MOST_PIXEL_BYTES:
            save_file(pixels, self._pixels, metadata={"sources": json.dumps(sources)})
        if volumes:
            write_atomically(self._volumes, json.dumps(volumes).encode())

    def kept(self) -> dict[str, Kept]:
        """What `keep` left, by the scans' sha256."""
        found: dict[str, Kept] = {}
        if self._pixels.exists():
            with safe_open(self._pixels, framework="numpy") as file:
                for sha256, source in json.loads(file.metadata()["sources"]).items():
                    scan = ImageScan(file.get_tensor(sha256), sha256)
                    found[sha256] = Kept(Path(source), scan)
        if self._volumes.exists():
            for each in json.loads(self._volumes.read_text()):
                found[each["sha256"]] = _restored(each)
        return found

    def discard(self) -> None:
        """Remove the folder and all in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _described(source: Path, volume: StoredVolume) -> dict[str, object]:
    return {
        "source": str(source),
        "path": str(volume.path),
        "affine": volume.affine_values,
        "origin": asdict(replace(volume.origin, patient_id=None)),
        "sha256": volume.sha256,
    }


def _restored(fields: dict[str, object]) -> Kept:
    origin = dict(fields["origin"])  # type: ignore[call-overload]
    volume = StoredVolume(
        path=Path(str(fields["path"])),
        affine_values=tuple(fields["affine"]),  # type: ignore[arg-type]
        origin=Origin(**origin | {"kind": ScanKind(origin["kind"])}),
        sha256=str(fields["sha256"]),
    )
    return Kept(Path(str(fields["source"])), volume)
