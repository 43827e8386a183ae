"""Frames that belong together: one stack a volume, whatever their headers split it by.

Frames are parted by series, grid, echo, type and time. Headers also part single volumes: a frame of
reference, series UID or time for each slice, types or echoes that change from slice to slice. Such
parts lie between each other or side by side, and fill one even stack.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.dicom.frames import Frame, Objection
from mriad_model.readers.volume.geometry import require_even_stack, slice_normal

SAME_DIRECTION = 1e-3  # largest difference of direction cosines within one stack
DECIMALS = 3  # of echo times (ms) and spacings (mm) that differ
SAME_ECHO = 0.05  # largest relative difference of echo times within one volume
FEWEST = 3  # slices that show a step


@dataclass(frozen=True, slots=True)
class Stack:
    """Frames of one volume, in any order, or why they are none."""

    frames: tuple[Frame, ...]
    objection: Objection | None = None
    remarks: tuple[str, ...] = ()


def stacks_of(frames: Iterable[Frame]) -> list[Stack]:
    """Sort frames into stacks."""
    found: list[Stack] = []
    alone: list[Frame] = []  # the only ones of their series
    for kin in _keyed(frames, lambda frame: frame.instance.series_key):
        if len(kin) == 1:
            alone += kin
        else:
            found += _of_series(kin)
    for kin in _grouped(alone, _without_series):
        if len(kin) >= FEWEST and _is_even(kin):
            found.append(_joined(kin))
        else:
            found += [_plain([frame]) for frame in kin]
    return found


def in_direction(frames: Sequence[Frame]) -> tuple[tuple[Frame, ...], NDArray[np.float64]]:
    """Frames in order along their normal (PS3.3, C.7.6.2.1.1), and their positions, (N, 3) mm."""
    positions = np.array([frame.position for frame in frames], np.float64)
    order = np.argsort(positions @ slice_normal(frames[0].orientation), kind="stable")
    return tuple(frames[i] for i in order), positions[order]


def _of_series(frames: Sequence[Frame]) -> Iterator[Stack]:
    """The stacks of one series, those that fill one even stack together as one."""
    for kin in _grouped(frames, _grid):
        parts = _grouped(kin, _kind)
        if len(parts) > 1 and len(kin) >= FEWEST and _is_even(kin):
            yield from _filled(parts)
        else:
            yield from (_plain(part) for part in parts)


def _filled(parts: Sequence[list[Frame]]) -> Iterator[Stack]:
    """Parts of one even stack: one volume, unless they show different things."""
    n = sum(len(part) for part in parts)
    objected = any(part[0].objection is not None for part in parts)
    stated = [part[0].echo_time for part in parts if part[0].echo_time is not None]
    same = not stated or max(stated) - min(stated) <= SAME_ECHO * max(stated)
    if same and not objected:
        yield _joined([frame for part in parts for frame in part])
        return
    differ = "are no magnitude images" if objected else "have another EchoTime"
    for part in parts:
        detail = f"{len(part)} of {n} slices of one stack: the others {differ}"
        missing = Objection(RejectionReason.INCOMPLETE, detail)
        yield Stack(tuple(part), part[0].objection or missing)


def _joined(frames: Sequence[Frame]) -> Stack:
    """One stack, with a remark for each tag that differs within it."""
    remarks = tuple(
        f"{name} differs from slice to slice"
        for name, values in (
            ("SeriesInstanceUID", {frame.instance.series_uid for frame in frames}),
            ("FrameOfReferenceUID", {frame.instance.frame_of_reference_uid for frame in frames}),
            ("ImageType", {frame.image_type for frame in frames}),
            ("EchoTime", {frame.echo_time for frame in frames}),
        )
        if len(values) > 1
    )
    return replace(_plain(frames), remarks=remarks)


def _plain(frames: Sequence[Frame]) -> Stack:
    objections = (frame.objection for frame in frames if frame.objection is not None)
    return Stack(tuple(frames), next(objections, None))


def _is_even(frames: Sequence[Frame]) -> bool:
    ordered, positions = in_direction(frames)
    try:
        require_even_stack(positions, slice_normal(ordered[0].orientation))
    except RejectedFile:
        return False
    return True


def _keyed(frames: Iterable[Frame], key: Callable[[Frame], Hashable]) -> list[list[Frame]]:
    groups = defaultdict[Hashable, list[Frame]](list)
    for frame in frames:
        groups[key(frame)].append(frame)
    return list(groups.values())


def _grouped(frames: Iterable[Frame], key: Callable[[Frame], Hashable]) -> list[list[Frame]]:
    """Frames of one key and one orientation."""
    found: list[list[Frame]] = []
    for keyed in _keyed(frames, key):
        groups: list[list[Frame]] = []
        for frame in keyed:
            group = next((each for each in groups if _same_direction(frame, each[0])), None)
            if group is None:
                groups.append([frame])
            else:
                group.append(frame)
        found += groups
    return found


def _grid(frame: Frame) -> Hashable:
    """What frames of one volume have in common, however badly their headers are made."""
    instance = frame.instance
    spacing = tuple(round(each, DECIMALS) for each in frame.spacing)
    return instance.rows, instance.columns, spacing, frame.stack


def _kind(frame: Frame) -> Hashable:
    """What frames of one volume should have in common."""
    return (
        frame.instance.frame_of_reference_uid,
        None if frame.echo_time is None else round(frame.echo_time, DECIMALS),
        frame.image_type,
        frame.temporal_position,
    )


def _without_series(frame: Frame) -> Hashable:
    instance = frame.instance
    return (
        *(instance.study_uid, instance.patient_id, instance.description, instance.series_number),
        *(_grid(frame), frame.echo_time, frame.image_type, frame.temporal_position),
    )


def _same_direction(one: Frame, other: Frame) -> bool:
    pairs = zip(one.orientation, other.orientation, strict=True)
    return all(abs(a - b) <= SAME_DIRECTION for a, b in pairs)
