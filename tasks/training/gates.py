"""The gate of a model in training, from the healthy scans that it learns from."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from db.repository.intake.scans import scans_by_id
from db.repository.training.models import dataset_folds, dataset_groups
from mriad_model.detection.training.fit_progress import HeadsLaid
from mriad_model.preprocessing.slices import SliceBatch
from tasks.runtime.connections import database
from tasks.runtime.progress import tell
from tasks.runtime.workspace import Workspace
from tasks.scoring.preprocess import load_prepared

if TYPE_CHECKING:
    from mriad_model.detection.model import FittedModel


def with_gate(
    home: str, dataset_id: int, fitted: "FittedModel", folders: Sequence[str]
) -> "tuple[FittedModel, list[int]]":
    """The model with a gate learned from the healthy scans in these workspaces, if it has one.

    And of these scans those that are not scorable beside the rest; none of folds, for the record
    has what the gate says of them.
    """
    if fitted.recipe.gate is None:
        return fitted, []
    from mriad_model.detection.learned_gate import (  # noqa: PLC0415 - torch
        learned_gate,
        unlike_among_learned,
    )

    tell("learning the gate", 0, 0)
    scan_ids, slices, groups = _learned(home, dataset_id, folders)
    folds = dataset_folds(database(home), dataset_id)
    in_folds = [folds.get(each, -1) for each in scan_ids]
    gate = learned_gate(fitted, slices, groups, in_folds, _tell("learning the gate"))
    fitted = replace(fitted, gate=gate)
    if folds:
        return fitted, []
    unlike = unlike_among_learned(fitted, slices, groups, _tell("looking for unlike scans"))
    return fitted, [scan_ids[place] for place in unlike]


def _tell(step: str) -> Callable[[HeadsLaid], None]:
    return lambda laid: tell(step, laid.number, laid.of, unit="heads")


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
