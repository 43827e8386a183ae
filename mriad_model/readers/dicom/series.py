"""From the frames of a folder to series that make a volume each, and frames that make none."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.dicom.copies import pooled
from mriad_model.readers.dicom.frames import Frame
from mriad_model.readers.dicom.series_checks import (
    require_all,
    require_as_many,
    require_no_localizer,
)
from mriad_model.readers.dicom.stacks import Stack, in_direction, stacks_of
from mriad_model.readers.folders import FoundFile
from mriad_model.readers.volume.checks import require
from mriad_model.readers.volume.geometry import (
    Affine,
    mean_step,
    require_affine,
    require_even_stack,
    slice_normal,
    stack_affine,
)
from mriad_model.readers.volume.volumes import VolumeLimits


@dataclass(frozen=True, slots=True)
class Series:
    """Frames that make one volume, in order along the slice normal."""

    frames: tuple[Frame, ...]
    affine_values: tuple[float, ...]  # 4x4, row by row
    remarks: tuple[str, ...] = ()  # what its headers say that is not so

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
    def is_placed(self) -> bool:
        """Whether all frames lie in one frame of reference, and in one series."""
        named = {(f.instance.frame_of_reference_uid, f.instance.series_uid) for f in self.frames}
        return len(named) == 1

    @property
    def files(self) -> tuple[FoundFile, ...]:
        """The files that the frames lie in, in the order of their first frames."""
        return _files(self.frames)


def series_of(
    frames: Iterable[Frame], limits: VolumeLimits, digests: Mapping[FoundFile, str] | None = None
) -> tuple[list[Series], list[tuple[FoundFile, RejectedFile]]]:
    """Sort a folder's frames into series. Each frame ends in a series, or its file in a rejection.

    A whole copy of a series in other files is a series too: the same scan, still there when the
    first copy is gone. Other files of a known SOP instance are rejected. `digests` are those of the
    pixels of `copies.namesakes`; without them, namesakes are taken for copies.
    """
    pools = pooled(tuple(frames), digests or {})
    outcome = _Outcome(limits, rejections=pools.rejections)
    for pool in pools.originals:
        outcome.add(pool, whole=None)
    originals = frozenset(_instances(each.frames) for each in outcome.series)
    for pool in pools.copies:
        outcome.add(pool, whole=originals)
    return outcome.series, outcome.rejections


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Series and rejections of frames so far."""

    limits: VolumeLimits
    series: list[Series] = field(default_factory=list)
    rejections: list[tuple[FoundFile, RejectedFile]] = field(default_factory=list)

    def add(self, pool: Sequence[Frame], whole: frozenset[Hashable] | None) -> None:
        """Stack frames; where `whole` is given, only into copies of what is in it."""
        kin = defaultdict[Hashable, list[Frame]](list)
        for frame in pool:
            kin[frame.instance.series_key].append(frame)
        found: list[Series] = []
        for stack in stacks_of(pool):
            try:
                if whole is not None:
                    copy = _instances(stack.frames) in whole
                    detail = "another file holds the same SOP instance"
                    require(copy, RejectionReason.DUPLICATE, detail)
                keys = dict.fromkeys(frame.instance.series_key for frame in stack.frames)
                found.append(_ordered(stack, [f for key in keys for f in kin[key]], self.limits))
            except RejectedFile as error:
                self._reject(stack.frames, error)
        for each in found:
            try:
                for other in found:
                    if _are_of_one_series(each, other):
                        require_as_many(each.frames, other.frames)
                self.series.append(each)
            except RejectedFile as error:
                self._reject(each.frames, error)

    def _reject(self, frames: Iterable[Frame], error: RejectedFile) -> None:
        self.rejections.extend((file, error.with_traceback(None)) for file in _files(frames))


def _instances(frames: Iterable[Frame]) -> frozenset[Hashable]:
    return frozenset(
        (f.instance.series_key, f.instance.sop_instance_uid, f.instance.number, f.index)
        for f in frames
    )


def _are_of_one_series(one: Series, other: Series) -> bool:
    keys = {(each.frames[0].instance.series_key, each.frames[0].stack) for each in (one, other)}
    return len(keys) == 1


def _ordered(stack: Stack, kin: Sequence[Frame], limits: VolumeLimits) -> Series:
    """The frames of a stack as a series. RejectedFile unless it is anatomy, even and complete."""
    group = stack.frames
    if stack.objection is not None:
        raise RejectedFile(stack.objection.reason, stack.objection.detail)
    ordered, positions = in_direction(group)
    require_no_localizer(ordered, mean_step(positions), kin)
    enough = len(group) >= limits.min_slices
    detail = f"{len(group)} slices, fewer than {limits.min_slices}"
    require(enough, RejectionReason.TOO_FEW_SLICES, detail)
    instance = group[0].instance
    n_voxels = len(group) * instance.rows * instance.columns
    detail = f"{n_voxels:,} voxels, more than {limits.max_voxels:,}"
    require(n_voxels <= limits.max_voxels, RejectionReason.TOO_LARGE, detail)
    require_even_stack(positions, slice_normal(group[0].orientation))
    affine = stack_affine(positions, group[0].orientation, group[0].spacing)
    require_affine(affine)
    remarks = require_all(ordered, mean_step(positions), kin)
    hint = () if ordered[0].hint.remark is None else (ordered[0].hint.remark,)
    return Series(ordered, tuple(affine.ravel().tolist()), (*stack.remarks, *hint, *remarks))


def _files(frames: Iterable[Frame]) -> tuple[FoundFile, ...]:
    return tuple(dict.fromkeys(frame.instance.found for frame in frames))
