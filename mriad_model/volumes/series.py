"""From the frames of a folder to series that make a volume each, and frames that make none."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mriad_model.errors import RejectedFile
from mriad_model.folders import FoundFile
from mriad_model.nouns import RejectionReason
from mriad_model.volumes.frames import Frame
from mriad_model.volumes.geometry import (
    Affine,
    require_affine,
    require_even_stack,
    slice_normal,
    stack_affine,
)
from mriad_model.volumes.limits import VolumeLimits
from mriad_model.volumes.refusals import Refusal, require

SAME_DIRECTION = 1e-3  # largest difference of direction cosines within one stack
DECIMALS = 3  # of echo times (ms) and spacings (mm) that are told apart


@dataclass(frozen=True, slots=True)
class Series:
    """Frames that make one volume, in order along the slice normal."""

    frames: tuple[Frame, ...]
    affine_values: tuple[float, ...]  # 4x4, row by row

    @property
    def affine(self) -> Affine:
        """4x4: (column, row, slice, 1) -> RAS mm."""
        return np.array(self.affine_values, np.float64).reshape(4, 4)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        instance = self.frames[0].instance
        return len(self.frames), instance.rows, instance.columns

    @property
    def files(self) -> tuple[FoundFile, ...]:
        """The files that the frames lie in, in the order of their first frames."""
        return _files(self.frames)


def series_of(frames: Iterable[Frame], limits: VolumeLimits) -> tuple[list[Series], list[Refusal]]:
    """Sort frames into series. Each frame ends in one series, or its file in a refusal.

    A whole copy of a series, in other files, is a series too: it is the same scan, and is still
    there when the first copy is gone. Other files of an SOP instance that there is are refused.
    """
    originals, *copies = _by_copy(frames)
    found: list[Series] = []
    refused: list[Refusal] = []
    whole = set[Hashable]()
    for group in _stacks(originals):
        try:
            found.append(_ordered(group, limits))
            whole.add(_instances(group))
        except RejectedFile as error:
            refused.extend(Refusal(file, error.reason, error.detail) for file in _files(group))
    for group in (stack for copy in copies for stack in _stacks(copy)):
        try:
            detail = "another file holds the same SOP instance"
            require(_instances(group) in whole, RejectionReason.DUPLICATE, detail)
            found.append(_ordered(group, limits))
        except RejectedFile as error:
            refused.extend(Refusal(file, error.reason, error.detail) for file in _files(group))
    return found, refused


def _by_copy(frames: Iterable[Frame]) -> list[list[Frame]]:
    """The frames of the first file of each SOP instance, those of the second files, and so on."""
    copies: list[list[Frame]] = [[]]
    holders = defaultdict[str, dict[FoundFile, int]](dict)  # of each SOP instance
    for frame in frames:
        files = holders[frame.instance.sop_instance_uid]
        place = files.setdefault(frame.instance.found, len(files))
        if place == len(copies):
            copies.append([])
        copies[place].append(frame)
    return copies


def _instances(frames: Iterable[Frame]) -> frozenset[tuple[str, int]]:
    return frozenset((frame.instance.sop_instance_uid, frame.index) for frame in frames)


def _stacks(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    """Frames that belong together: same series, grid, contrast and time, and same orientation."""
    groups = defaultdict[Hashable, list[list[Frame]]](list)
    for frame in frames:
        stacks = groups[_kind(frame)]
        for stack in stacks:
            if _same_direction(frame, stack[0]):
                stack.append(frame)
                break
        else:
            stacks.append([frame])
    for stacks in groups.values():
        yield from stacks


def _kind(frame: Frame) -> Hashable:
    """What two frames of one volume have in common. Patient and study too: UIDs get reused."""
    instance = frame.instance
    return (
        instance.series_uid,
        instance.study_uid,
        instance.patient_id,
        instance.frame_of_reference_uid,
        instance.rows,
        instance.columns,
        tuple(round(each, DECIMALS) for each in frame.spacing),
        None if frame.echo_time is None else round(frame.echo_time, DECIMALS),
        frame.image_type,
        frame.temporal_position,
        frame.stack,
    )


def _same_direction(one: Frame, other: Frame) -> bool:
    pairs = zip(one.orientation, other.orientation, strict=True)
    return all(abs(a - b) <= SAME_DIRECTION for a, b in pairs)


def _ordered(group: Sequence[Frame], limits: VolumeLimits) -> Series:
    """The frames in order along their normal (PS3.3, C.7.6.2.1.1). Names and numbers are not asked.

    Raises RejectedFile where they are no evenly spaced stack.
    """
    enough = len(group) >= limits.min_slices
    detail = f"{len(group)} slices, fewer than {limits.min_slices}"
    require(enough, RejectionReason.TOO_FEW_SLICES, detail)
    instance = group[0].instance
    n_voxels = len(group) * instance.rows * instance.columns
    fits = n_voxels <= limits.max_voxels
    require(
        fits, RejectionReason.TOO_LARGE, f"{n_voxels:,} voxels, more than {limits.max_voxels:,}"
    )
    positions = np.array([frame.position for frame in group], np.float64)  # (N, 3)
    normal = slice_normal(group[0].orientation)
    order = np.argsort(positions @ normal, kind="stable")
    positions = positions[order]
    require_even_stack(positions, normal)
    affine = stack_affine(positions, group[0].orientation, group[0].spacing)
    require_affine(affine)
    return Series(tuple(group[i] for i in order), tuple(affine.ravel().tolist()))


def _files(frames: Iterable[Frame]) -> tuple[FoundFile, ...]:
    return tuple(dict.fromkeys(frame.instance.found for frame in frames))
