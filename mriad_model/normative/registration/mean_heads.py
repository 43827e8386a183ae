"""Mean heads that are shipped: of drawn heads, so of no patient. Every head is registered to one.

They are made by `mriad_model.detection.training.volume_pretraining`.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import load, save

from mriad_model.normative.registration.frame import Floats
from mriad_model.normative.registration.template import Template
from mriad_model.normative.shipped_file import shipped

PATH: Final = Path(__file__).parent / "drawn_heads.safetensors"
SHA256: Final = "88ca0778ac84761949efb8950ecfe5866acbbbe5dc56cc4b346665ea219c2e55"  # of that file
T1, FLAIR = "t1", "flair"
BRAIN: Final = "brain"
GREY_LEVELS: Final = 200.0  # steps of a mean head's grey values, which reach 1.2; of 255
SHARES: Final = 255.0


@cache
def drawn_template(contrast: str) -> Template:
    """The mean of drawn heads of a contrast, `T1` or `FLAIR`.

    Raises ModelFileError where the file that is shipped is another.
    """
    stored = load(shipped(PATH, SHA256))
    mean = stored[contrast].astype(np.float32) / np.float32(GREY_LEVELS)
    return Template(mean, stored[BRAIN].astype(np.float32) / np.float32(SHARES))


def drawn_templates(contrast: str | None) -> tuple[Template, Template]:
    """Both, the likelier one for scans of a contrast (T1w, FLAIR, ...) first."""
    order = (FLAIR, T1) if contrast == "FLAIR" else (T1, FLAIR)
    first, second = (drawn_template(each) for each in order)
    return first, second


def to_file(means: Mapping[str, Floats], brain: Floats) -> bytes:
    """Mean heads by contrast and their brain, as `drawn_template` reads them."""
    arrays = {name: _whole(mean * GREY_LEVELS) for name, mean in means.items()}
    return save(arrays | {BRAIN: _whole(brain * SHARES)})


def _whole(values: Floats) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
