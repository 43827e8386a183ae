"""Retraining on growth: whether it is time, who does what, and which model is to decide."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from db.entities import Comparison, Threshold
from db.repository.comparisons import append_comparison
from db.repository.labels import labelled
from db.repository.models import (
    current_threshold,
    dataset_groups,
    dataset_roles,
    freeze_dataset,
    model_by_id,
    threshold_by_id,
)
from db.repository.scans import scans_by_id
from db.repository.scores import calibration_scores
from db.timestamps import now
from mriad_model.detection.compatibility import incompatibility
from mriad_model.enums import LabelSource, LabelValue, Policy, Role
from mriad_model.errors import ThresholdUndefined
from mriad_model.promotion.comparison import (
    ModelScores,
    Outcome,
    PromotionCriteria,
    compare,
    one_of_each,
    verdicts_left_out,
)
from mriad_model.promotion.growth import HELD_OUT, Marks, roles_after_growth
from mriad_model.recipes import Recipe
from tasks.runtime.connections import database
from tasks.scoring.selection import ActiveModel
from tasks.training.compare_models import ComparedScans
from tasks.training.duplicates import grouped
from tasks.training.growth import GrowthCheck, growth_of_pool
from tasks.training.train import FrozenDataset, frozen_dataset

MOST_COMPARISON_SCANS = 300  # healthy scans, and as many abnormal ones


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """What a candidate is made of, and the scans that neither model learns from."""

    dataset: FrozenDataset
    comparison_dataset_id: int  # the dataset of those
    healthy: list[tuple[int, int]]  # (scan id, slices), one a group of twins
    abnormal: list[tuple[int, int]]
    anything_new: bool  # or the candidate would be the current model again
    policy: Policy  # of the current threshold; the candidate's is drawn alike
    k: float


@dataclass(frozen=True, slots=True)
class PromotionResult:
    """How a comparison came out, as recorded."""

    comparison_id: int
    promoted: bool
    reason: str


@task(name="measure-growth", cache_policy=NO_CACHE)
def measure_growth(home: str, current: ActiveModel, marks: Marks) -> GrowthCheck:
    """Compare the healthy pool with what the current model, and its candidates, were made of."""
    return growth_of_pool(database(home), current.model_id, current.recipe, marks)


@task(name="deal-roles", cache_policy=NO_CACHE)
def deal_roles(
    home: str, run_id: int, current: ActiveModel, seed: int, folder: str
) -> ComparisonPlan:
    """Freeze the candidate's dataset, and the comparison scans.

    Twins and patients are found among all that the current model was made of, the healthy pool
    and the abnormal scans, so that no comparison scan has a twin among what either model learns
    from. A scan whose file has vanished can have no new twin.
    """
    engine, recipe = database(home), Recipe.from_json(current.recipe)
    taught_by = model_by_id(engine, current.model_id).dataset_id
    before = dataset_roles(engine, taught_by)
    line = threshold_by_id(engine, current.threshold_id)
    said = {each.id: each.label for each in labelled(engine)}
    labels = {scan_id: label.value for scan_id, label in said.items()}
    reviewed = {i for i, label in said.items() if label.source is LabelSource.REVIEWER}
    scans = scans_by_id(engine, labels.keys() | before.keys())
    scans = {
        i: scan
        for i, scan in sorted(scans.items())
        if incompatibility(recipe, scan.kind, scan.contrast) is None
    }
    found = grouped(home, run_id, scans, recipe, Path(folder))
    healthy = [labels.get(each) is LabelValue.HEALTHY for each in found.scan_ids]
    roles = roles_after_growth(
        found.groups,
        [before.get(each) for each in found.scan_ids],
        healthy,
        [well and each in reviewed for each, well in zip(found.scan_ids, healthy, strict=True)],
        seed,
        found.keys,
    )
    everyone = list(zip(found.scan_ids, roles, found.groups, strict=True))
    members = [each for each, well in zip(everyone, healthy, strict=True) if well]
    chosen = {
        value: _comparison_scans(
            [
                (member, key)
                for member, key in zip(everyone, found.keys, strict=True)
                if labels.get(member[0]) is value
            ]
        )
        for value in LabelValue
    }
    comparison_scans = [*chosen[LabelValue.HEALTHY], *chosen[LabelValue.ABNORMAL]]
    dataset = frozen_dataset(home, run_id, members, scans)
    return ComparisonPlan(
        dataset=dataset,
        comparison_dataset_id=freeze_dataset(engine, comparison_scans, run_id),
        healthy=[(i, scans[i].n_slices) for i, _, _ in chosen[LabelValue.HEALTHY]],
        abnormal=[(i, scans[i].n_slices) for i, _, _ in chosen[LabelValue.ABNORMAL]],
        anything_new=dataset.id != taught_by,
        policy=line.policy,
        k=line.k,
    )


def _comparison_scans(
    members: list[tuple[tuple[int, Role, int], str]],
) -> list[tuple[int, Role, int]]:
    """One scan of each group that no model learns from."""
    held_out = [each for each in members if each[0][1] in HELD_OUT]
    groups, keys = [m[2] for m, _ in held_out], [key for _, key in held_out]
    places = one_of_each(groups, keys, MOST_COMPARISON_SCANS)
    return [held_out[place][0] for place in places]


@task(name="decide-promotion", cache_policy=NO_CACHE)
def decide_promotion(
    home: str,
    run_id: int,
    current: ActiveModel,
    candidate_threshold_id: int,
    trial: ComparisonPlan,
    compared: ComparedScans,
    terms: PromotionCriteria,
    *,
    force: bool,
) -> PromotionResult:
    """Compare the two models, and append how it came out. Nothing is activated here."""
    engine = database(home)
    groups = dataset_groups(engine, trial.dataset.id)
    candidate = threshold_by_id(engine, candidate_threshold_id)
    try:
        sides = (
            side_of(home, threshold_by_id(engine, current.threshold_id), groups, compared),
            side_of(home, candidate, groups, compared),
        )
        outcome = compare(*sides, terms)
    except ThresholdUndefined as error:
        outcome = Outcome(
            promoted=False,
            too_few=True,
            reason=f"refused: too few calibration scans to compare by: {error}",
            figures={"n_healthy": len(compared.healthy)},
        )
    promoted, reason = outcome.promoted, outcome.reason
    if outcome.too_few and force:
        promoted, reason = True, f"promoted because it was forced, otherwise {reason}"
    active = current_threshold(engine)
    if promoted and (active is None or active.threshold.id != current.threshold_id):
        promoted, reason = False, f"refused: another threshold was activated meanwhile ({reason})"
    comparison_id = append_comparison(
        engine,
        Comparison(
            current_threshold_id=current.threshold_id,
            candidate_threshold_id=candidate_threshold_id,
            dataset_id=trial.comparison_dataset_id,
            promoted=int(promoted),
            reason=reason,
            figures=json.dumps({**outcome.figures, "forced": force}, sort_keys=True),
            run_id=run_id,
            created_at=now(),
        ),
    )
    return PromotionResult(comparison_id, promoted, reason)


def side_of(
    home: str, threshold: Threshold, groups: dict[int, int], compared: ComparedScans
) -> ModelScores:
    """What a model and its threshold say of the comparison scans."""
    stored = calibration_scores(database(home), threshold.model_id, threshold.dataset_id)
    calibration = {each.scan_id: each.value for each in stored}
    scores = compared.scores[threshold.model_id]
    said = verdicts_left_out(
        dict(zip(compared.healthy, scores.healthy, strict=True)),
        calibration,
        {i: -i for i in calibration} | groups,  # of what is healthy no more no group is known
        threshold.policy,
        threshold.k,
    )
    implanted = np.array(scores.implanted).reshape(len(compared.healthy), -1)
    return ModelScores(
        healthy=np.array(scores.healthy),
        implanted=implanted,
        abnormal=np.array(scores.abnormal),
        flagged=np.array([said[each] for each in compared.healthy], np.bool_),
        caught=implanted > threshold.value,
    )
