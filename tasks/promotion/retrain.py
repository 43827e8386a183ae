"""Retraining on growth: whether the pool has grown enough, roles, and which model is promoted."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from db.entities import Comparison, Label, Scan, Threshold
from db.repository.intake.labels import labelled
from db.repository.intake.scans import scans_by_id
from db.repository.training.comparisons import append_comparison
from db.repository.training.models import (
    Member,
    current_threshold,
    dataset_folds,
    dataset_groups,
    dataset_roles,
    freeze_dataset,
    handed_down_scans,
    model_by_id,
    threshold_by_id,
)
from db.timestamps import now
from mriad_model.detection.decisions.compatibility import incompatibility
from mriad_model.enums import LabelSource, LabelValue, Policy, Role
from mriad_model.errors import ThresholdUndefined
from mriad_model.promotion.comparison import (
    ComparisonOutcome,
    ModelScores,
    PromotionCriteria,
    compare,
    one_of_each,
    verdicts_left_out,
)
from mriad_model.promotion.growth import (
    HELD_OUT,
    GrowthCriteria,
    folds_after_growth,
    roles_after_growth,
)
from mriad_model.recipes.recipe import Recipe
from tasks.promotion.compare_models import ComparedScans
from tasks.promotion.growth import GrowthCheck, growth_of_pool
from tasks.runtime.connections import database
from tasks.scoring.calibration_scores import calibration_of
from tasks.scoring.selection import ActiveModel
from tasks.training.cross_fitting import unseen
from tasks.training.duplicates import grouped
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
    from_model_id: int | None  # that the current model was adapted from; so is the candidate
    policy: Policy  # of the current threshold; the candidate's is drawn alike
    k: float


@dataclass(frozen=True, slots=True)
class PromotionResult:
    """How a comparison came out, as recorded."""

    comparison_id: int
    promoted: bool
    reason: str


@task(name="measure-growth", cache_policy=NO_CACHE)
def measure_growth(home: str, current: ActiveModel, criteria: GrowthCriteria) -> GrowthCheck:
    """Compare the healthy pool with what the current model, and its candidates, were made of."""
    return growth_of_pool(database(home), current.model_id, current.recipe, criteria)


@task(name="deal-roles", cache_policy=NO_CACHE)
def deal_roles(
    home: str, run_id: int, current: ActiveModel, seed: int, folder: str
) -> ComparisonPlan:
    """Freeze the candidate's dataset, and the comparison scans.

    Where the current model is cross-fitted, so is the candidate, whatever the pool's size.
    Near-duplicates and patients are grouped over the current dataset, the healthy pool and the
    abnormal scans, so that no model learns from a near-duplicate of a comparison scan.
    """
    engine, recipe = database(home), Recipe.from_json(current.recipe)
    own_model = model_by_id(engine, current.model_id)
    own_dataset_id = own_model.dataset_id
    before = dataset_roles(engine, own_dataset_id)
    own_folds = dataset_folds(engine, own_dataset_id)
    threshold = threshold_by_id(engine, current.threshold_id)
    labels = {each.id: each.label for each in labelled(engine)}
    scans = {
        i: scan
        for i, scan in sorted(scans_by_id(engine, labels.keys() | before.keys()).items())
        if incompatibility(recipe, scan.kind, scan.contrast) is None
    }
    other = handed_down_scans(engine, current.model_id) - before.keys()
    scans |= scans_by_id(engine, other)
    found = grouped(home, run_id, scans, recipe, Path(folder)).without_groups_of(other)
    given = [labels.get(each) for each in found.scan_ids]
    healthy = [each is not None and each.value is LabelValue.HEALTHY for each in given]
    reviewed = [
        well and label is not None and label.source is LabelSource.REVIEWER
        for label, well in zip(given, healthy, strict=True)
    ]
    # A group of labelled abnormal scans has been learned: it trains, and compares nothing.
    own = [
        Role.TRAIN if before.get(i) is Role.LABELLED_ABNORMAL else before.get(i)
        for i in found.scan_ids
    ]
    folds = dict[int, int]()
    if own_folds and recipe.cross_fitting is not None:
        roles, dealt = folds_after_growth(
            found.groups,
            [(role, own_folds.get(i)) for role, i in zip(own, found.scan_ids, strict=True)],
            healthy,
            reviewed,
            recipe.cross_fitting.folds,
            seed,
            found.keys,
        )
        folds = {
            i: fold
            for i, fold, well in zip(found.scan_ids, dealt, healthy, strict=True)
            if well and fold is not None
        }
    else:
        roles = roles_after_growth(found.groups, own, healthy, reviewed, seed, found.keys)
    everyone = list(zip(found.scan_ids, roles, found.groups, strict=True))
    members = [each for each, well in zip(everyone, healthy, strict=True) if well]
    members += [
        (i, Role.LABELLED_ABNORMAL, group)
        for i, _, group in everyone
        if before.get(i) is Role.LABELLED_ABNORMAL and _is_abnormal(labels.get(i))
    ]
    abnormal = [each for each in everyone if _is_abnormal(labels.get(each[0]))]
    groups = dict(zip(found.scan_ids, found.groups, strict=True))
    free = unseen(engine, current.model_id, folds, groups)
    to_compare = [_comparison_scans(each, scans, free) for each in (members, abnormal)]
    dataset = frozen_dataset(home, run_id, members, scans, folds)
    slices = [[(i, scans[i].n_slices) for i, _, _ in each] for each in to_compare]
    return ComparisonPlan(
        dataset=dataset,
        comparison_dataset_id=freeze_dataset(
            engine, [*to_compare[0], *to_compare[1]], run_id, folds
        ),
        healthy=slices[0],
        abnormal=slices[1],
        anything_new=dataset.id != own_dataset_id,
        from_model_id=own_model.from_model_id,
        policy=threshold.policy,
        k=threshold.k,
    )


def _is_abnormal(label: Label | None) -> bool:
    return label is not None and label.value is LabelValue.ABNORMAL


def _comparison_scans(
    members: list[Member], scans: dict[int, Scan], out_of_fold: set[int]
) -> list[Member]:
    """One scan of each group that no model learns from, or of each of both models one member."""
    held_out = [each for each in members if each[1] in HELD_OUT or each[0] in out_of_fold]
    keys = [scans[i].sha256 for i, _, _ in held_out]
    places = one_of_each([group for _, _, group in held_out], keys, MOST_COMPARISON_SCANS)
    return [held_out[place] for place in places]


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
        outcome = ComparisonOutcome(
            promoted=False,
            too_few=True,
            reason=f"not promoted: too few calibration scans to compare by: {error}",
            figures={"n_healthy": len(compared.healthy)},
        )
    promoted, reason = outcome.promoted, outcome.reason
    if outcome.too_few and force:
        promoted, reason = True, f"promoted because it was forced, otherwise {reason}"
    active = current_threshold(engine)
    if promoted and (active is None or active.threshold.id != current.threshold_id):
        promoted = False
        reason = f"not promoted: another threshold was activated meanwhile ({reason})"
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
    """A model's scores of the comparison scans, and which of them it flags.

    A healthy scan that is not scorable counts as flagged: it is no longer decided to be normal.
    """
    stored = calibration_of(database(home), threshold.model_id, threshold.dataset_id)
    calibration = {each.scan_id: each.value for each in stored.scores}
    scores = compared.scores[threshold.model_id]
    flagged = verdicts_left_out(
        dict(zip(compared.healthy, scores.healthy, strict=True)),
        calibration,
        {i: -i for i in calibration} | groups,  # a scan no longer healthy has no group
        threshold.policy,
        threshold.k,
        counted=None
        if stored.groups is None
        else dict(zip(calibration, stored.groups, strict=True)),
    )
    implanted = np.array(scores.implanted).reshape(len(compared.healthy), -1)
    not_scorable = np.array(scores.not_scorable, np.bool_).reshape(implanted.shape)
    return ModelScores(
        healthy=np.array(scores.healthy),
        implanted=implanted,
        abnormal=np.array(scores.abnormal),
        flagged=np.array(
            [
                flagged[each] or unlike
                for each, unlike in zip(compared.healthy, scores.healthy_not_scorable, strict=True)
            ],
            np.bool_,
        ),
        caught=(implanted > threshold.value) & ~not_scorable,
    )
