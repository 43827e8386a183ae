"""A hint at what a volume is weighted by: from BIDS suffixes, descriptions, or timing.

A hint only: descriptions are free text. BIDS suffixes are used as names (BIDS 1.10, "Anatomy
imaging data"), and T1c for T1 after a contrast agent.
"""

import re

from pydicom.dataset import Dataset

from mriad_model.volumes import tags

# Looked for in this order: a FLAIR is T2-weighted too, and T2* is no T2.
WORDS = (
    ("FLAIR", r"flair|dark.?fluid|tirm"),
    ("dwi", r"dwi|diff|adc|dti|trace"),
    ("swi", r"swi|swan"),
    ("bold", r"bold|fmri|rest(?:ing)?(?![a-z])"),
    ("T2starw", r"t2(?:\*|.?star)|hemo|gre(?![a-z])"),
    ("T1c", r"t1.*?(?:gad|\+c|post|(?<![a-z])gd(?![a-z])|(?<![a-z])(?:ce|km)(?![a-z]))|t1(?:c|gd)"),
    ("T1w", r"t1|mp2?rage|spgr|bravo|tfl"),
    ("T2w", r"t2"),
    ("PDw", r"(?<![a-z])pd(?![a-z])|pdw|proton"),
)
LONG_REPETITION, SHORT_REPETITION = 2000.0, 900.0  # ms; spin echo
LONG_ECHO, SHORT_ECHO = 70.0, 30.0  # ms
FLUID_NULLING = 1500.0  # ms of inversion; above it the inversion is there to null the fluid


def text_contrast(description: str, agent: bool = False) -> str | None:
    """What a series or file name says, or None."""
    words = description.lower().replace("_", " ")
    for name, pattern in WORDS:
        if re.search(pattern, words):
            return "T1c" if agent and name == "T1w" else name
    return None


def dicom_contrast(dataset: Dataset) -> str | None:
    """What the header says: by its descriptions, else by its timing; None where it says nothing."""
    agent = tags.optional_text(dataset, "ContrastBolusAgent") is not None
    for keyword in ("SeriesDescription", "ProtocolName"):
        named = text_contrast(tags.optional_text(dataset, keyword) or "", agent)
        if named:
            return named
    return _by_timing(
        tags.optional_number(dataset, "RepetitionTime"),
        tags.optional_number(dataset, "EchoTime"),
        tags.optional_number(dataset, "InversionTime"),
        agent,
    )


def _by_timing(
    repetition: float | None, echo: float | None, inversion: float | None, agent: bool
) -> str | None:
    if repetition is None or echo is None:
        return None
    if echo >= LONG_ECHO and repetition >= LONG_REPETITION:
        return "FLAIR" if (inversion or 0) >= FLUID_NULLING else "T2w"
    if echo <= SHORT_ECHO and repetition <= SHORT_REPETITION:
        return "T1c" if agent else "T1w"
    if echo <= SHORT_ECHO and repetition >= LONG_REPETITION and not inversion:
        return "PDw"
    return None
