"""Training: from the healthy pool to a stored model, its calibration scores and a threshold."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from db.entities import Model, Scan, Threshold
from db.repository.intake.scans import scans_by_id
from db.repository.intake.sightings import sightings
from db.repository.scoring.decisions import ScoredScan, append_scored
from db.repository.training.models import (
    append_model,
    append_threshold,
    dataset_folds,
    dataset_groups,
    dataset_roles,
    freeze_dataset,
    model_folds,
)
from db.timestamps import now
from mriad_model.datasets.roles import RoleShares, assign_roles, is_cross_fitted
from mriad_model.detection.decisions.thresholds import (
    check_k,
    fit_threshold,
    groups_needed,
    too_few_for,
)
from mriad_model.detection.training.fit_progress import FitProgress, HeadsLaid
from mriad_model.enums import Policy, Role
from mriad_model.errors import TooFewScans
from mriad_model.files import write_atomically
from mriad_model.paths import recorded_path, source_path
from mriad_model.preprocessing.scan_slices import training_slices
from mriad_model.preprocessing.slices import SliceBatch, joined
from mriad_model.promotion.power import METRIC, to_metric
from mriad_model.recipes.recipe import Recipe
from tasks.intake.doubtful_labels import label_doubts, masked_scans, unlike_scans
from tasks.runtime.connections import database
from tasks.runtime.model_cache import loaded_model
from tasks.runtime.progress import tell, timed, timing
from tasks.runtime.source_files import load_scans
from tasks.runtime.workspace import Workspace
from tasks.scoring.calibration_scores import calibration_of
from tasks.scoring.placement import placed
from tasks.scoring.preprocess import load_prepared
from tasks.training.cross_fitting import fold_slices, folds_of
from tasks.training.duplicates import grouped
from tasks.training.finding_limits import append_limits
from tasks.training.gates import with_gate
from tasks.training.healthy_scans import (
    NONE_ABNORMAL,
    NOTHING_NEW,
    own_scans,
    suited_abnormal,
    suited_scans,
)
from tasks.training.labelled_abnormal import labelled_abnormal
from tasks.training.power import implant_scores


@dataclass(frozen=True, slots=True)
class FrozenDataset:
    """A dataset's id, and which scans do what in it."""

    id: int
    scans: dict[Role, list[tuple[int, int]]]  # (scan id, slices)
    contrasts: list[str | None]  # of all of them
    folds: dict[int, int] = field(default_factory=dict)  # of cross-fitting, by scan

    @property
    def scan_ids(self) -> list[int]:
        """All its scans."""
        return [scan_id for members in self.scans.values() for scan_id, _ in members]

    def n(self, role: Role) -> int:
        """How many scans have this role."""
        return len(self.scans[role])

    @property
    def calibration(self) -> list[int]:
        """The scans that calibrate: those of that role, and those of folds."""
        return [scan_id for scan_id, _ in self.scans[Role.CALIBRATION]] + sorted(self.folds)


@dataclass(frozen=True, slots=True)
class Trained:
    """A stored model and how its training went."""

    model_id: int
    epochs: int
    best_epoch: int
    validation_loss: float | None
    seconds: float
    n_masks: int = 0  # of labelled abnormal scans
    warnings: list[str] = field(default_factory=list)  # masks that could not be used
    unlike: list[int] = field(default_factory=list)  # learned scans that are not scorable


@task(name="select-healthy", cache_policy=NO_CACHE)
def freeze_healthy(
    home: str,
    run_id: int,
    seed: int,
    recipe: str,
    folder: str,
    from_model_id: int | None = None,
    *,
    use_abnormal: bool = False,
) -> FrozenDataset:
    """Freeze the healthy scans that the recipe is for as a dataset.

    Roles are given to whole groups of scans: near-duplicates, and scans of one patient. `folder` is
    a scratch folder. To adapt a model, its scans and those of their groups are excluded. With
    `use_abnormal` scans labelled abnormal join; healthy ones of their groups train, and calibrate
    no model that learns from these.

    Raises:
        TooFewScans: there are not enough distinct healthy scans to train and calibrate.
        SettingsError: they are of several contrasts, and the recipe names none.
    """
    engine = database(home)
    how = Recipe.from_json(recipe)
    suited = suited_scans(engine, how)
    own = own_scans(engine, from_model_id)
    abnormal = suited_abnormal(engine, how) if use_abnormal else {}
    by_id = scans_by_id(engine, own) | {each.id: each.scan for each in suited} | abnormal
    # In the order of their content: what is learned does not depend on which was met first.
    scans = dict(sorted(by_id.items(), key=lambda each: each[1].sha256))
    found = grouped(home, run_id, scans, how, Path(folder)).without_groups_of(own)
    if own and not found.scan_ids:
        raise TooFewScans(NOTHING_NEW.format(n=len(suited), model=from_model_id))
    taught = found.only(abnormal)
    if use_abnormal and not taught.scan_ids:
        raise TooFewScans(NONE_ABNORMAL)
    found = found.only({each.id for each in suited})
    folds: dict[int, int] = {}
    if is_cross_fitted(how.cross_fitting, len(set(found.groups))):
        roles = dict.fromkeys(found.scan_ids, Role.TRAIN)
        folds = folds_of(found, how, seed)
    else:
        apart = found.without_groups(set(taught.groups))
        dealt = assign_roles(apart.groups, RoleShares(), seed, apart.keys)
        roles = dict.fromkeys(found.scan_ids, Role.TRAIN)
        roles |= dict(zip(apart.scan_ids, dealt, strict=True))
    members = [(i, roles[i], group) for i, group in zip(found.scan_ids, found.groups, strict=True)]
    members += [
        (i, Role.LABELLED_ABNORMAL, group)
        for i, group in zip(taught.scan_ids, taught.groups, strict=True)
    ]
    return frozen_dataset(home, run_id, members, scans, folds)


