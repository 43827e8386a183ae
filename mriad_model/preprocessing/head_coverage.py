"""Whether what a volume shows can be a head, and whether its top is in the picture.

Sizes are of what stands out of the air, so a wide field of view is no large head, and a slab or a
cut field of view is no small one: two of three sides have to be a head's.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mriad_model.enums import RejectionReason
from mriad_model.preprocessing.slicing import SlicedVolume
from mriad_model.readers.volume.checks import require

# mm, of the largest and the second side of what stands out of the air. A brain of 24 weeks measures
# about 70 x 50, a large head 230 x 180; with neck and shoulders 450 x 350.
LARGEST_SIDE: Final = (60.0, 500.0)
SECOND_SIDE: Final = (40.0, 400.0)
EDGE = 0.1  # of the largest section: where there is less, noise and ghosts begin

# The topmost slice's share of the largest section. Whole heads have up to 0.49 in slices of 6 mm
# and 0.59 in slices of 10 mm; a head cut 20 mm below its vertex has 0.65 and more.
CUT_TOP: Final = 0.6


def require_head_size(sliced: SlicedVolume) -> None:
    """Reject what is too small or too large for a head: spacings in another unit, as a rule."""
    sides = sorted(_sides(sliced), reverse=True)
    for side, (least, most) in zip(sides, (LARGEST_SIDE, SECOND_SIDE), strict=False):
        detail = (
            f"what it shows measures {' x '.join(f'{each:.3g}' for each in sides)} mm, no head;"
            " see to its spacing and units"
        )
        require(least <= side <= most, RejectionReason.BAD_GEOMETRY, detail)


def require_top(sliced: SlicedVolume) -> None:
    """Reject an axial volume whose head is cut off at its top: its levels would be wrong."""
    share = sliced.areas[sliced.positions[-1]] / sliced.areas.max()
    detail = (
        f"the head's top is not in the picture: the topmost slice shows {100 * share:.0f} % of the"
        " largest section"
    )
    require(float(share) <= CUT_TOP, RejectionReason.INCOMPLETE, detail)


def _sides(sliced: SlicedVolume) -> list[float]:
    foreground, spacing = sliced.foreground()
    sides = []
    for axis, each in enumerate(spacing):
        others = tuple(other for other in range(3) if other != axis)
        sides.append(_width(np.count_nonzero(foreground, axis=others)) * each)
    return sides


def _width(sections: NDArray[np.intp]) -> int:
    inside = np.flatnonzero(sections >= EDGE * sections.max())
    return int(inside[-1] - inside[0]) + 1
