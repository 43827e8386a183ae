"""Which healthy scans a recipe can learn, and whether they are enough. Without the workflow engine.

A command asks before it starts a server, and the run again, once near-duplicates are known.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Engine

from db.entities import Scan
from db.repository.intake.labels import LabelledScan, healthy_pool, labelled
from db.repository.training.models import dataset_roles, handed_down_scans, model_by_id
from mriad_model.datasets.roles import MIN_GROUPS, RoleShares, counts_by_share
from mriad_model.detection.decisions.compatibility import (
    KINDS,
    incompatibility,
    require_one_contrast,
)
from mriad_model.detection.decisions.thresholds import check_k, groups_needed, too_few_for
from mriad_model.detection.training.adaptation import require_learns_abnormal
from mriad_model.enums import LabelValue, Policy, Role
from mriad_model.errors import TooFewScans
from mriad_model.recipes.built_in_recipes import DEFAULT, VOLUME
from mriad_model.recipes.recipe import Recipe

NONE_HEALTHY: Final = (
    "no healthy scans in the record; add some with: mriad ingest FOLDER --label healthy"
)
NONE_OF_KIND: Final = (
    "none of the {n} healthy scans in the record is of the kind that the recipe {recipe!r} is for "
    "({kind}); try --recipe {other}"
)
NONE_OF_CONTRAST: Final = (
    "none of the {n} healthy {kind} in the record can be learned: the recipe is for contrast "
    "{contrast}, and there are {there}"
)
NONE_LEARNED: Final = "none of the {n} healthy {kind} in the record can be learned: {why}"
NONE_ABNORMAL: Final = (
    "no scan labelled abnormal can be used; add some with: mriad ingest FOLDER --label abnormal"
)
NOTHING_NEW: Final = (
    "none of the {n} healthy scans in the record is new to model {model}: each is one of its own, "
    "or a near-duplicate or of a patient of these; to adapt it to another scanner, ingest healthy "
    "scans of that scanner"
)
TOO_FEW: Final = (
    "{scans}{patients} {verb} too few: training, validation and calibration need {needed} "
    "together; add healthy scans"
)


def suited_scans(engine: Engine, recipe: Recipe) -> list[LabelledScan]:
    """The healthy scans in the record that a recipe is for.

    Raises:
        TooFewScans: there are none.
        SettingsError: they are of several contrasts, and the recipe names none.
    """
    pool = healthy_pool(engine)
    suited = [
        each
        for each in pool
        if incompatibility(recipe, each.scan.kind, each.scan.contrast, each.scan.grid) is None
    ]
    contrast = recipe.scans.contrast
    if contrast is not None:
        suited = [each for each in suited if each.scan.contrast == contrast]
    require_one_contrast((each.scan.contrast for each in suited), recipe)
    if not suited:
        raise TooFewScans(_none_suited(pool, recipe))
    return suited


def suited_abnormal(engine: Engine, recipe: Recipe) -> dict[int, Scan]:
    """The scans that people labelled abnormal, of the recipe's kind. Raises SettingsError."""
    require_learns_abnormal(recipe)
    return {
        each.id: each.scan
        for each in labelled(engine, LabelValue.ABNORMAL)
        if incompatibility(recipe, each.scan.kind, each.scan.contrast, each.scan.grid) is None
    }


def own_scans(engine: Engine, model_id: int | None) -> set[int]:
    """The scans of a model's dataset, and of those that it was adapted from."""
    if model_id is None:
        return set()
    own = dataset_roles(engine, model_by_id(engine, model_id).dataset_id)
    return own.keys() | handed_down_scans(engine, model_id)


def require_trainable(
    engine: Engine,
    recipe: Recipe,
    policy: Policy,
    k: float,
    from_model_id: int | None = None,
    *,
    use_abnormal: bool = False,
) -> None:
    """Refuse what the record alone shows to fail, before a server is started or a file is read.

    Scans are counted as if none were a near-duplicate of another: a run may still find too few.

    Raises:
        SettingsError: k is no rate; or the scans are of several contrasts.
        TooFewScans: there are not enough healthy scans that the recipe is for.
    """
    check_k(policy, k)
    suited = suited_scans(engine, recipe)
    own = own_scans(engine, from_model_id)
    new = [each for each in suited if each.id not in own]
    if own and not new:
        raise TooFewScans(NOTHING_NEW.format(n=len(suited), model=from_model_id))
    if use_abnormal and not suited_abnormal(engine, recipe):
        raise TooFewScans(NONE_ABNORMAL)
    distinct = len({each.scan.patient or each.id for each in new})
    needed = sum(MIN_GROUPS.values())
    if distinct < needed:
        raise TooFewScans(_too_few(len(new), distinct, needed))
    if policy is Policy.RATE and (most := _most_to_calibrate(recipe, distinct)) < groups_needed(k):
        raise TooFewScans(too_few_for(k, most))


def _too_few(n: int, distinct: int, needed: int) -> str:
    return TOO_FEW.format(
        scans="1 healthy scan" if n == 1 else f"{n} healthy scans",
        patients=_of_patients(distinct) if distinct < n else "",
        verb="is" if n == 1 else "are",
        needed=needed,
    )


def _of_patients(n: int) -> str:
    return " of one patient" if n == 1 else f" of {n} patients"


def _most_to_calibrate(recipe: Recipe, distinct: int) -> int:
    """The most groups that can calibrate, of so many scans; all do where they are cross-fitted."""
    shares = {role: RoleShares().of(role) for role in MIN_GROUPS}
    dealt = counts_by_share(distinct, shares, MIN_GROUPS)[Role.CALIBRATION]
    how = recipe.cross_fitting
    return dealt if how is None else max(dealt, min(distinct, how.below - 1))


def _none_suited(pool: Sequence[LabelledScan], recipe: Recipe) -> str:
    if not pool:
        return NONE_HEALTHY
    of_kind = [each.scan for each in pool if each.scan.kind in recipe.kinds]
    if not of_kind:
        other = next(each.name for each in (DEFAULT, VOLUME) if each.kinds != recipe.kinds)
        kind = KINDS[recipe.kinds]
        return NONE_OF_KIND.format(n=len(pool), recipe=recipe.name, kind=kind, other=other)
    n, kind, contrast = len(of_kind), KINDS[recipe.kinds], recipe.scans.contrast
    if contrast is not None and all(scan.contrast != contrast for scan in of_kind):
        counts = Counter(scan.contrast or "of unknown contrast" for scan in of_kind)
        there = ", ".join(f"{m} {name}" for name, m in sorted(counts.items()))
        return NONE_OF_CONTRAST.format(n=n, kind=kind, contrast=contrast, there=there)
    whys = (incompatibility(recipe, each.kind, each.contrast, each.grid) for each in of_kind)
    return NONE_LEARNED.format(n=n, kind=kind, why=next(why for why in whys if why is not None))
