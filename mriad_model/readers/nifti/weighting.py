"""What a NIfTI file is weighted by: its name, its JSON file, its timing.

The JSON file holds the scanner's words (dcm2niix writes it from DICOM; BIDS 1.10, "Magnetic
Resonance Imaging": times in seconds), a name a person's. Where they differ the JSON file is
believed, unless the timing agrees with the name, or the name says more. A contradiction is kept as
a remark.
"""

import re
from dataclasses import replace
from pathlib import Path

from mriad_model.readers.bids import bids_name
from mriad_model.readers.nifti.sidecar import Sidecar, number, stem_of, text
from mriad_model.readers.volume.contrast import (
    WEIGHTINGS,
    Hint,
    Timing,
    by_timing,
    text_contrast,
    times_of,
    timing_of,
    weighed,
)

MS = 1000.0  # in a second
# Seconds; a longer one is in another unit: ignored.
LONGEST_ECHO, LONGEST_REPETITION, LONGEST_INVERSION = 1.0, 100.0, 20.0
FULL_TURN = 360.0  # degrees, and more than any flip
# What may stand last in a BIDS name and is no word of a description, in lower case.
SUFFIXES = (("asl", r"asl|m0scan"), ("magnitude", r"magnitude[12]?"), ("epi", r"epi|sbref"))
LABELLED = re.compile(r"(?<![a-z])(?:pc?|ps)?asl(?![a-z])|spin.label", re.IGNORECASE)
BESIDE = "the JSON file beside it"


def nifti_contrast(path: Path, sidecar: Sidecar, description: str = "") -> Hint:
    """The contrast by name and JSON file, None by neither. The header's text is only compared."""
    hint = _together(_by_name(path), sidecar)
    header = text_contrast(description)
    if header is None or hint.name is None or _alike(header, hint.name):
        return hint
    remark = f"taken for {hint.name}, but its header is described as {header}"
    return replace(hint, remark=remark if hint.remark is None else f"{hint.remark}; {remark}")


def _together(named: str | None, sidecar: Sidecar) -> Hint:
    timing = _timing(sidecar)
    agent = any(text(sidecar, key) for key in ("ContrastBolusIngredient", "ContrastBolusAgent"))
    described = _described(sidecar, agent)
    named = "T1c" if agent and named == "T1w" else named
    if described is None:
        return _by_sequence(named, sidecar, timing, agent)
    if named is None:
        return weighed(described, timing, agent)
    if _alike(named, described):
        return weighed("T1c" if "T1c" in (named, described) else named, timing, agent)
    return _against(named, described, timing, agent)


def _against(named: str, described: str, timing: Timing, agent: bool) -> Hint:
    """A name that says something else than the JSON file's description."""
    timed = by_timing(timing, agent)
    differ = f"named {named}, but {BESIDE} describes {described}"
    if named not in WEIGHTINGS:  # two such words may go together: epi and bold
        if described not in WEIGHTINGS:
            return Hint(named)
        certain = timed is not None and _alike(timed, described)
        return Hint(described if certain else named, differ)
    if (named, described) == ("FLAIR", "T2w"):  # a FLAIR is T2-weighted
        return weighed(named, timing, agent, "named")
    weighting = described in WEIGHTINGS or described == "T2starw"  # "gre" stands for T1w, too
    if weighting and timed is not None and _alike(timed, named):
        return Hint(named, f"{differ}; {times_of(timing)} are those of {timed}")
    hint = weighed(described, timing, agent)
    return replace(hint, remark=differ if hint.remark is None else f"{differ}; {hint.remark}")


def _by_sequence(named: str | None, sidecar: Sidecar, timing: Timing, agent: bool) -> Hint:
    """Without a description in the JSON file: by timing, then by how the picture was made."""
    made = _made(sidecar, timing)
    if named is None:
        return Hint(by_timing(timing, agent) or made)
    if named in WEIGHTINGS and made is not None and made not in WEIGHTINGS:
        return Hint(made, f"named {named}, but {BESIDE} says {made}")
    return weighed(named, timing, agent, "named")


def _by_name(path: Path) -> str | None:
    suffix = bids_name(path).suffix or ""
    last = stem_of(path).rpartition("_")[2]
    by_bids = text_contrast(suffix) or _by_suffix(suffix)
    return by_bids or text_contrast(path.name) or _by_suffix(last)


def _by_suffix(suffix: str) -> str | None:
    named = (name for name, pattern in SUFFIXES if re.fullmatch(pattern, suffix, re.IGNORECASE))
    return next(named, None)


def _described(sidecar: Sidecar, agent: bool) -> str | None:
    for key in ("SeriesDescription", "ProtocolName"):
        words = text(sidecar, key)
        found = "asl" if LABELLED.search(words.replace("_", " ")) else text_contrast(words, agent)
        if found:
            return found
    return None


def _made(sidecar: Sidecar, timing: Timing) -> str | None:
    """By the sequence and by what BIDS asks of one kind alone; last, by the converter's guess."""
    if text(sidecar, "ArterialSpinLabelingType"):
        return "asl"
    for key in ("SequenceName", "PulseSequenceDetails"):
        found = text_contrast(text(sidecar, key))
        if found not in (None, "T2starw"):  # any gradient echo is called "gre"
            return found
    if text(sidecar, "TaskName"):
        return "bold"
    guess = text(sidecar, "BidsGuess").rpartition("_")[2]
    return text_contrast(guess) or _by_suffix(guess) or ("epi" if timing.planar else None)


def _timing(sidecar: Sidecar) -> Timing:
    return timing_of(
        re.findall(r"[A-Z]+", text(sidecar, "ScanningSequence").upper()),
        repetition=_milliseconds(number(sidecar, "RepetitionTime", LONGEST_REPETITION) or None),
        echo=_milliseconds(number(sidecar, "EchoTime", LONGEST_ECHO) or None),
        inversion=_milliseconds(number(sidecar, "InversionTime", LONGEST_INVERSION)),
        flip=number(sidecar, "FlipAngle", FULL_TURN),
    )


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * MS, 6)


def _alike(one: str, other: str) -> bool:
    return one == other or {one, other} == {"T1w", "T1c"}
