"""A head in the frame: where it is, and its grey values as the mean head has them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter

from mriad_model.normative.intensity import corrected
from mriad_model.normative.registration.affine import Registration, largest_part, otsu
from mriad_model.normative.registration.frame import SPACING, Floats, SliceStack, evened
from mriad_model.normative.registration.resampling import onto_frame
from mriad_model.normative.registration.template import Template

EDGE = 0.35  # of the grey value that parts head from air; scalp and fluid are dark
SMOOTHING = (0.4, 0.6, 0.6)  # voxels
DEEPEST = 45.0  # mm below the surface that count as deep as can be


@dataclass(frozen=True, slots=True, eq=False)
class FramedHead:
    """One head on the frame's grid."""

    grey: Floats  # (52, 64, 64) in [0, 1]
    inside: NDArray[np.bool_]  # (52, 64, 64), the head, holes filled

    def mirrored(self) -> "FramedHead":
        """The same head with left and right exchanged."""
        return FramedHead(
            np.ascontiguousarray(self.grey[..., ::-1]), np.ascontiguousarray(self.inside[..., ::-1])
        )


def framed_head(stack: SliceStack, template: Template, found: Registration) -> FramedHead:
    """A head in the frame, with gain and field taken off."""
    head = onto_frame(evened(stack), found.matrix)
    inside = head_in_frame(head)
    return FramedHead(corrected(head, inside, template), inside)


def head_in_frame(head: Floats) -> NDArray[np.bool_]:
    """Where the head is, holes filled plane by plane, (52, 64, 64)."""
    smooth = gaussian_filter(head, SMOOTHING)
    seen = smooth[smooth > 0.01]
    if seen.size == 0:
        return np.ones(head.shape, np.bool_)
    part = largest_part(smooth > EDGE * otsu(seen))
    return np.stack([binary_fill_holes(plane) for plane in part])


def depth_in_head(inside: NDArray[np.bool_]) -> Floats:
    """How deep below the head's surface each voxel lies, 0 to 1 (45 mm), (52, 64, 64).

    The lowest plane is no surface: there the picture ends, not the head.
    """
    closed = np.pad(inside, ((0, 1), (0, 0), (0, 0)))
    distance = distance_transform_edt(closed, sampling=SPACING)[:-1]
    return np.asarray(np.clip(distance / DEEPEST, 0, 1), np.float32)
