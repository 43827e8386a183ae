"""What a NIfTI file shows: magnitude anatomy, or something else that is no scan to us.

A NIfTI file says little of itself. Read together: the intent code of its header, its name by the
rules of BIDS, the JSON file beside it that converters write, and values that only phase has.
"""

import re
from pathlib import Path

import numpy as np

from mriad_model.enums import RejectionReason
from mriad_model.readers.checks import require, shown
from mriad_model.readers.dicom.image_kind import (
    DERIVED,
    FIELDS,
    MAP_UNITS,
    MAPS,
    PARTS,
    PHASE_UNITS,
)
from mriad_model.readers.geometry import Voxels
from mriad_model.readers.nifti.sidecar import Sidecar, stem_of

# Intent codes of nifti1.h.
STATISTICS = range(2, 25)
LABELS = (1002, 1003)
NO_PICTURE = (1001, *range(1004, 1011), *range(2001, 2006))  # estimates, matrices, vectors, meshes

# What may stand last in a BIDS name (1.10, "Magnetic Resonance Imaging"), in capitals.
PHASE_SUFFIX = r"PHASE\d?|PHASEDIFF|FIELDMAP"
MAP_SUFFIX = (
    r"(?:T1|T2|T2STAR|R1|R2|R2STAR|PD|MTR|S0|M0|MWF|CHI|B1|TB1|RB1|TB1T1W|TB1AFI)MAP|MTSAT|CHIMAP"
    r"|E?ADC|FA|MD|AD|RD|DTI|TENSOR|CBF|CBV|MTT|TTP|TMAX"
)
LABEL_SUFFIX = r"MASK|DSEG|PROBSEG|LABELS?|SEG"
PART = re.compile(r"(?:^|_)part-(phase|real|imag)(?:_|$)", re.IGNORECASE)


def require_picture(path: Path, intent: int, voxels: Voxels, told: Sidecar) -> None:
    """Refuse a file that is no magnitude picture of anatomy. Raises RejectedFile.

    Args:
        path: the file.
        intent: the code in its header.
        voxels: (Z, Y, X).
        told: what the JSON file beside it says.
    """
    _intent(intent)
    _name(path)
    _sidecar(told)
    _values(voxels)


def _intent(code: int) -> None:
    said = f"its intent code is {code}"
    require(code not in LABELS, RejectionReason.LABEL_MAP, said)
    statistic = code in STATISTICS or code in NO_PICTURE
    require(not statistic, RejectionReason.QUANTITATIVE_MAP, said)


def _name(path: Path) -> None:
    name = stem_of(path)
    part = PART.search(name)
    require(part is None, RejectionReason.NOT_MAGNITUDE, f"named part-{part[1] if part else ''}")
    _, _, suffix = name.upper().rpartition("_")
    for pattern, reason in (
        (PHASE_SUFFIX, RejectionReason.NOT_MAGNITUDE),
        (MAP_SUFFIX, RejectionReason.QUANTITATIVE_MAP),
        (LABEL_SUFFIX, RejectionReason.LABEL_MAP),
    ):
        named = "_" in name and re.fullmatch(pattern, suffix) is not None
        require(not named, reason, f"its name says {suffix}")


def _sidecar(told: Sidecar) -> None:
    units = re.sub(r"\s+", "", str(told.get("Units", "")).lower())
    said = f"the JSON file beside it says {shown(units)}"
    phase = re.fullmatch(PHASE_UNITS, units) is not None
    require(not phase, RejectionReason.NOT_MAGNITUDE, said)
    require(re.fullmatch(MAP_UNITS, units) is None, RejectionReason.QUANTITATIVE_MAP, said)
    words = told.get("ImageType")
    for word in words[2:] if isinstance(words, list) else ():
        plain = str(word).upper().replace("_", " ").strip()
        said = f"the JSON file beside it says {shown(plain)}"
        for pattern, reason in (
            (f"{PARTS}|{FIELDS}", RejectionReason.NOT_MAGNITUDE),
            (MAPS, RejectionReason.QUANTITATIVE_MAP),
            (DERIVED, RejectionReason.DERIVED),
        ):
            require(re.fullmatch(pattern, plain) is None, reason, said)


def _values(voxels: Voxels) -> None:
    """Phase runs from -a to a, and is noise over all of that where there is air."""
    step = max(1, round((voxels.size / 500_000) ** (1 / 3)))
    sample = voxels[::step, ::step, ::step].astype(np.float64)
    low, high = float(sample.min()), float(sample.max())
    if low >= 0 or abs(low + high) > 0.02 * (high - low):
        return
    # Of values that fill their range evenly, the standard deviation is 0.29 of it.
    even = float(sample.std()) > 0.2 * (high - low) and 0.3 < float(np.mean(sample < 0)) < 0.7
    detail = f"values from {low:.4g} to {high:.4g} that fill their range: phase"
    require(not even, RejectionReason.NOT_MAGNITUDE, detail)
