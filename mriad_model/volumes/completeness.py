"""Whether a stack is all that was scanned: what its headers state against what is there.

Stated numbers are often of something else: of all echoes, of another distance, or copied from the
images that one was derived from. So a stack is refused only where what it states cannot be of
such a kind; where it can, the contradiction is a remark.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from mriad_model.errors import RejectedFile
from mriad_model.nouns import RejectionReason
from mriad_model.volumes.frames import Frame
from mriad_model.volumes.geometry import SMALLEST_SPACING
from mriad_model.volumes.pictured import is_derived
from mriad_model.volumes.refusals import require

NEAR = 0.05  # relative difference of distances that are the same
HEAD = 100.0  # mm; stacks that reach as far hold most of a head


def require_all(frames: Sequence[Frame], step: float, kin: Iterable[Frame]) -> tuple[str, ...]:
    """Refuse a stack of which slices are missing.

    Args:
        frames: in order.
        step: from slice to slice, mm.
        kin: all frames of the series, these among them.

    Returns:
        Remarks: what the headers state, and is not so.

    Raises:
        RejectedFile: `gap` or `incomplete`, with the numbers.
    """
    kin = tuple(kin)
    _require_stated_count(frames, step, kin)
    _require_places(frames, kin)
    remarks = (_by_step(frames, step), _by_first_number(frames, kin))
    return tuple(remark for remark in remarks if remark is not None)


def require_as_many(frames: Sequence[Frame], fuller: Sequence[Frame]) -> None:
    """Refuse a stack that another one of its series reaches beyond: a scan that was halted."""
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
    """By how much instance numbers grow from slice to slice; None where they do not evenly."""
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
