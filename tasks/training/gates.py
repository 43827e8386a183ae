"""The gate of a model in training, from the healthy scans that it learns from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from db.repository.models import dataset_folds, dataset_groups
from db.repository.scans import scans_by_id
from mriad_model.detection.devices import repeatable, resolve_device
from mriad_model.detection.gate import Gate, fit_gate
from mriad_model.detection.head_gate import HeadGate
from mriad_model.detection.model import FittedModel
from mriad_model.preprocessing.slices import joined
from tasks.runtime.connections import database
from tasks.runtime.workspace import Workspace
from tasks.scoring.preprocess import load_prepared


def gate_of(
    home: str, dataset_id: int, fitted: FittedModel, folders: Sequence[str]
) -> Gate | HeadGate | None:
    """Learn what the healthy scans in these workspaces look like; None without a gate."""
    how = fitted.recipe.gate
    if how is None:
        return None
    engine = database(home)
    group, folds = dataset_groups(engine, dataset_id), dataset_folds(engine, dataset_id)
    found = {
        each.scan_id: each.slices.batch
        for folder in folders
        for each in load_prepared(Workspace(Path(folder)))
    }
    scans = scans_by_id(engine, found)  # in the order of their content, not of their arrival
    scan_ids = sorted(found, key=lambda each: scans[each].sha256)
    if fitted.recipe.in_frame:
        placed = [each for each in scan_ids if fitted.misplaced(found[each]) is None]
        like = np.array([fitted.resemblances(found[each])[0] for each in placed])
        return HeadGate.fit(like, [group[each] for each in placed], how.limit)
    slices = joined([found[each] for each in scan_ids])
    with repeatable(resolve_device("cpu")):
        return fit_gate(
            slices,
            [group[each] for each in scan_ids],
            how.limit,
            [folds.get(each, -1) for each in scan_ids],
        )
