"""A volume's contrast: a hint from BIDS suffixes, descriptions, or timing.

Descriptions are free text, and one may stand over two echoes. Where the timing of a spin echo
contradicts one, the timing is believed, and the contradiction kept as a remark. Names are BIDS
suffixes (BIDS 1.10, "Anatomy imaging data"), and T1c for T1 after a contrast agent.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from mriad_model.readers.dicom import tags

# Looked for in this order: a map of T1 is not T1-weighted, a FLAIR is T2-weighted, T2* is no T2.
WORDS = (
    (
        "map",
        r"(?<![a-z0-9])(?:t1(?:rho)?|t2|r[12]|[tr]2(?:\*| ?star)|mtr|mtsat|pd|b1)[ -]?map(?![a-z])",
    ),
    ("FLAIR", r"flair|dark.?fluid|tirm"),
    ("dwi", r"dwi|diff|adc|dti|trace"),
    ("swi", r"swi|swan"),
    ("bold", r"bold|fmri|rest(?:ing)?(?![a-z])"),
    ("angio", r"angio|(?<![a-z])(?:tof|mra|mrv)(?![a-z])"),
    ("fieldmap", r"field.?map|b0.?map"),
    ("T2starw", r"t2(?:\*|.?star)|hemo|gre(?![a-z])"),
    ("T1c", r"t1.*?(?:gad|\+c|post|(?<![a-z])gd(?![a-z])|(?<![a-z])(?:ce|km)(?![a-z]))|t1(?:c|gd)"),
    ("T1w", r"t1|mp2?rage|spgr|bravo|tfl"),
    ("T2w", r"t2"),
    ("PDw", r"(?<![a-z])pd(?![a-z])|pdw|proton"),
)
LONG_REPETITION, SHORT_REPETITION = 2000.0, 900.0  # ms; spin echo
LONG_ECHO, SHORT_ECHO = 70.0, 30.0  # ms
FLUID_NULLING = 1500.0  # ms of inversion; above it the inversion is there to null the fluid
FAT_NULLING = 400.0  # ms of inversion; below it the inversion is there to null the fat
SHORT_GRADIENT_ECHO = 8.0  # ms; a longer one shows T2*
BALANCED = 40.0  # degrees; a larger flip at a short repetition is a balanced sequence's
VERY_SHORT_REPETITION = 50.0  # ms
SHORTEST_SPIN_ECHO = 7.0  # ms
WEIGHTINGS = ("FLAIR", "T1w", "T1c", "T2w", "PDw")  # by the timing of a spin echo
STATED = {  # AcquisitionContrast, PS3.3, C.8.13.3.1.5
    "FLUID_ATTENUATED": "FLAIR", "T1": "T1w", "T2": "T2w", "T2_STAR": "T2starw",
    "PROTON_DENSITY": "PDw", "DIFFUSION": "dwi", "TOF": "angio",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Timing:
    """How a picture was made. Milliseconds and degrees; None where the header does not say."""

    repetition: float | None = None
    echo: float | None = None
    inversion: float | None = None
    flip: float | None = None
    gradient: bool | None = None  # a gradient echo; False: a spin echo
    inverted: bool | None = None  # prepared by an inversion
    planar: bool = False  # all of a slice after one excitation: diffusion, function


@dataclass(frozen=True, slots=True)
class Hint:
    """What a picture is weighted by, and what of its header contradicts that."""

    name: str | None
    remark: str | None = None
    sure: bool = False  # its description and its timing say the same


def text_contrast(description: str, agent: bool = False) -> str | None:
    """What a series or file name says, or None."""
    words = description.lower().replace("_", " ")
    for name, pattern in WORDS:
        if re.search(pattern, words):
            return "T1c" if agent and name == "T1w" else name
    return None


def classic_timing(dataset: Dataset) -> Timing:
    """The timing of a classic file."""
    words = (tags.optional_text(dataset, "ScanningSequence") or "").upper().split("\\")
    return timing_of(
        words if words != [""] else [],
        repetition=tags.optional_number(dataset, "RepetitionTime"),
        echo=tags.optional_number(dataset, "EchoTime"),
        inversion=tags.optional_number(dataset, "InversionTime"),
        flip=tags.optional_number(dataset, "FlipAngle"),
    )


def timing_of(sequence: Sequence[str], **numbers: float | None) -> Timing:
    """The timing by ScanningSequence (its values in capitals) and the numbers of `Timing`."""
    return Timing(
        **numbers,
        gradient=True if "GR" in sequence else False if "SE" in sequence else None,
        inverted="IR" in sequence if sequence else None,
        planar="EP" in sequence,
    )


def dicom_contrast(dataset: Dataset, timing: Timing) -> Hint:
    """The contrast of a frame: by its timing where that is plain, else by its descriptions."""
    agent = tags.optional_text(dataset, "ContrastBolusAgent") is not None
    for keyword in ("SeriesDescription", "ProtocolName"):
        named = text_contrast(tags.optional_text(dataset, keyword) or "", agent)
        if named:
            return weighed(named, timing, agent)
    stated = STATED.get(tags.optional_text(dataset, "AcquisitionContrast") or "")
    return Hint(by_timing(timing, agent) or stated)


def weighed(named: str, timing: Timing, agent: bool = False, naming: str = "described as") -> Hint:
    """A name against the timing, which is believed where plain; `naming` begins the remark."""
    timed = by_timing(timing, agent)
    if timed is None or named not in WEIGHTINGS:
        return Hint(named)
    if named[:2] == timed[:2]:
        return Hint(named, sure=True)
    if not _outvotes(timing, named, timed):
        return Hint(named)
    return Hint(timed, f"{naming} {named}, but {times_of(timing)} are those of {timed}")


def by_timing(timing: Timing, agent: bool = False) -> str | None:
    """What the timing alone says, where it says it plainly."""
    repetition, echo, inversion = timing.repetition, timing.echo, timing.inversion or 0
    if repetition is None or echo is None or timing.planar:
        return None
    t1 = "T1c" if agent else "T1w"
    if timing.gradient:
        return t1 if _is_spoiled(timing, repetition, echo) else None
    if echo >= LONG_ECHO and repetition >= LONG_REPETITION:
        return "FLAIR" if inversion >= FLUID_NULLING else "T2w"
    if echo > SHORT_ECHO:
        return None
    if repetition <= SHORT_REPETITION or FAT_NULLING <= inversion < FLUID_NULLING:
        return t1
    return "PDw" if repetition >= LONG_REPETITION and not inversion else None


def _is_spoiled(timing: Timing, repetition: float, echo: float) -> bool:
    balanced = (timing.flip or 0) > BALANCED and repetition <= VERY_SHORT_REPETITION
    return repetition <= SHORT_REPETITION and echo <= SHORT_GRADIENT_ECHO and not balanced


def _outvotes(timing: Timing, named: str, timed: str) -> bool:
    """Whether the timing is so plain that the description is wrong."""
    if (named, timed) == ("FLAIR", "T2w"):  # the inversion is often missing
        stated = timing.inversion is not None
        return stated and (timing.inversion != 0 or timing.inverted is False)
    if timed == "PDw" and timing.gradient is None:  # or the readout of a prepared gradient echo
        return (timing.echo or 0) >= SHORTEST_SPIN_ECHO
    return True


def times_of(timing: Timing) -> str:
    """Echo, repetition and inversion in words; for a timing that has the first two."""
    shown = [f"TE {timing.echo:g}", f"TR {timing.repetition:g}"]
    if timing.inversion:
        shown.append(f"TI {timing.inversion:g}")
    return f"{', '.join(shown)} ms"
