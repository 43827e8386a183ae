"""Roles and folds, dealt to whole groups of twins, never to single scans.

Near-duplicates on both sides of a line make every figure drawn from it too good.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mriad_model.enums import Role
from mriad_model.errors import SettingsError, TooFewScans
from mriad_model.recipes.recipe import CrossFitting, Recipe

MIN_GROUPS = {Role.TRAIN: 1, Role.VALIDATION: 1, Role.CALIBRATION: 2}
"""Fewest distinct scans a role can do with: a spread needs two."""


@dataclass(frozen=True, slots=True)
class RoleShares:
    """The share of the distinct healthy scans that each role gets. They sum to 1."""

    train: float = 0.6
    validation: float = 0.2
    calibration: float = 0.2

    def __post_init__(self) -> None:
        shares = (self.train, self.validation, self.calibration)
        if not all(share > 0 for share in shares) or not math.isclose(sum(shares), 1):
            raise SettingsError(f"role shares must be positive and sum to 1, not {shares}")

    def of(self, role: Role) -> float:
        """The share of one role."""
        return float(getattr(self, role.value))


def joined_groups(groups: Sequence[int], patients: Sequence[str | None]) -> list[int]:
    """Group numbers of scans (`duplicates.twin_groups`), with groups of one patient joined."""
    numbers: dict[object, int] = {}
    joins = [
        (numbers.setdefault(group, len(numbers)), numbers.setdefault(patient, len(numbers)))
        for group, patient in zip(groups, patients, strict=True)
        if patient is not None
    ]
    if not joins:
        return list(groups)
    own = [numbers.setdefault(group, len(numbers)) for group in groups]
    rows, columns = zip(*joins, strict=True)
    shape = (len(numbers), len(numbers))
    _, joined = connected_components(coo_array((np.ones(len(joins)), (rows, columns)), shape))
    return [int(joined[each]) for each in own]


def assign_roles(
    groups: Sequence[int],
    shares: RoleShares,
    seed: int,
    keys: Sequence[str] | None = None,
    *,
    by_patient: bool = False,
) -> list[Role]:
    """A role for each scan, the same for all of a group; shares are rounded by largest remainder.

    Groups are drawn in an order fixed by the seed and, with `keys` (content SHA-256, one a scan),
    not by the order of the scans. Groups are of near-duplicates, or `by_patient`. Raises
    TooFewScans unless every role gets its minimum of groups.
    """
    drawn = drawn_order(groups, seed, keys)
    needed = sum(MIN_GROUPS.values())
    if len(drawn) < needed:
        raise TooFewScans(
            f"{_counted(len(drawn), len(groups), by_patient=by_patient)} are too few: training, "
            f"validation and calibration need {needed} together; add healthy scans"
            + (" of other patients" if by_patient else "")
        )
    counts = counts_by_share(len(drawn), {role: shares.of(role) for role in MIN_GROUPS}, MIN_GROUPS)
    roles = [role for role, count in counts.items() for _ in range(count)]
    role_of = dict(zip(drawn, roles, strict=True))
    return [role_of[group] for group in groups]


def _counted(n: int, n_scans: int, *, by_patient: bool) -> str:
    """How many healthy scans there are, in words, those of a group counted once."""
    if by_patient:
        return f"{n} patient{'' if n == 1 else 's'} with healthy scans (of {n_scans} scans)"
    return f"{n} distinct healthy scans (of {n_scans}, near-duplicates counted once)"


def grouped_folds(
    groups: Sequence[int],
    n_folds: int,
    seed: int,
    keys: Sequence[str] | None = None,
    *,
    by_patient: bool = False,
) -> list[int]:
    """A fold number (0 .. n_folds - 1) for each scan; no group is split, folds are even.

    Groups go, largest first, to the fold with the fewest scans (Graham's rule for even loads); the
    seed decides among equals. Raises TooFewScans where there are fewer groups than folds.
    """
    if n_folds < 2:
        raise SettingsError(f"cross-validation needs 2 folds or more, not {n_folds}")
    drawn = drawn_order(groups, seed, keys)
    if len(drawn) < n_folds:
        raise TooFewScans(
            f"{_counted(len(drawn), len(groups), by_patient=by_patient)} cannot fill {n_folds} "
            "folds; add scans or fold less"
        )
    size = dict.fromkeys(drawn, 0)
    for group in groups:
        size[group] += 1
    load = [0] * n_folds
    fold_of: dict[int, int] = {}
    for group in sorted(drawn, key=lambda group: -size[group]):  # stable: the draw breaks ties
        fold_of[group] = load.index(min(load))
        load[fold_of[group]] += size[group]
    return [fold_of[group] for group in groups]


def is_cross_fitted(how: CrossFitting | None, n_groups: int) -> TypeGuard[CrossFitting]:
    """Whether so few healthy scans, a group counted once, all teach and calibrate."""
    return how is not None and how.folds < n_groups < how.below


def cross_fitting_folds(
    groups: Sequence[int],
    before: Sequence[int | None],
    n_folds: int,
    seed: int,
    keys: Sequence[str],
) -> list[int]:
    """A fold for each scan, the same for all of a group, as `grouped_folds` deals them.

    A group keeps the fold that a scan of it had `before`, the lowest where it had several.
    """
    kept: dict[int, int] = {}
    for group, fold in zip(groups, before, strict=True):
        if fold is not None:
            kept[group] = min(fold, kept.get(group, fold))
    load = [0] * n_folds
    size: dict[int, int] = {}
    for group in groups:
        size[group] = size.get(group, 0) + 1
    for group, fold in kept.items():
        load[fold] += size[group]
    new = [group for group in drawn_order(groups, seed, keys) if group not in kept]
    for group in sorted(new, key=lambda group: -size[group]):  # stable: the draw breaks ties
        kept[group] = load.index(min(load))
        load[kept[group]] += size[group]
    return [kept[group] for group in groups]


def fold_roles(
    groups: Sequence[int],
    folds: Sequence[int | None],
    fold: int,
    held_out: float,
    seed: int,
    keys: Sequence[str],
) -> list[Role]:
    """What each scan does for the member without a fold; groups are drawn anew for each.

    Scans of the fold calibrate; of the groups of the others a share validates, one at least.
    """
    outside = [i for i, own in enumerate(folds) if own != fold]
    drawn = drawn_order([groups[i] for i in outside], seed + fold, [keys[i] for i in outside])
    n = min(max(1, round(held_out * len(drawn))), len(drawn) - 1)
    validating = set(drawn[:n])
    return [
        Role.CALIBRATION if own == fold else Role.VALIDATION if group in validating else Role.TRAIN
        for group, own in zip(groups, folds, strict=True)
    ]


def fold_parts(
    groups: Sequence[int],
    folds: Sequence[int | None],
    fold: int,
    recipe: Recipe,
    keys: Sequence[str],
) -> tuple[list[int], list[int]]:
    """The places of the scans that the member without a fold learns, and of those held out from it.

    Held out are those that `fold_roles` has validate. Where nothing is scaled by scans held out,
    all scans outside the fold are learned, and those of the fold set the colours alone.
    """
    if not recipe.holds_out:
        places = range(len(folds))
        return [i for i in places if folds[i] != fold], [i for i in places if folds[i] == fold]
    share = (recipe.cross_fitting or CrossFitting()).held_out
    roles = fold_roles(groups, folds, fold, share, recipe.training.seed, keys)
    train, validation = (
        [i for i, given in enumerate(roles) if given is role]
        for role in (Role.TRAIN, Role.VALIDATION)
    )
    return train, validation


def drawn_order(groups: Sequence[int], seed: int, keys: Sequence[str] | None) -> list[int]:
    """The group numbers in an order that the seed alone decides.

    A group's key is the smallest of its scans': it keeps its place when other scans join the pool.
    """
    names = [str(group) for group in groups] if keys is None else keys
    key_of: dict[int, str] = {}
    for group, name in zip(groups, names, strict=True):
        key_of[group] = min(name, key_of.get(group, name))
    return sorted(key_of, key=lambda group: (_draw(seed, key_of[group]), key_of[group]))


def _draw(seed: int, key: str) -> bytes:
    return hashlib.sha256(f"{seed}:{key}".encode()).digest()


def counts_by_share(
    n_groups: int, shares: Mapping[Role, float], least: Mapping[Role, int]
) -> dict[Role, int]:
    """How many groups each role gets: its least, then its share by largest remainder."""
    ideal = {role: share * n_groups for role, share in shares.items()}
    fewest = {role: least.get(role, 0) for role in shares}
    counts = {role: max(fewest[role], math.floor(ideal[role])) for role in shares}
    while sum(counts.values()) < n_groups:
        counts[max(counts, key=lambda role: ideal[role] - counts[role])] += 1
    while sum(counts.values()) > n_groups:
        spare = [role for role in counts if counts[role] > fewest[role]]
        counts[min(spare, key=lambda role: ideal[role] - counts[role])] -= 1
    return counts
