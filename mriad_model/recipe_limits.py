"""What values a recipe may hold: a number that no recipe can mean is refused where it is read."""

import math
from collections import Counter
from dataclasses import fields, is_dataclass
from enum import StrEnum
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, get_args, get_type_hints

from mriad_model.errors import SettingsError

if TYPE_CHECKING:
    from mriad_model.recipes import Recipe

LONGEST_TEXT: Final = 200
# Lowest and highest value, both allowed, by the name of the part and the field.
LIMITS: Final[dict[str, dict[str, tuple[float, float]]]] = {
    "Preprocessing": {"size": (8, 1024), "low_percentile": (0, 100), "high_percentile": (0, 100)},
    "NetworkShape": {"channels": (1, 4096), "latent": (1, 65_536)},
    "DetectorRecipe": {"smoothing": (0, 64), "tolerance": (0, 64), "gathering": (0, 64)},
    "Augmentation": {"degrees": (0, 180), "scale": (0, 0.9), "shift": (0, 1), "gamma": (0, 3)},
    "Training": {
        "learning_rate": (1e-9, 10),
        "batch_size": (1, 65_536),
        "max_epochs": (1, 1_000_000),
        "patience": (0, 1_000_000),
        "seed": (0, 2**64 - 1),
    },
    "Scoring": {"erosion": (0, 512), "usual_sigma": (0, 1024), "usual_floor": (0, 100)},
    "HeatmapScale": {"low_percentile": (0, 100), "high_factor": (1e-6, 1e6)},
    "Levels": {"number": (1, 1000), "step": (1e-3, 1000), "sigma": (1e-3, 1000)},
    "VolumeRecipe": {"train_slices": (1, 100_000), "extent": (0, 1000), "reach": (0, 10_000)},
    "Slicing": {
        "foreground": (0, 1),
        "min_share": (0, 1),
        "min_share_of_largest": (0, 1),
        "low_percentile": (0, 100),
        "high_percentile": (0, 100),
    },
}


def check_recipe(recipe: "Recipe") -> None:
    """Refuse a recipe that cannot be meant.

    Raises:
        SettingsError: a value is of the wrong type, no number, or out of its range; or values
            do not go together.
    """
    _check_part(recipe, "")
    _check_percentiles(recipe.preprocessing, "preprocessing")
    if recipe.volumes is not None:
        _check_percentiles(recipe.volumes.slicing, "volumes.slicing")
    kinds = Counter(part.kind for part in recipe.detectors)
    if not kinds or kinds.most_common(1)[0][1] > 1:
        raise SettingsError("a recipe has one detector or more, each kind once")
    if len(kinds) > 1 and not recipe.scoring.standardise:
        raise SettingsError("scoring.standardise must be true where there are several detectors")


def _check_percentiles(part: Any, name: str) -> None:
    if not part.low_percentile < part.high_percentile:
        raise SettingsError(f"{name}.low_percentile must lie below {name}.high_percentile")


def _check_part(part: Any, where: str) -> None:
    hints, limits = get_type_hints(type(part)), LIMITS.get(type(part).__name__, {})
    for field in fields(part):
        value, name = getattr(part, field.name), f"{where}{field.name}"
        if value is None:
            if NoneType not in get_args(hints[field.name]):
                raise SettingsError(f"{name} is missing")
            continue
        for each in value if isinstance(value, tuple) else (value,):
            if is_dataclass(each):
                _check_part(each, f"{name}.")
            elif not isinstance(each, StrEnum):
                _check_value(each, _plain(hints[field.name]), limits.get(field.name), name)


def _plain(hint: Any) -> Any:
    """The type of a value: of one that may be missing, and of each in a tuple."""
    return next((each for each in get_args(hint) if each not in (NoneType, ...)), hint)


def _check_value(value: Any, kind: Any, limits: tuple[float, float] | None, name: str) -> None:
    given = f"{str(value)[:40]!r}"
    if kind is float and type(value) is int:
        kind = int  # JSON does not tell 1 from 1.0
    if type(value) is not kind:
        raise SettingsError(f"{name} is {given}, which is no {kind.__name__}")
    if kind is str and not (len(value) <= LONGEST_TEXT and value.isprintable()):
        raise SettingsError(f"{name} is no short printable text")
    if kind in (int, float):
        low, high = limits or (math.nan, math.nan)
        if not low <= value <= high:  # nor is NaN
            raise SettingsError(f"{name} is {given}; it must lie between {low:g} and {high:g}")