def require_calibration(home: str, dataset: FrozenDataset, policy: Policy, k: float) -> None:
    """Refuse a rate that the calibration scans are too few to keep, before anything is trained.

    Raises:
        SettingsError: k is no such rate.
        TooFewScans: they are too few.
    """
    check_k(policy, k)
    if policy is not Policy.RATE:
        return
    groups = dataset_groups(database(home), dataset.id)
    n = len({groups[scan_id] for scan_id in dataset.calibration})
    if n < groups_needed(k):
        raise TooFewScans(too_few_for(k, n))


def frozen_dataset(
    home: str,
    run_id: int,
    members: Sequence[tuple[int, Role, int]],
    scans: Mapping[int, Scan],
    folds: Mapping[int, int] | None = None,
) -> FrozenDataset:
    """Freeze members (scan id, role, group) as a dataset, those cross-fitted in their folds."""
    return FrozenDataset(
        id=freeze_dataset(database(home), members, run_id, folds),
        scans={role: [(i, scans[i].n_slices) for i, r, _ in members if r is role] for role in Role},
        contrasts=[scans[i].contrast for i, _, _ in members],
        folds=dict(folds or {}),
    )


@task(name="train", cache_policy=NO_CACHE)
def train(
    home: str,
    run_id: int,
    dataset_id: int,
    recipe: str,
    train_folders: Sequence[str],
    validation_folders: Sequence[str],
    device: str,
    folder: str | None = None,
    from_model_id: int | None = None,
    abnormal_folders: Sequence[str] = (),
    masks: str | None = None,
) -> Trained:
    """Fit the recipe, write its weights, append the model.

    Where scans of the dataset are in folds, a member is fitted without each, and none validates.
    With a scratch `folder`, its power is measured: see `mriad_model.promotion.power`.
    To adapt a model, its weights are where training begins. Scans in `abnormal_folders` train
    as abnormal, none in a member that scores healthy ones of its group.
    """
    from mriad_model.detection.model import fit, fit_folds  # noqa: PLC0415 - torch

    how = Recipe.from_json(recipe)
    start = None if from_model_id is None else loaded_model(home, from_model_id, device)
    folds = dataset_folds(database(home), dataset_id)
    taught = labelled_abnormal(home, dataset_id, abnormal_folders, how, masks)
    tell("training", 0, 0)
    with timing(run_id, "train"):
        if folds:
            positives = [taught.but_for(folds, fold) for fold in sorted(set(folds.values()))]
            parts = fold_slices(home, dataset_id, folds, train_folders, how)
            fitted = fit_folds(parts, how, device, tell_training, start, positives)
        else:
            slices, held_out = (_slices(each, how) for each in (train_folders, validation_folders))
            fitted = fit(slices, held_out, how, device, tell_training, start, taught.all)
        learned = [*train_folders, *validation_folders]
        fitted, unlike = with_gate(home, dataset_id, fitted, learned)
    data = fitted.to_bytes()
    name = sha256(data).hexdigest()
    origin = {} if from_model_id is None else {"from_model_id": from_model_id}
    path = Path(home) / "models" / f"{name}.safetensors"
    write_atomically(path, data)
    metrics = asdict(fitted.training)
    if folder is not None:
        load = partial(load_scans, home, run_id)
        with timing(run_id, "implant lesions"):
            implanted = implant_scores(home, dataset_id, fitted, folder, load)
        metrics[METRIC] = to_metric(implanted)
    row = Model(
        sha256=name,
        path=recorded_path(path, Path(home)),
        recipe=recipe,
        dataset_id=dataset_id,
        metrics=json.dumps(metrics | origin, sort_keys=True),
        run_id=run_id,
        created_at=now(),
    )
    model_id = append_model(database(home), row)
    done = fitted.training
    return Trained(
        model_id,
        done.epochs,
        done.best_epoch,
        done.validation_loss,
        done.seconds,
        n_masks=taught.n_masks,
        warnings=taught.warnings,
        unlike=unlike,
    )


