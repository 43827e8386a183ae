"""Scans as read, under the names that the record has for them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlalchemy import Engine

from db.entities import Scan
from db.repository.scans import scans_by_sha256
from mriad_model.readers.images.reading import StoredImage
from mriad_model.readers.volume_files import StoredVolume
from mriad_model.readers.volume_identity import Identity

Read = StoredImage | StoredVolume


def as_recorded(engine: Engine, read: Iterable[Read]) -> list[Read]:
    """Scans that were read, in order; one that the record holds bears the name it has there.

    A volume answers to several names, see `mriad_model.readers.volume_identity`. Of two that
    are read together and answer to each other's name, the second bears the first one's.
    """
    scans = list(read)
    names = [
        name for each in scans if isinstance(each, StoredVolume) for name in each.identity.names
    ]
    there = scans_by_sha256(engine, names) if names else {}
    taken = set[str]()
    named: list[Read] = []
    for each in scans:
        if isinstance(each, StoredImage):
            named.append(each)
            continue
        sha256 = _name(each.identity, there, taken)
        taken.add(sha256)
        named.append(called(each, sha256))
    return named


def called(volume: StoredVolume, sha256: str) -> StoredVolume:
    """The same volume under a name that it answers to."""
    return replace(volume, identity=volume.identity.recorded_as(sha256))


def _name(identity: Identity, there: Mapping[str, Scan], taken: set[str]) -> str:
    for name in identity.names:
        if name in there and identity.is_scan(name, there[name].grid):
            return name
        if name in taken and name != identity.voxels_sha256:
            return name
    return identity.sha256
