"""The parts of a recipe that say when a scan is not scorable, and when a decision is uncertain."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from mriad_model.recipes.field_types import Share, between

NO_GATE: Final = "no gate: a photograph is scored like a head"
NO_GATE_OF_VOLUMES: Final = "no gate: a volume of anything else is scored like a head"


def no_gate_text(recipe: Mapping[str, Any]) -> str | None:
    """What it means that a recipe, as its JSON object, has no gate; None of one that has."""
    if recipe.get("gate") is not None:
        return None
    return NO_GATE if recipe.get("volumes") is None else NO_GATE_OF_VOLUMES


@dataclass(frozen=True, slots=True)
class GateRecipe:
    """How unlike the healthy scans another may be, see `mriad_model.detection`.

    By `gate` there for pictures, by `head_gate` for heads in the normative frame.
    """

    # Standard deviations of how far healthy ones lie from each other
    limit: Annotated[float, between(0.1, 100)] = 5.0
    # Of pictures: whether they are told from drawn pictures of no head, and from head CT, too
    strangers: bool = False


@dataclass(frozen=True, slots=True)
class UncertainRecipe:
    """Where a decision is neither normal nor suspicious, see `detection.decisions.verdicts`."""

    # That a threshold drawn from as many other healthy scans lies in the interval around this one
    confidence: Share = 0.5
    gate_edge: Share = 0.9  # of the gate's limit: nearer to it, no scan is normal
    # Standard deviations of the folds' scores: nearer to the threshold, the folds disagree
    spreads: Annotated[float, between(0, 10)] = 1.0
