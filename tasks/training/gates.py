"""The gate of a model in training, from the healthy scans that it learns from."""

from collections.abc import Sequence
from pathlib import Path

from db.repository.intake.scans import scans_by_id
from db.repository.training.models import dataset_folds, dataset_groups
from mriad_model.detection.decisions.gate import Gate
from mriad_model.detection.decisions.head_gate import HeadGate
from mriad_model.detection.learned_gate import learned_gate
from mriad_model.detection.model import FittedModel
from tasks.runtime.connections import database
from tasks.runtime.workspace import Workspace
from tasks.scoring.preprocess import load_prepared


def gate_of(
    home: str, dataset_id: int, fitted: FittedModel, folders: Sequence[str]
) -> Gate | HeadGate | None:
    """Learn what the healthy scans in these workspaces look like; None without a gate."""
    if fitted.recipe.gate is None:
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
    return learned_gate(
        fitted,
        [found[each] for each in scan_ids],
        [group[each] for each in scan_ids],
        [folds.get(each, -1) for each in scan_ids],
    )
