"""Which scans train, calibrate and test in each fold of an evaluation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mriad_model.datasets.roles import (
    MIN_GROUPS,
    RoleShares,
    assign_roles,
    counts_by_share,
    cross_fitting_folds,
    drawn_order,
    grouped_folds,
    is_cross_fitted,
)
from mriad_model.detection.decisions.thresholds import (
    DEFAULT_SIGMAS,
    check_k,
    groups_needed,
    too_few_for,
)
from mriad_model.enums import PICTURES, LabelValue, Policy, Role
from mriad_model.errors import SettingsError, TooFewScans
from mriad_model.evaluation.dataset import EvaluationData
from mriad_model.evaluation.metrics.roc import turns
from mriad_model.recipes.recipe import CrossFitting, Recipe


class EvaluationProtocol(StrEnum):
    """What may see what."""

    SEED = "seed"  # memorisation: train, threshold and test are the same images
    HELDOUT = "heldout"  # train, threshold and test never share an image, a twin or a patient


def require_protocol(protocol: EvaluationProtocol, recipe: Recipe) -> None:
    """Reject the `seed` protocol for volumes (SettingsError): its notebook has pictures."""
    if protocol is EvaluationProtocol.SEED and recipe.kinds != PICTURES:
        raise SettingsError(
            f"the seed protocol is for pictures, and the recipe {recipe.name!r} for volumes; "
            "add --protocol heldout"
        )


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """How an evaluation is run. `n_folds` and `shares` mean something for `heldout` alone."""

    protocol: EvaluationProtocol
    repeats: int = 1
    n_folds: int = 5
    seed: int = 0
    policy: Policy = Policy.SIGMAS
    k: float = DEFAULT_SIGMAS
    shares: RoleShares = field(default_factory=RoleShares)
    n_pictures: int = 24  # heatmaps for the contact sheet
    # Groups of healthy scans that a fold learns from and calibrates with, at most; None: all
    most_healthy: int | None = None

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise SettingsError(f"an evaluation is run once or more, not {self.repeats} times")
        if self.most_healthy is not None and self.protocol is EvaluationProtocol.SEED:
            raise SettingsError("--healthy is for --protocol heldout: seed learns from all")

    @property
    def folds(self) -> tuple[tuple[int, int], ...]:
        """Every (repeat, fold) to run."""
        n_folds = 1 if self.protocol is EvaluationProtocol.SEED else self.n_folds
        return tuple((repeat, fold) for repeat in range(self.repeats) for fold in range(n_folds))


def require_calibration(
    plan: EvaluationPlan, cross_fitting: CrossFitting | None, n_healthy: int
) -> None:
    """Refuse a rate that some fold has too few scans to keep, of at most `n_healthy` healthy ones.

    Scans are counted as if none were a near-duplicate of another: a run may still find too few.

    Raises:
        SettingsError: k is no such rate.
        TooFewScans: they are too few.
    """
    check_k(plan.policy, plan.k)
    if plan.policy is not Policy.RATE:
        return
    most = n_healthy
    if plan.protocol is EvaluationProtocol.HELDOUT:
        rest = n_healthy - math.ceil(n_healthy / plan.n_folds)  # of the largest fold
        rest = rest if plan.most_healthy is None else min(rest, plan.most_healthy)
        if rest < sum(MIN_GROUPS.values()):
            return  # too few for any threshold, which the run says
        shares = {role: plan.shares.of(role) for role in MIN_GROUPS}
        most = counts_by_share(rest, shares, MIN_GROUPS)[Role.CALIBRATION]
        if cross_fitting is not None:
            most = max(most, min(rest, cross_fitting.below - 1))
    if most < groups_needed(plan.k):
        raise TooFewScans(too_few_for(plan.k, most))


@dataclass(frozen=True, slots=True)
class Selection:
    """Which images count, by position, and how many do not."""

    healthy: tuple[int, ...]
    abnormal: tuple[int, ...]
    n_folded_away: int  # near-duplicates of an image that counts
    n_contradictory: int  # in groups that hold healthy and abnormal images


@dataclass(frozen=True, slots=True)
class Split:
    """What each image does in one fold, by position.

    Abnormal images are tested in every fold, or, where healthy ones are of the same patient, in
    the fold that tests those; each is decided in one fold. With cross-fitting those healthy ones
    that are not tested all train and calibrate, and none validates.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    calibration: tuple[int, ...]
    test: tuple[int, ...]
    abnormal: tuple[int, ...]
    decided: tuple[int, ...]  # of the abnormal ones
    folds: Mapping[int, int] = field(default_factory=dict)  # of cross-fitting, by position


