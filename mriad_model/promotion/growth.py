"""When the healthy pool has grown enough to train again, and the roles of scans then.

Models are compared on scans that neither was trained on. So a group of twins, or of one patient's
scans, keeps its role for good, the one closest to training where it had several; new groups are
dealt a role. The comparison scans are then those of calibration or test.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mriad_model.datasets.roles import counts_by_share, cross_fitting_folds, drawn_order
from mriad_model.enums import Role

CLOSEST_TO_TRAINING_FIRST = (Role.TRAIN, Role.VALIDATION, Role.CALIBRATION, Role.TEST)
HELD_OUT = (Role.CALIBRATION, Role.TEST)
SHARES = {Role.TRAIN: 0.5, Role.VALIDATION: 0.1, Role.CALIBRATION: 0.2, Role.TEST: 0.2}
"""Of the groups that are all new. Four in ten are held out: growth comes in tens."""


@dataclass(frozen=True, slots=True)
class GrowthCriteria:
    """How much the healthy pool must grow before a model is trained again: both."""

    share: float = 0.2  # of the scans that trainings have had so far
    number: int = 20

    def needed(self, n_before: int) -> int:
        """How many new scans are needed after so many."""
        return max(self.number, math.ceil(self.share * n_before))


@dataclass(frozen=True, slots=True)
class Growth:
    """How the healthy pool has grown. Counts are of scans."""

    n_before: int  # that the current model, or a candidate of it, was made of
    n_new: int  # healthy, of the kind that the model judges, and not among those

    def reaches(self, criteria: GrowthCriteria) -> bool:
        """Whether it has grown enough."""
        return self.n_new >= criteria.needed(self.n_before)

    def text(self, criteria: GrowthCriteria) -> str:
        """The growth and what is needed, in words."""
        needed = criteria.needed(self.n_before)
        scans = "scan" if self.n_new == 1 else "scans"
        return f"{self.n_new} new healthy {scans} beside {self.n_before}; {needed} are needed"


def roles_after_growth(
    groups: Sequence[int],
    before: Sequence[Role | None],
    healthy: Sequence[bool],
    reviewed: Sequence[bool],
    seed: int,
    keys: Sequence[str],
) -> list[Role]:
    """A role for each scan, the same for all of a group (twins, scans of one patient).

    `before` is a scan's role in the current model's dataset. A group without `healthy` scans and
    without a role is test. New groups with a scan that a reviewer called healthy (`reviewed`) are
    for training alone: reviewers see flagged scans, which score high. `keys` are content SHA-256,
    for the draw among new groups by the seed.
    """
    found: dict[int, Role] = {}
    for group, role in zip(groups, before, strict=True):
        if role is not None:
            found[group] = min(found.get(group, role), role, key=CLOSEST_TO_TRAINING_FIRST.index)
    new = {g for g, well in zip(groups, healthy, strict=True) if well and g not in found}
    chosen = {g for g, seen in zip(groups, reviewed, strict=True) if seen} & new
    found |= dict.fromkeys(chosen, Role.TRAIN)
    new -= chosen
    order = [group for group in drawn_order(groups, seed, keys) if group in new]
    counts = counts_by_share(len(order), SHARES, {Role.TRAIN: min(1, len(order))})
    roles = [role for role, count in counts.items() for _ in range(count)]
    found |= dict(zip(order, roles, strict=True))
    return [found.get(group, Role.TEST) for group in groups]


def folds_after_growth(
    groups: Sequence[int],
    before: Sequence[tuple[Role | None, int | None]],
    healthy: Sequence[bool],
    reviewed: Sequence[bool],
    n_folds: int,
    seed: int,
    keys: Sequence[str],
) -> tuple[list[Role], list[int | None]]:
    """A role and a fold for each scan where the current model is cross-fitted.

    A group keeps its fold for good, so that of both models the member without it can be compared.
    One that trained in no fold, and a new one with a scan that a reviewer called healthy, trains
    all members. `before` is a scan's role and fold in the current model's dataset; the rest is as
    in `roles_after_growth`.
    """
    known = {g for g, (role, _) in zip(groups, before, strict=True) if role is not None}
    well = {g for g, each in zip(groups, healthy, strict=True) if each}
    chosen = {g for g, seen in zip(groups, reviewed, strict=True) if seen} - known
    for group, (role, fold) in zip(groups, before, strict=True):
        if role is not None and fold is None:
            chosen.add(group)
    dealt = [i for i, group in enumerate(groups) if group in (well | known) - chosen]
    folds = cross_fitting_folds(
        [groups[i] for i in dealt],
        [before[i][1] for i in dealt],
        n_folds,
        seed,
        [keys[i] for i in dealt],
    )
    fold_of = dict(zip(dealt, folds, strict=True))
    roles = [Role.TRAIN if group in well | known else Role.TEST for group in groups]
    return roles, [fold_of.get(i) for i in range(len(groups))]
