"""How bright each tissue is, by contrast, relative to the brightest brain tissue of a usual scan.

The order is what radiology knows: T1-weighted white > grey > CSF; FLAIR grey > white > CSF, for
the inversion pulse nulls free water. The spread stands for scanners and sequence timings.
"""

from enum import StrEnum

import numpy as np

from mriad_model.phantom.tissue import Tissue


class Contrast(StrEnum):
    """What the scan is weighted by."""

    T1 = "t1"
    FLAIR = "flair"


_T1 = {
    Tissue.AIR: 0.0,
    Tissue.FAT: 1.12,
    Tissue.MUSCLE: 0.48,
    Tissue.BONE: 0.07,
    Tissue.MARROW: 0.62,
    Tissue.CSF: 0.2,
    Tissue.GREY: 0.62,
    Tissue.WHITE: 0.94,
    Tissue.STRIATUM: 0.73,
    Tissue.PALLIDUM: 0.84,
    Tissue.THALAMUS: 0.79,
    Tissue.DURA: 0.42,
    Tissue.SKIN: 0.55,
    Tissue.EYE: 0.24,
    Tissue.BRAINSTEM: 0.86,
}

_FLAIR = {
    Tissue.AIR: 0.0,
    Tissue.FAT: 0.92,
    Tissue.MUSCLE: 0.4,
    Tissue.BONE: 0.06,
    Tissue.MARROW: 0.5,
    Tissue.CSF: 0.12,
    Tissue.GREY: 0.74,
    Tissue.WHITE: 0.6,
    Tissue.STRIATUM: 0.68,
    Tissue.PALLIDUM: 0.56,
    Tissue.THALAMUS: 0.66,
    Tissue.DURA: 0.4,
    Tissue.SKIN: 0.5,
    Tissue.EYE: 0.14,
    Tissue.BRAINSTEM: 0.62,
}


def tissue_signals(contrast: Contrast, rng: np.random.Generator) -> dict[Tissue, float]:
    """Signal of each tissue in one scan; grey and white stand a varying way apart."""
    table = dict(_T1 if contrast is Contrast.T1 else _FLAIR)
    flatness = rng.uniform(0.0, 0.32)  # 1: no grey-white contrast at all
    white = table[Tissue.WHITE]
    for tissue in (
        Tissue.GREY,
        Tissue.STRIATUM,
        Tissue.PALLIDUM,
        Tissue.THALAMUS,
        Tissue.BRAINSTEM,
    ):
        table[tissue] += flatness * (white - table[tissue])
    table[Tissue.FAT] *= rng.uniform(0.6, 1.2)
    table[Tissue.MARROW] *= rng.uniform(0.45, 1.15)
    table[Tissue.MUSCLE] *= rng.uniform(0.85, 1.15)
    table[Tissue.CSF] *= rng.uniform(0.75, 1.3)
    return table
