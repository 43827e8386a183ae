"""Cross-fitting: which fold a healthy scan is in, and what each member of a model learns."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sqlalchemy import Engine

from db.entities import Scan
from db.repository.intake.scans import scans_by_id
from db.repository.training.models import dataset_groups, learned_scans, model_folds
from mriad_model.datasets.roles import cross_fitting_folds, fold_parts
from mriad_model.preprocessing.scan_slices import training_slices
from mriad_model.preprocessing.slices import SliceBatch, joined
from mriad_model.recipes.recipe import CrossFitting, Recipe
from tasks.runtime.connections import database
from tasks.runtime.workspace import Workspace
from tasks.scoring.preprocess import load_prepared
from tasks.training.duplicates import Grouped


def folds_of(
    found: Grouped, recipe: Recipe, seed: int, before: Mapping[int, int] | None = None
) -> dict[int, int]:
    """A fold for each scan; a group keeps the one it had `before`. The recipe has folds."""
    how = recipe.cross_fitting or CrossFitting()
    kept = [(before or {}).get(scan_id) for scan_id in found.scan_ids]
    folds = cross_fitting_folds(found.groups, kept, how.folds, seed, found.keys)
    return dict(zip(found.scan_ids, folds, strict=True))


def fold_slices(
    home: str,
    dataset_id: int,
    folds: Mapping[int, int],
    folders: Sequence[str],
    recipe: Recipe,
) -> list[tuple[SliceBatch, SliceBatch]]:
    """The slices that each member learns from, none of its fold, and those held out from it."""
    how = recipe.cross_fitting or CrossFitting()
    engine = database(home)
    groups = dataset_groups(engine, dataset_id)
    prepared = {
        each.scan_id: training_slices(each.slices, recipe)
        for folder in folders
        for each in load_prepared(Workspace(Path(folder)))
    }
    hashes = {i: scan.sha256 for i, scan in scans_by_id(engine, prepared).items()}
    # In the order of their content: what is learned does not depend on which was met first.
    scan_ids = sorted(prepared, key=hashes.__getitem__)
    parts = []
    for fold in range(how.folds):
        train, held_out = (
            joined([prepared[scan_ids[place]] for place in places])
            for places in fold_parts(
                [groups[i] for i in scan_ids],
                [folds.get(i) for i in scan_ids],
                fold,
                recipe,
                [hashes[i] for i in scan_ids],
            )
        )
        parts.append((train, held_out))
    return parts


def unseen(
    engine: Engine, model_id: int, scan_ids: Iterable[int], groups: Mapping[int, int]
) -> set[int]:
    """Of scans, those that a model, or a member of it, can score without having seen their like.

    From their group and patient it learned nothing, or no more than their own fold, which one
    member did not learn. `groups` may be of more scans, or of fewer.
    """
    folds, wanted = model_folds(engine, model_id), set(scan_ids)
    learned = learned_scans(engine, model_id)
    scans = scans_by_id(engine, wanted | learned)
    seen: dict[tuple[str, object], set[int | None]] = {}
    for scan_id in learned:
        for mark in _marks(scan_id, groups, scans):
            seen.setdefault(mark, set()).add(folds.get(scan_id))
    found = set()
    for scan_id in wanted:
        met = {f for mark in _marks(scan_id, groups, scans) for f in seen.get(mark, set())}
        if not met or (scan_id in folds and met == {folds[scan_id]}):
            found.add(scan_id)
    return found


def _marks(
    scan_id: int, groups: Mapping[int, int], scans: Mapping[int, Scan]
) -> list[tuple[str, object]]:
    """What makes scans alike: the scan itself, its group, its patient."""
    marks: list[tuple[str, object]] = [("scan", scan_id)]
    if scan_id in groups:
        marks.append(("group", groups[scan_id]))
    patient = scans[scan_id].patient if scan_id in scans else None
    return marks if patient is None else [*marks, ("patient", patient)]
