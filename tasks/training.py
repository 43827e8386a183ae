"""Training: from the healthy pool to a stored model, its calibration scores and a threshold."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from db import history, record
from db.times import now
from mriad_model.errors import TooFewScans
from mriad_model.files import write_atomically
from mriad_model.fitted import fit
from mriad_model.nouns import Model, Policy, Role, Threshold
from mriad_model.paths import recorded_path
from mriad_model.preprocess import SliceBatch
from mriad_model.recipes import Recipe
from mriad_model.splits import RoleShares, assign_roles
from mriad_model.thresholds import fit_threshold
from mriad_model.training import Epoch
from mriad_model.twins import fingerprint, twin_groups
from tasks.models import loaded_model
from tasks.preprocessing import load_chunk, locate
from tasks.progress import tell
from tasks.resources import opened_record

CHUNK = 512


@dataclass(frozen=True, slots=True)
class FrozenDataset:
    """A dataset's id, and which scans do what in it."""

    id: int
    scan_ids: dict[Role, list[int]]

    def n(self, role: Role) -> int:
        """How many scans have this role."""
        return len(self.scan_ids[role])


@dataclass(frozen=True, slots=True)
class Trained:
    """A stored model and how its training went."""

    model_id: int
    epochs: int
    best_epoch: int
    validation_loss: float | None
    seconds: float


@task(name="select-healthy", cache_policy=NO_CACHE)
def freeze_healthy(home: str, run_id: int, seed: int) -> FrozenDataset:
    """Freeze the healthy pool as a dataset: twins found, roles dealt to whole groups of them.

    Raises:
        TooFewScans: there are not enough distinct healthy scans to train and calibrate.
    """
    engine = opened_record(home)
    pool = [each.id for each in history.healthy_pool(engine)]
    ids, keys, prints = [], [], []
    for start in range(0, len(pool), CHUNK):
        for each in locate(home, run_id, pool[start : start + CHUNK]):
            ids.append(each.scan_id)
            keys.append(each.scan.sha256)
            prints.append(fingerprint(each.scan.pixels))
        tell("looking for twins", min(start + CHUNK, len(pool)), len(pool))
    if not ids:
        raise TooFewScans(
            "no healthy scans in the record; add some with: mriad ingest FOLDER --label healthy"
        )
    groups = twin_groups(prints)
    roles = assign_roles(groups, RoleShares(), seed, keys)
    dataset_id = record.freeze_dataset(engine, list(zip(ids, roles, groups, strict=True)), run_id)
    return FrozenDataset(
        id=dataset_id,
        scan_ids={role: [i for i, r in zip(ids, roles, strict=True) if r is role] for role in Role},
    )


@task(name="train", cache_policy=NO_CACHE)
def train(
    home: str,
    run_id: int,
    dataset_id: int,
    recipe: str,
    train_files: Sequence[str],
    validation_files: Sequence[str],
    device: str,
) -> Trained:
    """Fit the recipe, write its weights, append the model."""
    how = Recipe.from_json(recipe)
    fitted = fit(_load(train_files), _load(validation_files), how, device, _tell_epoch)
    data = fitted.to_bytes()
    name = sha256(data).hexdigest()
    path = Path(home) / "models" / f"{name}.safetensors"
    write_atomically(path, data)
    row = Model(
        sha256=name,
        path=recorded_path(path, Path(home)),
        recipe=recipe,
        dataset_id=dataset_id,
        metrics=json.dumps(asdict(fitted.training), sort_keys=True),
        run_id=run_id,
        created_at=now(),
    )
    model_id = record.append_model(opened_record(home), row)
    done = fitted.training
    return Trained(model_id, done.epochs, done.best_epoch, done.validation_loss, done.seconds)


@task(name="calibrate", cache_policy=NO_CACHE)
def calibrate(
    home: str,
    run_id: int,
    model_id: int,
    dataset_id: int,
    files: Sequence[str],
    policy: Policy,
    k: float,
    device: str,
) -> int:
    """Score the calibration scans, which the model never saw, and append a threshold; its id.

    Raises:
        ThresholdUndefined: their scores give none.
    """
    engine = opened_record(home)
    fitted = loaded_model(home, model_id, device)
    for file in files:
        chunk = load_chunk(Path(file))
        scored = fitted.score(chunk.batch)
        rows = [
            record.ScoredScan(scan_id, float(score), (float(score),))
            for scan_id, score in zip(chunk.scan_ids, scored.scores, strict=True)
        ]
        record.append_scored(engine, model_id, None, rows, run_id=run_id, now=now())
    healthy = history.calibration_scores(engine, model_id, dataset_id)
    drawn = fit_threshold([each.value for each in healthy], policy, k)
    row = Threshold(model_id, dataset_id, run_id=run_id, created_at=now(), **asdict(drawn))
    return record.append_threshold(engine, row)


def _load(files: Sequence[str]) -> SliceBatch:
    batches = [load_chunk(Path(file)).batch for file in files]
    return SliceBatch(
        np.concatenate([batch.images for batch in batches]),
        np.concatenate([batch.masks for batch in batches]),
    )


def _tell_epoch(epoch: Epoch) -> None:
    loss = epoch.validation_loss
    tell("training", epoch.number, epoch.max_epochs, f"held-out loss {loss:.5f}" if loss else "")
