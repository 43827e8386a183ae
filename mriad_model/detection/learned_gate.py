"""The gate of a model, from the healthy scans that it learned from. One way for all who train."""

from collections.abc import Callable, Sequence

import numpy as np

from mriad_model.detection.decisions.gate import Gate, fit_gate
from mriad_model.detection.decisions.head_gate import HeadGate
from mriad_model.detection.decisions.verdicts import is_not_scorable
from mriad_model.detection.model import FittedModel
from mriad_model.detection.networks.devices import repeatable, resolve_device
from mriad_model.detection.training.fit_progress import HeadsLaid
from mriad_model.preprocessing.slices import SliceBatch, joined


def learned_gate(
    fitted: FittedModel,
    scans: Sequence[SliceBatch],
    groups: Sequence[int],
    folds: Sequence[int],
    progress: Callable[[HeadsLaid], None] | None = None,
) -> Gate | HeadGate | None:
    """Learn what healthy scans look like; None where the recipe has no gate, or they are too few.

    `groups` are of near-duplicates and patients; `folds` those of cross-fitting, -1 for none.
    Heads are laid upon the mean once more, which `progress` hears of.
    """
    how = fitted.recipe.gate
    if how is None:
        return None
    if fitted.recipe.in_frame:
        like = fitted.resemblances_among(scans, groups, progress)
        return HeadGate.fit(np.array([*like.values()]), [groups[i] for i in like], how.limit)
    with repeatable(resolve_device("cpu")):
        slices = joined(list(scans))
        return fit_gate(slices, groups, how.limit, folds, strangers=how.strangers)


def unlike_among_learned(
    fitted: FittedModel,
    scans: Sequence[SliceBatch],
    groups: Sequence[int],
    progress: Callable[[HeadsLaid], None] | None = None,
) -> list[int]:
    """Of all scans that the model's gate was learned from, the places of those not scorable.

    Each is looked at beside those of other groups, as if its own had not been learned.
    """
    gate = fitted.gate
    if gate is None:
        return []
    if isinstance(gate, HeadGate):
        like = fitted.resemblances_among(scans, groups, progress)
        values = dict(zip(like, gate.values(np.array([*like.values()])).tolist(), strict=True))
    else:
        of_slices = [g for each, g in zip(scans, groups, strict=True) for _ in range(len(each))]
        owners = [i for i, each in enumerate(scans) for _ in range(len(each))]
        with repeatable(resolve_device("cpu")):
            found = gate.values_among(joined(list(scans)), of_slices).tolist()
        values = {}
        for i, value in zip(owners, found, strict=True):
            values[i] = max(value, values.get(i, 0.0))
    return [i for i, value in values.items() if is_not_scorable(value)]
