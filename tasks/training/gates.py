"""The gate of a model in training, from the healthy scans that it learns from."""

from collections.abc import Sequence
from pathlib import Path

from db.repository.intake.scans import scans_by_id
from db.repository.training.models import dataset_folds, dataset_groups
from mriad_model.detection.decisions.gate import Gate
from mriad_model.detection.decisions.head_gate import HeadGate
from mriad_model.detection.learned_gate import learned_gate, unlike_among_learned
from mriad_model.detection.model import FittedModel
from mriad_model.preprocessing.slices import SliceBatch
from tasks.runtime.connections import database
from tasks.runtime.workspace import Workspace
from tasks.scoring.preprocess import load_prepared


def gate_of(
    home: str, dataset_id: int, fitted: FittedModel, folders: Sequence[str]
) -> Gate | HeadGate | None:
    """Learn what the healthy scans in these workspaces look like; None without a gate."""
    if fitted.recipe.gate is None:
        return None
    scan_ids, slices, groups = _learned(home, dataset_id, folders)
    folds = dataset_folds(database(home), dataset_id)
    return learned_gate(fitted, slices, groups, [folds.get(each, -1) for each in scan_ids])


def unlike_learned(
    home: str, dataset_id: int, fitted: FittedModel, folders: Sequence[str]
) -> list[int]:
    """Of the scans in these workspaces, all that the gate was learned from, those unlike the rest.

    Those of folds are left to their scores: the record has what the gate says of them.
    """
    if fitted.gate is None or dataset_folds(database(home), dataset_id):
        return []
    scan_ids, slices, groups = _learned(home, dataset_id, folders)
    return [scan_ids[place] for place in unlike_among_learned(fitted, slices, groups)]


def _learned(
    home: str, dataset_id: int, folders: Sequence[str]
) -> tuple[list[int], list[SliceBatch], list[int]]:
    """Scans, their slices and groups, in the order of their content, not of their arrival."""
    found = {
        each.scan_id: each.slices.batch
        for folder in folders
        for each in load_prepared(Workspace(Path(folder)))
    }
    engine = database(home)
    group, scans = dataset_groups(engine, dataset_id), scans_by_id(engine, found)
    scan_ids = sorted(found, key=lambda each: scans[each].sha256)
    return scan_ids, [found[each] for each in scan_ids], [group[each] for each in scan_ids]
