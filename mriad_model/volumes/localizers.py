"""Localizers that are not called so in ImageType: by name, by planes, and by coverage."""

import re
from collections.abc import Sequence

from mriad_model.nouns import RejectionReason
from mriad_model.volumes.frames import Frame
from mriad_model.volumes.geometry import Vector, slice_normal
from mriad_model.volumes.refusals import require

NAMES = re.compile(
    r"locali[sz]er|scout|(?<![a-z])survey(?![a-z])|(?:3|three|tri)[ _-]?plane|plane[ _-]?loc"
    r"|(?<![a-z])loc(?![a-z])"
)
FEW = 12  # slices in a plane; a scan of a head has more
ACROSS = 0.7  # cosine between normals: planes that are closer are the same, tilted
WIDE, VERY_WIDE = 1.5, 2.0  # steps from slice to slice, in thicknesses of a slice
PLANES = 3


def require_no_localizer(frames: Sequence[Frame], step: float, kin: Sequence[Frame]) -> None:
    """Refuse a localizer.

    Args:
        frames: of one stack, in order.
        step: from slice to slice, mm.
        kin: all frames of the series, these among them.
    """
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
        for place, other in enumerate(normals):
            if abs(float(normal @ other)) >= ACROSS:
                counts[place] += 1
                break
        else:
            normals.append(normal)
            counts.append(1)
    return counts
