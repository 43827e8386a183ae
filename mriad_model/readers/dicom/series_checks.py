"""Whether a stack is complete, and no localizer."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.dicom.frames import Frame
from mriad_model.readers.dicom.image_kind import is_derived
from mriad_model.readers.volume.checks import require
from mriad_model.readers.volume.geometry import SMALLEST_SPACING, Vector, slice_normal

NEAR = 0.05  # relative difference of distances that are the same
HEAD = 100.0  # mm; stacks that reach as far hold most of a head


def require_all(frames: Sequence[Frame], step: float, kin: Iterable[Frame]) -> tuple[str, ...]:
    """Reject a stack with missing slices; return remarks: what its headers state wrongly.

    `frames` are in order, `step` is from slice to slice in mm, `kin` all frames of the series.
    Raises RejectedFile (`gap`, `incomplete`) with the numbers.
    """
    kin = tuple(kin)
    _require_stated_count(frames, step, kin)
    _require_places(frames, kin)
    remarks = (_by_step(frames, step), _by_first_number(frames, kin))
    return tuple(remark for remark in remarks if remark is not None)


def require_as_many(frames: Sequence[Frame], fuller: Sequence[Frame]) -> None:
    """Reject a stack that another one of its series reaches beyond: a scan that was halted."""
    wanted = {tuple(round(each, 1) for each in frame.position) for frame in fuller}
    ours = {tuple(round(each, 1) for each in frame.position) for frame in frames}
    detail = f"{len(ours)} of {len(wanted)} slices that another volume of the series has"
    require(not ours < wanted, RejectionReason.INCOMPLETE, detail)


def _require_stated_count(frames: Sequence[Frame], step: float, kin: Sequence[Frame]) -> None:
    """ImagesInAcquisition counts all echoes, parts and times, in this series or others."""
    stated = _common(frame.instance.n_acquired for frame in frames)
    if stated is None or is_derived(frames[0].image_type) or frames[0].instance.n_frames > 1:
        return
    numbers = {frame.instance.acquisition for frame in frames}
    there = sum(frame.instance.acquisition in numbers for frame in kin)
    several = stated % len(frames) == 0 and len(frames) * step >= HEAD
    detail = f"{len(frames)} slices, {stated:g} stated by ImagesInAcquisition"
    require(stated <= there or several, RejectionReason.INCOMPLETE, detail)


def _require_places(frames: Sequence[Frame], kin: Sequence[Frame]) -> None:
    """Places in a stack of an enhanced file count from 1."""
    there = {frame.place for frame in kin if frame.place is not None}
    last = max((frame.place for frame in frames if frame.place is not None), default=0)
    missing = last - sum(1 <= place <= last for place in there)
    detail = f"{len(frames)} slices, {last} by InStackPositionNumber"
    require(missing == 0 or not there, RejectionReason.INCOMPLETE, detail)


def _by_step(frames: Sequence[Frame], step: float) -> str | None:
    stated = _common(_distance(frame.stated_step) for frame in frames)
    thickness = _common(_distance(frame.thickness) for frame in frames)
    run = _number_run(frames)
    if stated is None:
        if thickness is not None and run is not None and run > 1:
            detail = f"slices of {thickness:.3g} mm are {step:.3g} mm apart, every {run}. number"
            require(not _near(step, run * thickness), RejectionReason.GAP, detail)
        return None
    if _near(step, stated):
        return None
    detail = f"slices are {step:.3g} mm apart, {stated:.3g} mm stated by SpacingBetweenSlices"
    times = round(step / stated)
    # Some write the thickness or the gap between slices there, or keep what the source had.
    meant = run in (None, 1) and thickness is not None and _near(step, thickness)
    if run == 1:
        by_gap = thickness is not None and _near(step, thickness + stated)
        meant = meant or by_gap or is_derived(frames[0].image_type)
    if times > 1 and _near(step, times * stated) and not meant:
        raise RejectedFile(RejectionReason.GAP, detail)
    return detail


def _by_first_number(frames: Sequence[Frame], kin: Sequence[Frame]) -> str | None:
    numbers = [frame.instance.number for frame in kin if frame.instance.number is not None]
    first = min(numbers, default=1)
    if first <= 1 or _number_run(frames) != 1:
        return None
    return f"instance numbers begin at {first}: slices before may be missing"


def _number_run(frames: Sequence[Frame]) -> int | None:
    """By how much instance numbers grow from slice to slice; None where unevenly."""
    numbers = [frame.instance.number for frame in frames if frame.instance.number is not None]
    steps = {abs(after - before) for before, after in pairwise(numbers)}
    return steps.pop() if len(numbers) == len(frames) and len(steps) == 1 else None


def _common(values: Iterable[float | None]) -> float | None:
    counted = Counter(value for value in values if value is not None)
    return counted.most_common(1)[0][0] if counted else None


def _distance(value: float | None) -> float | None:
    return abs(value) if value is not None and abs(value) > SMALLEST_SPACING else None


def _near(one: float, other: float) -> bool:
    return bool(np.isclose(one, other, rtol=NEAR, atol=0))


NAMES = re.compile(
    r"locali[sz]er|scout|(?<![a-z])survey(?![a-z])|(?:3|three|tri)[ _-]?plane|plane[ _-]?loc"
    r"|(?<![a-z])loc(?![a-z])"
)


FEW = 12  # slices in a plane; a scan of a head has more
ACROSS = 0.7  # cosine between normals: planes that are closer are the same, tilted
WIDE, VERY_WIDE = 1.5, 2.0  # steps from slice to slice, in thicknesses of a slice
PLANES = 3


def require_no_localizer(frames: Sequence[Frame], step: float, kin: Sequence[Frame]) -> None:
    """Reject a localizer, by its description, coverage or planes. Arguments as of `require_all`."""
    reason = RejectionReason.LOCALIZER
    named = NAMES.search((frames[0].instance.description or "").lower())
    require(named is None, reason, "a localizer, by its description")
    planes = _planes(kin)
    few = all(n <= FEW for n in planes)
    thickness = frames[0].thickness or step
    wide = f"slices of {thickness:.3g} mm lie {step:.3g} mm apart"
    sparse = few and step >= VERY_WIDE * thickness
    require(not sparse, reason, f"a localizer, by its coverage: {len(frames)} {wide}")
    several = few and len(planes) > 1 and step >= WIDE * thickness
    crossed = few and len(planes) >= PLANES
    detail = f"a localizer, by its planes: {len(planes)} of at most {max(planes)} slices"
    require(not (several or crossed), reason, detail)


def _planes(frames: Sequence[Frame]) -> list[int]:
    """How many frames lie in each of the planes that cross each other."""
    normals, counts = list[Vector](), list[int]()
    for frame in frames:
        normal = slice_normal(frame.orientation)
        same = (n for n, other in enumerate(normals) if abs(float(normal @ other)) >= ACROSS)
        place = next(same, len(normals))
        if place == len(normals):
            normals.append(normal)
            counts.append(0)
        counts[place] += 1
    return counts
