"""Whether the healthy pool has grown enough to train again. Without the workflow engine."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from db.repository.intake.labels import healthy_pool
from db.repository.training.comparisons import comparisons
from db.repository.training.models import (
    dataset_roles,
    handed_down_scans,
    model_by_id,
    threshold_by_id,
)
from mriad_model.detection.decisions.compatibility import incompatibility
from mriad_model.enums import Role
from mriad_model.promotion.growth import Growth, GrowthCriteria
from mriad_model.readers.folders import list_files
from mriad_model.recipes.recipe import Recipe
from tasks.intake.known_files import look_up


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
    return bool(look_up(engine, home, list_files(folder)).new)


def awaits_labels(engine: Engine, home: Path, folder: Path) -> bool:
    """Whether a file in a folder may be a healthy scan that is not yet labelled so."""
    listed = look_up(engine, home, list_files(folder))
    pool = {each.id for each in healthy_pool(engine)}
    return bool(listed.new) or not {i for ids in listed.scans.values() for i in ids} <= pool
