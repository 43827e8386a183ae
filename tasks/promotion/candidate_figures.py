"""Figures of a model just trained and of the active one, on scans that neither learned from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine

from db.entities import Threshold
from db.repository.intake.labels import LabelledScan, labelled
from db.repository.intake.scans import scans_by_id
from db.repository.training.models import (
    CurrentThreshold,
    current_threshold,
    dataset_groups,
    learned_scans,
    model_by_id,
    threshold_by_id,
)
from mriad_model.detection.decisions.compatibility import incompatibility
from mriad_model.enums import LEARNED_ROLES, LabelValue, Role
from mriad_model.errors import ModelFileError, ThresholdUndefined
from mriad_model.promotion.comparison import one_of_each, points, points_text
from mriad_model.recipes.recipe import Recipe
from tasks.promotion.compare_models import score_comparison_scans
from tasks.promotion.retrain import side_of
from tasks.runtime.connections import database
from tasks.training.cross_fitting import unseen
from tasks.training.train import FrozenDataset

MOST_SCANS = 50  # healthy, and as many abnormal; a healthy one is scored with every lesion too


@dataclass(frozen=True, slots=True)
class CandidateFigures:
    """The figures of a new model, and those of the active one on the same scans."""

    text: str  # one plain sentence
    model: dict[str, Any] | None = None  # see `mriad_model.promotion.comparison.points`
    active: dict[str, Any] | None = None
    active_model_id: int | None = None

    def as_counts(self) -> dict[str, int | float | str]:
        """The figures, flat, as the run's row keeps them."""
        return {
            f"{name}_{figure}": value
            for name, side in (("compared", self.model), ("active_compared", self.active))
            for figure, value in (side or {}).items()
            if value is not None
        }


@task(name="compare-candidate", cache_policy=NO_CACHE)
def compare_candidate(
    home: str, run_id: int, dataset: FrozenDataset, threshold_id: int, folder: str, device: str
) -> CandidateFigures:
    """Score scans that neither model learned from, as they are and with lesions implanted.

    The scans are the new dataset's calibration scans, one of each group of twins, and scans
    labelled abnormal; of a patient from whom either learned, none. `folder` is for scratch.
    """
    engine = database(home)
    threshold = threshold_by_id(engine, threshold_id)
    current, why = _comparable(engine, threshold.model_id)
    groups = dataset_groups(engine, dataset.id)
    learned = _learned(engine, dataset, current)
    healthy = _healthy(engine, dataset, groups, threshold, current)
    if current is not None and not healthy:
        why = f"; not compared with the active model {current.model.id}, which learned from these"
        current, learned = None, _learned(engine, dataset, None)
        healthy = _healthy(engine, dataset, groups, threshold, None)
    recipe = Recipe.from_json(model_by_id(engine, threshold.model_id).recipe)
    abnormal = _abnormal(engine, recipe, learned)
    lines = [threshold] if current is None else [current.threshold, threshold]
    models = [each.model_id for each in lines]
    try:
        compared = score_comparison_scans.fn(
            home, run_id, models, healthy, abnormal, folder, device, keep=False
        )
        if not compared.healthy:
            return CandidateFigures("no healthy scan could be read to compare by")
        sides = [points(side_of(home, each, groups, compared)) for each in lines]
    except (ModelFileError, ThresholdUndefined) as error:
        return CandidateFigures(not_compared(current is not None, why, error))
    return CandidateFigures(
        text=points_text(sides[-1], sides[0] if current else None) + why,
        model=sides[-1],
        active=sides[0] if current else None,
        active_model_id=current.model.id if current else None,
    )


def not_compared(active: bool, why: str, error: Exception) -> str:
    """Why there are no figures: the error, or `why` no active model could be compared."""
    if not active:
        return why.removeprefix("; ") or "no model was active to compare with"
    if isinstance(error, ThresholdUndefined):
        error = ThresholdUndefined(f"each scan is judged by the others alone: {error}")
    return f"not compared with the active model: {error}"


def _learned(engine: Engine, dataset: FrozenDataset, current: CurrentThreshold | None) -> set[int]:
    """The scans that the new model, or the active one, learned from."""
    before = learned_scans(engine, current.threshold.model_id) if current else set()
    return {i for role in LEARNED_ROLES for i, _ in dataset.scans[role]} | before


def _comparable(engine: Engine, model_id: int) -> tuple[CurrentThreshold | None, str]:
    """What is active, if the new model can be compared with it; else why not."""
    current = current_threshold(engine)
    if current is None or current.model.id == model_id:
        return None, ""
    kinds = [
        Recipe.from_json(recipe).kind_in_words
        for recipe in (current.model.recipe, model_by_id(engine, model_id).recipe)
    ]
    if kinds[0] != kinds[1]:
        return None, f"; the active model {current.model.id} is for {kinds[0]}, this for {kinds[1]}"
    return current, ""


def _healthy(
    engine: Engine,
    dataset: FrozenDataset,
    groups: dict[int, int],
    threshold: Threshold,
    current: CurrentThreshold | None,
) -> list[tuple[int, int]]:
    """(scan id, slices) of calibration scans from whose group and patient nothing was learned."""
    members = {i: n for role in Role for i, n in dataset.scans[role]}
    free = unseen(engine, threshold.model_id, dataset.calibration, groups)
    if current is not None:
        free &= unseen(engine, current.model.id or 0, free, groups)
    scans, ids = scans_by_id(engine, free), sorted(free)
    places = one_of_each([groups[i] for i in ids], [scans[i].sha256 for i in ids], MOST_SCANS)
    return [(ids[place], members[ids[place]]) for place in places]


def _abnormal(engine: Engine, recipe: Recipe, learned: set[int]) -> list[tuple[int, int]]:
    """(scan id, slices) of scans labelled abnormal that are of the model's kind."""
    patients = {s.patient for s in scans_by_id(engine, learned).values()} - {None}
    abnormal: Sequence[LabelledScan] = [
        each
        for each in labelled(engine)
        if each.label.value is LabelValue.ABNORMAL
        and each.id not in learned
        and each.scan.patient not in patients
        and incompatibility(recipe, each.scan.kind, each.scan.contrast, each.scan.grid) is None
    ]
    chosen = sorted(abnormal, key=lambda each: each.scan.sha256)[:MOST_SCANS]
    return [(each.id, each.scan.n_slices) for each in chosen]
