"""From the frames of a folder to series that make a volume each, and frames that make none."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.checks import Refusal, require
from mriad_model.readers.dicom.copies import pooled
from mriad_model.readers.dicom.frames import Frame
from mriad_model.readers.dicom.series_checks import (
    require_all,
    require_as_many,
    require_no_localizer,
)
from mriad_model.readers.dicom.stacks import Stack, in_direction, series_key, stacks_of
from mriad_model.readers.folders import FoundFile
from mriad_model.readers.geometry import (
    Affine,
    mean_step,
    require_affine,
    require_even_stack,
    slice_normal,
    stack_affine,
)
from mriad_model.readers.volumes import VolumeLimits


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
) -> tuple[list[Series], list[Refusal]]:
    """Sort frames into series. Each frame ends in one series, or its file in a refusal.

    A whole copy of a series, in other files, is a series too: it is the same scan, and is still
    there when the first copy is gone. Other files of an SOP instance that there is are refused.

    Args:
        frames: of a folder, in the order of its files.
        limits: what a volume may ask for.
        digests: of the pixels of `copies.namesakes`; without them namesakes are taken for copies.
    """
    pools = pooled(tuple(frames), digests or {})
    outcome = _Outcome(limits, refusals=list(pools.refusals))
    for pool in pools.originals:
        outcome.add(pool, whole=None)
    originals = frozenset(_instances(each.frames) for each in outcome.series)
    for pool in pools.copies:
        outcome.add(pool, whole=originals)
    return outcome.series, outcome.refusals


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What has become of frames so far."""

    limits: VolumeLimits
    series: list[Series] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def add(self, pool: Sequence[Frame], whole: frozenset[Hashable] | None) -> None:
        """Stack frames; where `whole` is given, only into copies of what is in it."""
        kin = defaultdict[Hashable, list[Frame]](list)
        for frame in pool:
            kin[series_key(frame)].append(frame)
        found: list[Series] = []
        for stack in stacks_of(pool):
            try:
                if whole is not None:
                    copy = _instances(stack.frames) in whole
                    detail = "another file holds the same SOP instance"
                    require(copy, RejectionReason.DUPLICATE, detail)
                keys = dict.fromkeys(series_key(frame) for frame in stack.frames)
                found.append(_ordered(stack, [f for key in keys for f in kin[key]], self.limits))
            except RejectedFile as error:
                self._refuse(stack.frames, error)
        for each in found:
            try:
                for other in found:
                    if _are_of_one_series(each, other):
                        require_as_many(each.frames, other.frames)
                self.series.append(each)
            except RejectedFile as error:
                self._refuse(each.frames, error)

    def _refuse(self, frames: Iterable[Frame], error: RejectedFile) -> None:
        self.refusals.extend(Refusal(f, error.reason, error.detail) for f in _files(frames))


def _instances(frames: Iterable[Frame]) -> frozenset[Hashable]:
    return frozenset(
        (series_key(f), f.instance.sop_instance_uid, f.instance.number, f.index) for f in frames
    )


def _are_of_one_series(one: Series, other: Series) -> bool:
    first, second = one.frames[0], other.frames[0]
    return series_key(first) == series_key(second) and first.stack == second.stack


def _ordered(stack: Stack, kin: Sequence[Frame], limits: VolumeLimits) -> Series:
    """The frames of a stack as a series.

    Raises RejectedFile where they are no anatomy, no evenly spaced stack, or not all of it.
    """
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
    fits = n_voxels <= limits.max_voxels
    require(
        fits, RejectionReason.TOO_LARGE, f"{n_voxels:,} voxels, more than {limits.max_voxels:,}"
    )
    require_even_stack(positions, slice_normal(group[0].orientation))
    affine = stack_affine(positions, group[0].orientation, group[0].spacing)
    require_affine(affine)
    remarks = require_all(ordered, mean_step(positions), kin)
    hint = () if ordered[0].hint.remark is None else (ordered[0].hint.remark,)
    return Series(ordered, tuple(affine.ravel().tolist()), (*stack.remarks, *hint, *remarks))


def _files(frames: Iterable[Frame]) -> tuple[FoundFile, ...]:
    return tuple(dict.fromkeys(frame.instance.found for frame in frames))
