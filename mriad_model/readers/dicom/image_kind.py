"""What a DICOM image shows: magnitude anatomy, or something that is no scan.

Evidence: ImageType or FrameType (PS3.3, C.7.6.1.1.2, C.8.3.1.1.1 and C.8.13.3.1.1, and makers' own
words), the complex component, the technique of a derivation, and units. The description counts for
derived images alone: it often stands over magnitude and phase alike.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from pydicom.dataset import Dataset

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.dicom import tags
from mriad_model.readers.dicom.file import GE_IMAGE_TYPE
from mriad_model.readers.dicom.frames import Objection
from mriad_model.readers.volume.checks import require, shown
from mriad_model.readers.volume.contrast import Hint

# Words of ImageType, in capitals, underscores as spaces.
PARTS = r"(?:P|R|I)(?: .+)?|PHASE|PHASE (?:MAP|DIFFERENCE|IMAGE)|REAL|IMAG|IMAGINARY|VELOCITY.*"
FIELDS = r"B0|B0 MAP|DELTA B0.*|FIELD ?MAP.*"
MAPS = (
    r"E?ADC(?: .*)?|AVDC|FA|FA (?:MAP|COLOU?R)|TENSOR|DIFFUSION ANISO|(?:T1|T2|T2 ?STAR|T2\*) ?MAP"
    r"|R1|R2|R2 ?STAR|R2\*|(?:R1|R2|PD|B1|T1RHO|SNR|METABOLITE|PROTON DENSITY) ?MAP|B1|QUANTITY"
    r"|TEMPERATURE|FF|FAT FRACTION|QSM|SUSCEPTIBILITY|MWF|MTR|KTRANS|T ?TEST|[TZ]-?MAP|RHO"
)
PERFUSION_MAPS = r"R?(?:EL)?CB[FV]|MTT|TTP|TMAX"
DERIVED = (
    r"SUB|SUBTRACT.*|MAX ?IP|MIN ?IP|MNIP|(?:CSA )?MIP.*|PROJECTION.*|DIVISION|MULTIPLICATION"
    r"|STD DEVIATION|R COEFFICIENT|VRT|SSD|3D RENDER.*|VOLUME RENDER.*"
)
SCREENS = r"SCREEN ?SHOT|SCREEN ?SAVE|SAVED SCREEN|SCREEN ?CAPTURE|SCREEN"
TECHNIQUES = ("MAX_IP", "MIN_IP", "VOLUME_RENDER", "SURFACE_RENDER", "CURVED_MPR")
COMPONENTS = {"PHASE": "phase", "REAL": "real part", "IMAGINARY": "imaginary part"}
GE_COMPONENTS = {1.0: "phase", 2.0: "real part", 3.0: "imaginary part"}

# Units: RescaleType and UCUM codes, in lower case, without spaces.
PHASE_UNITS = r"m?rad|radians?|deg|degrees?|k?hz|hertz|m?rad/m?s|[cm]?m/s"
MAP_UNITS = (
    r".*[umµ]m(?:\^|\*)?2/s.*|m?s|m?sec|1/m?s|m?s-1|m?s\^-1|\[?ppm\]?|ppb|%|percent"
    r"|ml/(?:100g/min|min/100g|100g|100ml).*|[mu]?t|cel"
)
# Words of the description of a derived image.
MAP_WORDS = (
    r"(?<![a-z])(?:e?adc|r?cb[fv]|mtt|ttp|tmax|qsm)(?![a-z0-9])|apparent.diffusion"
    r"|(?<![a-z])fa(?![a-z0-9])(?![ =:_-]*\d)|fractional.anisotropy"
    r"|(?:t[12]|t2\*|t2star|r2\*?|b[01]|field|fat.fraction)[ _-]?map"
)
DERIVED_WORDS = r"(?<![a-z])(?:m(?:in)?ip|mnip)(?![a-z])|subtract|projection"

WORD_REASONS = (
    (f"{PARTS}|{FIELDS}", RejectionReason.NOT_MAGNITUDE),
    (MAPS, RejectionReason.QUANTITATIVE_MAP),
    (DERIVED, RejectionReason.DERIVED),
)
UNIT_REASONS = (
    (PHASE_UNITS, RejectionReason.NOT_MAGNITUDE),
    (MAP_UNITS, RejectionReason.QUANTITATIVE_MAP),
)

# Classes whose files hold no picture of anatomy, by the root of their UID (PS3.6, A).
STORAGE = "1.2.840.10008.5.1.4.1.1."
CLASSES = (
    (STORAGE + "7", RejectionReason.SCREENSHOT, "a secondary capture, not an image of the scanner"),
    (STORAGE + "30", RejectionReason.QUANTITATIVE_MAP, "a parametric map"),
    (STORAGE + "4.2", RejectionReason.UNSUPPORTED, "spectra, no image"),
    (STORAGE + "66", RejectionReason.UNSUPPORTED, "raw data, no image"),
    (STORAGE + "11", RejectionReason.UNSUPPORTED, "a presentation state, no image"),
    (STORAGE + "88", RejectionReason.UNSUPPORTED, "a report, no image"),
    (STORAGE + "104", RejectionReason.UNSUPPORTED, "a document, no image"),
    ("1.3.12.2.1107.5.9.1", RejectionReason.UNSUPPORTED, "a maker's own data, no image"),
)


def require_image(dataset: Dataset) -> None:
    """Reject files of a class that holds no picture of anatomy, whatever else they lack."""
    uid = tags.optional_text(dataset, "SOPClassUID") or ""
    for root, reason, detail in CLASSES:
        require(not f"{uid}.".startswith(f"{root}."), reason, detail)


def objection_to(dataset: Dataset, groups: Sequence[Dataset], hint: Hint) -> Objection | None:
    """Why a frame is no scan, or None. `groups` are its functional groups, its own first."""
    try:
        for ask in (_component, _type, _units, _technique, _description):
            ask(dataset, groups, hint)
    except RejectedFile as error:
        return Objection(error.reason, error.detail)
    return None


def require_no_match(
    patterns: Iterable[tuple[str, RejectionReason]], text: str, detail: str
) -> None:
    """Reject a text that is one of the patterns, for the reason of the first that fits."""
    for pattern, reason in patterns:
        require(re.fullmatch(pattern, text) is None, reason, detail)


def image_type(dataset: Dataset, groups: Sequence[Dataset]) -> str | None:
    """FrameType, or ImageType where a frame has none of its own."""
    frame_type = tags.functional_group(groups, "MRImageFrameTypeSequence")
    return tags.optional_text(frame_type, "FrameType") or tags.optional_text(dataset, "ImageType")


def is_derived(image_type: str | None) -> bool:
    """Whether a picture was computed from others, so that its header may be theirs."""
    return (image_type or "").upper().startswith("DERIVED")


def _component(dataset: Dataset, groups: Sequence[Dataset], _: Hint) -> None:
    frame_type = tags.functional_group(groups, "MRImageFrameTypeSequence")
    of_frame = tags.optional_text(frame_type, "ComplexImageComponent")
    stated = of_frame or tags.optional_text(dataset, "ComplexImageComponent") or ""
    part = COMPONENTS.get(stated.upper())
    if part is None and (tags.optional_text(dataset, "Manufacturer") or "").upper()[:2] == "GE":
        part = GE_COMPONENTS.get(tags.optional_number(dataset, GE_IMAGE_TYPE) or 0.0)
    require(part is None, RejectionReason.NOT_MAGNITUDE, f"{part}, not magnitude")


def _type(dataset: Dataset, groups: Sequence[Dataset], hint: Hint) -> None:
    for word in (image_type(dataset, groups) or "").upper().split("\\")[2:]:
        plain = word.replace("_", " ").strip()
        detail = f"ImageType says {shown(word)}"
        require_no_match((*WORD_REASONS, (SCREENS, RejectionReason.SCREENSHOT)), plain, detail)
        if not hint.sure:  # by description and timing: a map of perfusion has not both of a FLAIR
            require_no_match(((PERFUSION_MAPS, RejectionReason.QUANTITATIVE_MAP),), plain, detail)


def _units(dataset: Dataset, groups: Sequence[Dataset], _: Hint) -> None:
    for unit in _stated_units(dataset, groups):
        plain = re.sub(r"\s+", "", unit.lower())
        require_no_match(UNIT_REASONS, plain, f"values in {shown(unit)}")


def _technique(dataset: Dataset, groups: Sequence[Dataset], _: Hint) -> None:
    frame_type = tags.functional_group(groups, "MRImageFrameTypeSequence")
    for place in (frame_type, dataset):
        stated = tags.optional_text(place, "VolumeBasedCalculationTechnique") or ""
        known = stated.upper() in TECHNIQUES
        require(not known, RejectionReason.DERIVED, f"computed by {shown(stated)}")
        colour = "COLOR" in (tags.optional_text(place, "PixelPresentation") or "").upper()
        require(not colour, RejectionReason.COLOUR, "colours, not grey values")


def _description(dataset: Dataset, groups: Sequence[Dataset], _: Hint) -> None:
    if not is_derived(image_type(dataset, groups)):
        return
    for keyword in ("SeriesDescription", "ProtocolName"):
        words = (tags.optional_text(dataset, keyword) or "").lower()
        for pattern, reason in (
            (MAP_WORDS, RejectionReason.QUANTITATIVE_MAP),
            (DERIVED_WORDS, RejectionReason.DERIVED),
        ):
            if found := re.search(pattern, words):
                detail = f"a derived image, described as {shown(found[0])} in {keyword}"
                raise RejectedFile(reason, detail)


def _stated_units(dataset: Dataset, groups: Sequence[Dataset]) -> Iterator[str]:
    scaling = tags.functional_group(groups, "PixelValueTransformationSequence")
    for place in (scaling, dataset):
        yield tags.optional_text(place, "RescaleType") or ""
    mapping = tags.functional_group([*groups, dataset], "RealWorldValueMappingSequence")
    units = tags.functional_group([mapping], "MeasurementUnitsCodeSequence")
    yield tags.optional_text(units, "CodeValue") or ""
