"""Scans as read, under the names that the record has for them."""

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Engine

from db.repository.intake.scans import scans_by_sha256
from mriad_model.readers.images.reading import StoredImage
from mriad_model.readers.volume_files import StoredVolume

Read = StoredImage | StoredVolume


def as_recorded(engine: Engine, read: Iterable[Read]) -> list[Read]:
    """Scans that were read, in order; one that the record holds bears the name it has there.

    A volume answers to several names, see `mriad_model.readers.volume.volume_identity`. Of two that
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
        known = (name for name in each.identity.names if name in there or name in taken)
        sha256 = next(known, each.sha256)
        taken.add(sha256)
        named.append(called(each, sha256))
    return named


def called(volume: StoredVolume, sha256: str) -> StoredVolume:
    """The same volume under a name that it answers to."""
    return replace(volume, identity=volume.identity.recorded_as(sha256))