@task(name="calibrate", cache_policy=NO_CACHE)
@timed("calibrate")
def calibrate(
    home: str,
    run_id: int,
    model_id: int,
    dataset_id: int,
    folders: Sequence[str],
    policy: Policy,
    k: float,
    device: str,
) -> int:
    """Score the calibration scans, which the model never saw, and append a threshold; its id.

    Scans of a fold are scored by the member that did not learn it; others of `folders` that the
    model learned from are skipped.

    Raises:
        ThresholdUndefined: their scores give none.
    """
    from mriad_model.detection.finding_limits import FindingCounts  # noqa: PLC0415 - torch
    from mriad_model.detection.scan_scores import score_scans  # noqa: PLC0415 - torch

    engine = database(home)
    fitted = loaded_model(home, model_id, device)
    folds, roles = model_folds(engine, model_id), dataset_roles(engine, dataset_id)
    counted = FindingCounts(fitted.recipe, (fitted.colour_low, fitted.colour_high))
    done, total = 0, len(folds) + sum(role is Role.CALIBRATION for role in roles.values())
    tell("calibrating", done, total, unit="scans")
    for folder in folders:
        prepared = [
            each
            for each in load_prepared(Workspace(Path(folder)))
            if each.scan_id in folds or roles[each.scan_id] is Role.CALIBRATION
        ]
        prepared = placed(home, run_id, fitted, prepared)
        scored = score_scans(
            fitted,
            [each.slices for each in prepared],
            [folds.get(each.scan_id) for each in prepared],
        )
        rows = [
            ScoredScan(
                each.scan_id,
                found.score,
                found.slice_scores.tolist(),
                positions=found.positions,
                gate=found.gate,
                spread=found.spread,
            )
            for each, found in zip(prepared, scored, strict=True)
        ]
        append_scored(engine, model_id, None, rows, run_id=run_id, now=now())
        counted.add([each.scan_id for each in prepared], [each.slices for each in prepared], scored)
        done += len(prepared)
        tell("calibrating", done, total, unit="scans")
    append_limits(engine, model_id, dataset_id, counted, run_id)
    healthy = calibration_of(engine, model_id, dataset_id)
    drawn = fit_threshold(healthy.values, policy, k, healthy.groups)
    row = Threshold(model_id, dataset_id, run_id=run_id, created_at=now(), **asdict(drawn))
    return append_threshold(engine, row)


@task(name="check-labels", cache_policy=NO_CACHE)
def doubted_labels(
    home: str,
    run_id: int,
    model_id: int,
    dataset: FrozenDataset,
    unlike_learned: Sequence[int] = (),
) -> list[str]:
    """Doubtful healthy labels among the training's scans; the record gets them as warnings.

    The gate judges each scan beside those of other groups: scans that calibrate by their scores;
    `unlike_learned` are those of the others that are above its limit.
    """
    engine = database(home)
    abnormal = {scan_id for scan_id, _ in dataset.scans[Role.LABELLED_ABNORMAL]}
    healthy = [scan_id for scan_id in dataset.scan_ids if scan_id not in abnormal]
    seen = sightings(engine, healthy)
    paths = {i: source_path(seen[i][-1].path, Path(home)) for i in healthy if seen.get(i)}
    unlike = [*unlike_scans(engine, model_id, dataset.calibration), *unlike_learned]
    return label_doubts(engine, run_id, masked_scans(paths), unlike, model_id)


def _slices(folders: Sequence[str], recipe: Recipe) -> SliceBatch:
    """The slices that training sees, of all scans in these workspaces."""
    return joined(
        [
            training_slices(scan.slices, recipe)
            for folder in folders
            for scan in load_prepared(Workspace(Path(folder)))
        ]
    )


def tell_training(step: FitProgress, name: str = "training") -> None:
    """Report how far the fitting of a model is, as the step `name`."""
    if isinstance(step, HeadsLaid):
        tell(name, step.number, step.of, unit="heads")
        return
    loss = step.validation_loss
    note = f"held-out loss {loss:.5f}" if loss else ""
    if step.member:
        note = f"member {step.member + 1}" + (f", {note}" if note else "")
    tell(name, step.number, step.max_epochs, note, unit="epochs")
