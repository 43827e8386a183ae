"""The registry of detectors. A new one is a file here and a line in `DETECTORS`.

The file holds a subclass of `detector.Detector`. A recipe names it by its key, the kind.
"""

from typing import Final

from mriad_model.detection.detectors.asymmetry import Asymmetry
from mriad_model.detection.detectors.autoencoder import Autoencoder
from mriad_model.detection.detectors.detector import Detector
from mriad_model.detection.detectors.implants import Implants
from mriad_model.detection.detectors.normative import (
    Normative,
    NormativeAsymmetry,
    NormativeNetwork,
)
from mriad_model.errors import SettingsError
from mriad_model.recipes.recipe import (
    NORMATIVE,
    NORMATIVE_ASYMMETRY,
    NORMATIVE_NETWORK,
    DetectorRecipe,
)

DETECTORS: Final[dict[str, type[Detector]]] = {
    "autoencoder": Autoencoder,
    "asymmetry": Asymmetry,
    "implants": Implants,
    NORMATIVE: Normative,
    NORMATIVE_NETWORK: NormativeNetwork,
    NORMATIVE_ASYMMETRY: NormativeAsymmetry,
}


def detector_of(part: DetectorRecipe) -> type[Detector]:
    """The detector that a recipe's part names.

    Raises:
        SettingsError: there is none of that kind, or the part asks it for what it cannot do.
    """
    if part.kind not in DETECTORS:
        known = ", ".join(repr(kind) for kind in DETECTORS)
        raise SettingsError(f"no detector is named {part.kind!r}: choose one of {known}")
    detector = DETECTORS[part.kind]
    detector.check(part)
    return detector
