"""A chunk's scratch folder: its scans on their way from reading to preparing to scoring.

Tasks pass its path on. The pixels and voxels that children wrote lie there for the next step,
mapped and never copied, so no file is decoded twice. It is removed with its chunk, or its run.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mriad_model.enums import ScanKind
from mriad_model.files import make_folder, write_atomically
from mriad_model.readers.images.reading import StoredImage
from mriad_model.readers.scan_types import StoredScan
from mriad_model.readers.volume.volume_identity import Identity
from mriad_model.readers.volume.volumes import Origin
from mriad_model.readers.volume_files import StoredVolume


@dataclass(frozen=True, slots=True)
class CachedScan:
    """A scan that a child has read, and the first of the files that it was read from."""

    source: Path
    scan: StoredScan


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of one chunk (0700)."""

    folder: Path

    @property
    def prepared(self) -> Path:
        """Where the prepared slices go."""
        return self.folder / "prepared.safetensors"

    @property
    def _index(self) -> Path:
        return self.folder / "scans.json"

    def scratch(self) -> Path:
        """The folder, made if need be."""
        make_folder(self.folder)
        return self.folder

    def voxels(self, number: int, step: str) -> Path:
        """A file for the voxels of one volume."""
        return self.scratch() / f"{step}-{number}.npy"

    def keep(self, read: Sequence[CachedScan]) -> None:
        """Name the scans that are there for the next step, beside those named before.

        Nobody's name is kept.
        """
        entries = [_entry(each) for each in read]
        before = json.loads(self._index.read_text()) if self._index.exists() else []
        write_atomically(self.scratch() / self._index.name, json.dumps(before + entries).encode())

    def kept(self) -> dict[str, CachedScan]:
        """The scans that `keep` named, by their sha256."""
        entries = json.loads(self._index.read_text()) if self._index.exists() else []
        return {each.scan.sha256: each for each in map(_stored, entries)}

    def forget(self) -> None:
        """Remove the scans as read; what was prepared of them stays."""
        for path in self.folder.iterdir():
            if path != self.prepared:
                path.unlink()

    def discard(self) -> None:
        """Remove the folder and all in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _entry(stored: CachedScan) -> dict[str, Any]:
    scan = stored.scan
    if isinstance(scan, StoredVolume):
        scan = replace(scan, origin=replace(scan.origin, patient_id=None))
    return {"source": str(stored.source)} | asdict(scan) | {"path": str(scan.path)}


def _stored(entry: dict[str, Any]) -> CachedScan:
    source = Path(entry.pop("source"))
    entry["path"] = Path(entry["path"])
    if "origin" not in entry:
        return CachedScan(source, StoredImage(**entry | {"shape": tuple(entry["shape"])}))
    identity = entry["identity"]
    volume = entry | {
        "affine_values": tuple(entry["affine_values"]),
        "origin": Origin(**entry["origin"] | {"kind": ScanKind(entry["origin"]["kind"])}),
        "identity": Identity(**identity | {"near": tuple(identity["near"])}),
    }
    return CachedScan(source, StoredVolume(**volume))
