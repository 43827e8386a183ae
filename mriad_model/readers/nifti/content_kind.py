"""What a NIfTI file shows: magnitude anatomy, or something that is no scan.

Evidence: the intent code of its header, its name by the rules of BIDS, the JSON file of the same
name that converters write, and values that only phase has.
"""

import re
from pathlib import Path

import numpy as np

from mriad_model.enums import RejectionReason
from mriad_model.readers.dicom.image_kind import UNIT_REASONS, WORD_REASONS, require_no_match
from mriad_model.readers.nifti.sidecar import Sidecar, stem_of
from mriad_model.readers.volume.checks import require, shown
from mriad_model.readers.volume.geometry import Voxels

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
SUFFIX_REASONS = (
    (PHASE_SUFFIX, RejectionReason.NOT_MAGNITUDE),
    (MAP_SUFFIX, RejectionReason.QUANTITATIVE_MAP),
    (LABEL_SUFFIX, RejectionReason.LABEL_MAP),
)
PART = re.compile(r"(?:^|_)part-(phase|real|imag)(?:_|$)", re.IGNORECASE)


def require_picture(path: Path, intent: int, voxels: Voxels, sidecar: Sidecar) -> None:
    """Reject a file that by intent, name, sidecar or voxels (Z, Y, X) is no magnitude anatomy."""
    _intent(intent)
    _name(path)
    _sidecar(sidecar)
    _values(voxels)


def _intent(code: int) -> None:
    detail = f"its intent code is {code}"
    require(code not in LABELS, RejectionReason.LABEL_MAP, detail)
    statistic = code in STATISTICS or code in NO_PICTURE
    require(not statistic, RejectionReason.QUANTITATIVE_MAP, detail)


def _name(path: Path) -> None:
    name = stem_of(path)
    part = PART.search(name)
    require(part is None, RejectionReason.NOT_MAGNITUDE, f"named part-{part[1] if part else ''}")
    _, underscore, suffix = name.upper().rpartition("_")
    if underscore:
        require_no_match(SUFFIX_REASONS, suffix, f"its name says {suffix}")


def _sidecar(sidecar: Sidecar) -> None:
    units = re.sub(r"\s+", "", str(sidecar.get("Units", "")).lower())
    require_no_match(UNIT_REASONS, units, f"the JSON file beside it says {shown(units)}")
    words = sidecar.get("ImageType")
    for word in words[2:] if isinstance(words, list) else ():
        plain = str(word).upper().replace("_", " ").strip()
        require_no_match(WORD_REASONS, plain, f"the JSON file beside it says {shown(plain)}")


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
