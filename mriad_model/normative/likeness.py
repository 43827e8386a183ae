"""Whether what lies in the frame is a head: does its fine structure lie where the mean head's does.

The fit of a registration is a correlation that any bright body with a dark rim has. Structure of
3 to 10 mm, ventricles, sulci, deep nuclei, only a head has, and only where it is rightly placed.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from mriad_model.normative.frame import SPACING, Floats
from mriad_model.normative.template import NECK, Template

FINE, COARSE = 3.0, 10.0  # mm, Gaussian sigmas between which structure counts


def likeness(head: Floats, template: Template) -> float:
    """The correlation of a head's structure (52, 64, 64) with the mean head's, in its brain."""
    brain = template.brain > 0.5
    brain[:NECK] = False
    ours, mean = (_structure(each)[brain].astype(np.float64) for each in (head, template.mean))
    ours, mean = ours - ours.mean(), mean - mean.mean()
    scale = float(np.sqrt((ours * ours).sum() * (mean * mean).sum()))
    return float((ours * mean).sum()) / scale if scale > 0 else 0.0


def _structure(head: Floats) -> Floats:
    fine, coarse = (
        gaussian_filter(head, [sigma / each for each in SPACING]) for sigma in (FINE, COARSE)
    )
    return np.asarray(fine - coarse, np.float32)
