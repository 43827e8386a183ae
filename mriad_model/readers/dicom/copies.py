"""Files that bear one UID: copies of each other, or slices of different exams.

Copies share series, SOP instance and pixels. Other pixels under one UID are another exam's or a
changed slice; then only the times and numbers of the acquisition show which slices belong together.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.dicom.frames import Frame, Instance
from mriad_model.readers.folders import FoundFile

Name: TypeAlias = tuple[Hashable, ...]  # what copies share
SERIES = 3  # the first of a name's parts are its series'

UNDECIDED = (
    "other files hold other pixels under the same SOP instance UID, and no time or number of "
    "acquisition tells which slices belong together"
)


@dataclass(frozen=True, slots=True)
class Pools:
    """Frames that may be stacked with each other: no position occurs twice in a pool."""

    originals: tuple[tuple[Frame, ...], ...]
    copies: tuple[tuple[Frame, ...], ...]
    rejections: list[tuple[FoundFile, RejectedFile]]


def namesakes(frames: Iterable[Frame]) -> tuple[FoundFile, ...]:
    """The files that hold an SOP instance which another file of the series holds too."""
    files = defaultdict[Name, dict[FoundFile, None]](dict)
    for frame in frames:
        files[_name(frame.instance)][frame.instance.found] = None
    return tuple(
        dict.fromkeys(found for holders in files.values() if len(holders) > 1 for found in holders)
    )


def pooled(frames: Sequence[Frame], digests: Mapping[FoundFile, str]) -> Pools:
    """Part copies from originals, and exams that share UIDs, by the `digests` of `namesakes`."""
    holders = defaultdict[Name, dict[str, dict[FoundFile, int]]](lambda: defaultdict(dict))
    for instance in {frame.instance.found: frame.instance for frame in frames}.values():
        same = holders[_name(instance)][digests.get(instance.found, "")]
        same[instance.found] = len(same)
    rivals = defaultdict[Name, int](int)  # of each series: how many exams there are at least
    for name, by_digest in holders.items():
        rivals[name[:SERIES]] = max(rivals[name[:SERIES]], len(by_digest))
    by_series = defaultdict[Name, list[Frame]](list)
    for frame in frames:
        by_series[frame.instance.series_key].append(frame)
    pools = defaultdict[tuple[int, Hashable], list[Frame]](list)
    rejections: list[tuple[FoundFile, RejectedFile]] = []
    for series, mixed in by_series.items():
        parts = [mixed] if rivals[series] == 1 else _parted(mixed, rivals[series], digests)
        if parts is None:
            files = dict.fromkeys(frame.instance.found for frame in mixed)
            error = RejectedFile(RejectionReason.DUPLICATE, UNDECIDED)
            rejections += [(found, error) for found in files]
            continue
        for number, part in enumerate(parts):
            exam = None if len(parts) == 1 else (series, number)
            for frame in part:
                digest = digests.get(frame.instance.found, "")
                rank = holders[_name(frame.instance)][digest][frame.instance.found]
                pools[rank, exam].append(frame)
    return Pools(
        originals=tuple(tuple(pool) for (rank, _), pool in pools.items() if rank == 0),
        copies=tuple(tuple(pool) for (rank, _), pool in pools.items() if rank > 0),
        rejections=rejections,
    )


def _parted(
    frames: Sequence[Frame], n_exams: int, digests: Mapping[FoundFile, str]
) -> list[list[Frame]] | None:
    """By the first time or number that gives each exam its own slices; None where none does."""
    for which in range(len(frames[0].instance.acquired)):
        parts = defaultdict[str | None, list[Frame]](list)
        for frame in frames:
            parts[frame.instance.acquired[which]].append(frame)
        if len(parts) == n_exams and not any(_has_rivals(part, digests) for part in parts.values()):
            return list(parts.values())
    return None


def _has_rivals(frames: Iterable[Frame], digests: Mapping[FoundFile, str]) -> bool:
    seen = dict[Name, str]()
    for frame in frames:
        digest = digests.get(frame.instance.found, "")
        if seen.setdefault(_name(frame.instance), digest) != digest:
            return True
    return False


def _name(instance: Instance) -> Name:
    """What copies share. The number parts slices that all bear one UID."""
    return (*instance.series_key, instance.sop_instance_uid, instance.number)
