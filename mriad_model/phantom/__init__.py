"""Phantom heads: seeded MR-like scans of varied anatomy, with lesions whose place is known.

For demonstrations, tests and benchmarks. A seed is a head; it looks the same in every plane, and
its bytes are the same on one machine. Nothing here comes from a real scan.
"""

from mriad_model.phantom.contrast import Contrast
from mriad_model.phantom.draw import (
    PhantomSlice,
    PhantomVolume,
    phantom_slice,
    phantom_volume,
)
from mriad_model.phantom.folders import many_slices, write_folder
from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.tissue import Tissue

__all__ = [
    "Contrast",
    "Lesion",
    "PhantomSlice",
    "PhantomVolume",
    "Tissue",
    "many_slices",
    "phantom_slice",
    "phantom_volume",
    "write_folder",
]
