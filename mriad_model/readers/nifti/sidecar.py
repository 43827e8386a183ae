"""The JSON file that converters write for a NIfTI file: `scan.json` of `scan.nii.gz`.

It is optional: one that cannot be read, and unusable values in it, count as absent.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from mriad_model.errors import RejectedFile
from mriad_model.files import open_regular

Sidecar: TypeAlias = Mapping[str, object]

LONGEST_SIDECAR = 2**20  # bytes
LONGEST_TEXT = 256  # characters


def stem_of(path: Path) -> str:
    """The name of a NIfTI file without its ending."""
    return re.sub(r"\.nii(?:\.gz)?$", "", path.name, flags=re.IGNORECASE)


def read_sidecar(path: Path) -> Sidecar:
    """The JSON file of the same name; empty where there is none."""
    try:
        with os.fdopen(open_regular(path.with_name(f"{stem_of(path)}.json")), "rb") as file:
            sidecar = json.loads(file.read(LONGEST_SIDECAR))
    except (OSError, ValueError, RecursionError, RejectedFile):
        return {}
    return sidecar if isinstance(sidecar, dict) else {}


def text(sidecar: Sidecar, key: str) -> str:
    """A text, its values joined by a backslash as in DICOM; empty where there is none."""
    value = sidecar.get(key)
    values = value if isinstance(value, list) else [value]
    return "\\".join(each for each in values if isinstance(each, str))[:LONGEST_TEXT].strip()


def number(sidecar: Sidecar, key: str, below: float) -> float | None:
    """One number from 0 to `below`; None for anything else: text, lists, NaN, another unit's."""
    value = sidecar.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < below else None