def select(data: EvaluationData, protocol: EvaluationProtocol) -> Selection:
    """The images that count: every file for `seed`, the first of each twin group for `heldout`.

    A twin group whose images have both labels is excluded. All images of a patient count.
    """
    positions = list(range(len(data)))
    contradictory = 0
    if protocol is EvaluationProtocol.HELDOUT:
        labels: dict[int, set[LabelValue]] = {}
        for twin, label in zip(data.duplicates, data.labels, strict=True):
            labels.setdefault(twin, set()).add(label)
        agreed = [i for i in positions if len(labels[data.duplicates[i]]) == 1]
        contradictory = len(positions) - len(agreed)
        first: dict[int, int] = {}
        for i in agreed:
            first.setdefault(data.duplicates[i], i)
        positions = list(first.values())
    of_label = {
        label: tuple(i for i in positions if data.labels[i] is label) for label in LabelValue
    }
    folded_away = len(data) - contradictory - len(positions)
    return Selection(
        of_label[LabelValue.HEALTHY], of_label[LabelValue.ABNORMAL], folded_away, contradictory
    )


def split(
    data: EvaluationData,
    chosen: Selection,
    plan: EvaluationPlan,
    at: tuple[int, int],
    cross_fitting: CrossFitting | None = None,
) -> Split:
    """Deal the images out for one (repeat, fold), by name and seed. Raises TooFewScans.

    The `heldout` protocol cross-fits as a training of a recipe with `cross_fitting` would.
    """
    healthy = chosen.healthy
    if plan.protocol is EvaluationProtocol.SEED:
        if len(healthy) < 2:
            raise TooFewScans(f"{len(healthy)} healthy image(s): training needs at least 2")
        return Split(healthy, (), healthy, healthy, chosen.abnormal, chosen.abnormal)
    repeat, fold = at
    names = [data.names[i] for i in healthy]
    groups = [data.groups[i] for i in healthy]
    seed = plan.seed + repeat
    by_patient = data.n_patients > 0
    folds = grouped_folds(groups, plan.n_folds, seed, names, by_patient=by_patient)
    rest = [n for n, found in enumerate(folds) if found != fold]
    order = drawn_order([groups[n] for n in rest], seed, [names[n] for n in rest])
    kept = set(order[: plan.most_healthy])
    rest = [n for n in rest if groups[n] in kept]
    test = tuple(i for i, found in zip(healthy, folds, strict=True) if found == fold)
    fold_of = dict(zip(groups, folds, strict=True))
    bound = [fold_of.get(data.groups[i]) for i in chosen.abnormal]
    turn = turns(len(bound), repeat, plan.n_folds).tolist()
    abnormal = tuple(
        i for i, own in zip(chosen.abnormal, bound, strict=True) if own in (None, fold)
    )
    decided = tuple(
        i
        for i, own, free in zip(chosen.abnormal, bound, turn, strict=True)
        if (free if own is None else own) == fold
    )
    if is_cross_fitted(cross_fitting, len({groups[n] for n in rest})):
        items, of_rest = tuple(healthy[n] for n in rest), [groups[n] for n in rest]
        before, keys = [None] * len(rest), [names[n] for n in rest]
        inner = cross_fitting_folds(of_rest, before, cross_fitting.folds, seed, keys)
        of_item = dict(zip(items, inner, strict=True))
        return Split(items, (), items, test, abnormal, decided, of_item)
    roles = assign_roles(
        [groups[n] for n in rest],
        plan.shares,
        seed,
        [names[n] for n in rest],
        by_patient=by_patient,
    )
    of_role = {
        role: tuple(healthy[n] for n, given in zip(rest, roles, strict=True) if given is role)
        for role in (Role.TRAIN, Role.VALIDATION, Role.CALIBRATION)
    }
    return Split(
        of_role[Role.TRAIN],
        of_role[Role.VALIDATION],
        of_role[Role.CALIBRATION],
        test,
        abnormal,
        decided,
    )
