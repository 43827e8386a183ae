"""Whether the healthy pool has grown enough to train again. Without the workflow engine."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from db.repository.intake.labels import healthy_pool
from db.repository.intake.rejections import rejected_files
from db.repository.intake.sightings import FileKey, known_files
from db.repository.training.comparisons import comparisons
from db.repository.training.models import (
    dataset_roles,
    handed_down_scans,
    model_by_id,
    threshold_by_id,
)
from mriad_model.detection.decisions.compatibility import incompatibility
from mriad_model.enums import RejectionReason, Role
from mriad_model.paths import recorded_path
from mriad_model.promotion.growth import Growth, GrowthCriteria
from mriad_model.readers.folders import list_files
from mriad_model.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class GrowthCheck:
    """Whether the pool has grown enough, and the same in words."""

    due: bool
    growth: Growth
    text: str


def growth_of_pool(
    engine: Engine, model_id: int, recipe: str, criteria: GrowthCriteria
) -> GrowthCheck:
    """Compare the healthy pool with what the active model, and its candidates, were made of.

    Candidates count too, or one that was rejected would be trained again of the same scans every
    night. `recipe` is the active model's, as JSON: scans of another kind do not count.
    """
    tried = [each.candidate_threshold_id for each in comparisons(engine)]
    model_ids = {threshold_by_id(engine, each).model_id for each in tried}
    before: set[int] = set()
    for each in model_ids | {model_id}:
        roles = dataset_roles(engine, model_by_id(engine, each).dataset_id)
        before |= {i for i, role in roles.items() if role is not Role.LABELLED_ABNORMAL}
    active = Recipe.from_json(recipe)
    handed_down = handed_down_scans(engine, model_id)
    pool = {
        each.id
        for each in healthy_pool(engine)
        if incompatibility(active, each.scan.kind, each.scan.contrast) is None
    }
    growth = Growth(n_before=len(before), n_new=len(pool - before - handed_down))
    return GrowthCheck(growth.reaches(criteria), growth, growth.text(criteria))


def holds_new_files(engine: Engine, home: Path, folder: Path) -> bool:
    """Whether a file in a folder was not read in its present state, or could not be read yet."""
    return _known_files(engine, home, folder)[1]


def awaits_labels(engine: Engine, home: Path, folder: Path) -> bool:
    """Whether a file in a folder may be a healthy scan that is not yet labelled so."""
    known, holds_new = _known_files(engine, home, folder)
    pool = {each.id for each in healthy_pool(engine)}
    return holds_new or not {scan_id for ids in known.values() for scan_id in ids} <= pool


def _known_files(
    engine: Engine, home: Path, folder: Path
) -> tuple[dict[FileKey, tuple[int, ...]], bool]:
    """The scans of files that were read in their present state; whether others were not."""
    keys = [
        FileKey(recorded_path(each.path, home), each.size, each.mtime_ns, each.inode, each.ctime_ns)
        for each in list_files(folder)
    ]
    known = known_files(engine, keys)
    rejected = rejected_files(engine, [key for key in keys if key not in known])
    holds_new = any(
        key not in known
        and (key not in rejected or rejected[key].reason is RejectionReason.UNREADABLE)
        for key in keys
    )
    return known, holds_new
