"""The flow that trains on the healthy pool, calibrates, compares, and activates the new model."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from prefect.runtime import flow_run

from db.entities import Threshold
from db.repository.training.models import current_threshold, threshold_by_id
from flows.ingest import CHUNK_SIZE, ingest_folder
from flows.runtime.private_flow import private_flow
from mriad_model.datasets.labels import Labelling
from mriad_model.enums import LabelValue, Policy, Role
from mriad_model.promotion.power import Power
from mriad_model.recipes.decision_recipes import no_gate_text
from mriad_model.recipes.recipe import Recipe
from tasks.calibration.recalibrate import activate
from tasks.promotion.candidate_figures import CandidateFigures, compare_candidate
from tasks.reports.run_report import publish_summary
from tasks.runtime.connections import database
from tasks.runtime.home import work_folder
from tasks.runtime.model_cache import device_in_use
from tasks.runtime.progress import Took, tell, took
from tasks.runtime.runs import recorded_run
from tasks.scoring.power import power_at
from tasks.scoring.preprocess import preprocess_chunk
from tasks.scoring.selection import wanted_scans
from tasks.training.mixtures import mixed_pool
from tasks.training.train import (
    FrozenDataset,
    Trained,
    calibrate,
    doubted_labels,
    freeze_healthy,
    require_calibration,
    train,
)

PREPARED = (Role.TRAIN, Role.VALIDATION, Role.LABELLED_ABNORMAL, Role.CALIBRATION)  # in this order


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A trained model, its threshold, and how the training went."""

    model_id: int
    threshold_id: int
    n_train: int
    n_validation: int
    n_calibration: int
    epochs: int
    best_epoch: int
    validation_loss: float | None
    seconds: float  # of fitting the detectors alone
    activated: bool  # or active before, as the same model again
    why: str
    learned: str  # what it learned, in words: "scans", "FLAIR volumes"
    warnings: list[str]  # what in the healthy pool may not belong together
    comparison: CandidateFigures  # with the active model, before it was activated
    n_folds: int  # of cross-fitting, in which all train and calibrate; 0 without
    threshold: Threshold
    power: Power | None = None  # at the threshold; None where no scan could be read again
    from_model_id: int | None = None  # the model that it was adapted from
    n_abnormal: int = 0  # labelled abnormal scans that it learned from
    n_masks: int = 0  # of them with a mask of the lesion
    no_gate: str | None = None  # what it means that the model has no gate; None of one that has
    took: Took | None = None  # all of it


def _run_name() -> str:
    recipe = Recipe.from_json(flow_run.parameters["recipe"])
    return f"train {recipe.name}, seed {flow_run.parameters['seed']}"


@private_flow(name="train_model", flow_run_name=_run_name)
def train_model(
    home: Path,
    recipe: str,
    author: str,
    seed: int = 0,
    policy: Policy = Policy.SIGMAS,
    k: float = 1.0,
    device: str = "auto",
    chunk_size: int = CHUNK_SIZE,
    activating: bool = True,
    from_model_id: int | None = None,
    use_abnormal: bool = False,
    masks: str | None = None,
) -> TrainingResult:
    """Train `recipe` (JSON) on the healthy scans, draw a threshold, compare, activate it.

    With `from_model_id` that model is adapted to healthy scans that are new to it, by the recipe
    that `mriad_model.detection.training.adaptation` makes of its own. With `use_abnormal` scans
    labelled abnormal are learned from as such, with the mask beside each picture or in the folder
    `masks`.

    What lies in the home's `healthy` folder is ingested as healthy first. How the model compares
    with the active one decides nothing: a person does, who may leave it inactive.
    """
    place, began = str(home), time.monotonic()
    with recorded_run(database(place), "train_model", flow_run.id, device_in_use(device)) as run:
        labelling = Labelling(author, LabelValue.HEALTHY)
        ingest_folder(home, run, str(home / "healthy"), labelling=labelling, chunk_size=chunk_size)
        with work_folder(home, run.id) as folder:
            dataset = freeze_healthy(
                place, run.id, seed, recipe, str(folder), from_model_id, use_abnormal=use_abnormal
            )
            require_calibration(place, dataset, policy, k)
            recipe = Recipe.from_json(recipe).with_contrast(dataset.contrasts).to_json()
            trained, threshold_id = fit_and_calibrate(
                place,
                run.id,
                dataset,
                recipe,
                policy,
                k,
                device,
                folder,
                chunk_size,
                from_model_id=from_model_id,
                masks=masks,
            )
            compared = compare_candidate(place, run.id, dataset, threshold_id, str(folder), device)
        # The same scans, recipe and seed give the same model, and so the same threshold.
        before = current_threshold(database(place))
        already = before is not None and before.threshold.id == threshold_id
        why = "left inactive, as was asked"
        if activating or already:
            why = (
                "active before: the training gave its model again" if already else "trained by hand"
            )
        if activating:
            activate(place, threshold_id, why, author)
        result = TrainingResult(
            model_id=trained.model_id,
            threshold_id=threshold_id,
            n_train=dataset.n(Role.TRAIN),
            n_validation=dataset.n(Role.VALIDATION),
            n_calibration=len(dataset.calibration),
            epochs=trained.epochs,
            best_epoch=trained.best_epoch,
            validation_loss=trained.validation_loss,
            seconds=trained.seconds,
            activated=activating or already,
            why=why,
            learned=Recipe.from_json(recipe).kind_in_words,
            warnings=[
                *mixed_pool(place, dataset.scan_ids),
                *doubted_labels(place, run.id, trained.model_id, dataset, trained.unlike),
                *trained.warnings,
            ],
            comparison=compared,
            n_folds=len(set(dataset.folds.values())),
            threshold=threshold_by_id(database(place), threshold_id),
            power=power_at(database(place), threshold_id),
            from_model_id=from_model_id,
            n_abnormal=dataset.n(Role.LABELLED_ABNORMAL),
            n_masks=trained.n_masks,
            no_gate=no_gate_text(json.loads(recipe)),
            took=took(run.id, began),
        )
        run.counts.update(
            n_train=result.n_train,
            n_validation=result.n_validation,
            n_calibration=result.n_calibration,
            n_abnormal=result.n_abnormal,
            epochs=result.epochs,
            model_id=result.model_id,
            threshold_id=result.threshold_id,
            activated=int(result.activated),
            **compared.as_counts(),
        )
        publish_summary("train-summary", f"Trained model {result.model_id}", run.counts)
    return result


def fit_and_calibrate(
    home: str,
    run_id: int,
    dataset: FrozenDataset,
    recipe: str,
    policy: Policy,
    k: float,
    device: str,
    folder: Path,
    chunk_size: int,
    *,
    from_model_id: int | None = None,
    masks: str | None = None,
) -> tuple[Trained, int]:
    """Train a recipe (JSON) on a frozen dataset, draw a threshold; its id comes second."""

    def prepared(role: Role) -> list[str]:
        return _prepared_role(home, run_id, recipe, dataset, role, folder, chunk_size)

    slices = prepared(Role.TRAIN), prepared(Role.VALIDATION)
    abnormal = prepared(Role.LABELLED_ABNORMAL)
    trained = train(
        home,
        run_id,
        dataset.id,
        recipe,
        *slices,
        device,
        str(folder),
        from_model_id,
        abnormal,
        masks,
    )
    healthy = slices[0] if dataset.folds else prepared(Role.CALIBRATION)
    return trained, calibrate(
        home, run_id, trained.model_id, dataset.id, healthy, policy, k, device
    )


def _prepared_role(
    home: str,
    run_id: int,
    recipe: str,
    dataset: FrozenDataset,
    role: Role,
    folder: Path,
    chunk_size: int,
) -> list[str]:
    """Prepare the slices of one role; the folders that they lie in."""
    folders = []
    done = sum(dataset.n(each) for each in PREPARED[: PREPARED.index(role)])
    total = sum(dataset.n(each) for each in PREPARED)
    for number, piece in wanted_scans(dataset.scans[role]).chunks(chunk_size):
        workspace = str(folder / f"{role.value}-{number}")
        tell("preparing", done, total, unit="scans")
        keep = role is Role.CALIBRATION  # scores come of whole volumes; training takes slices
        if preprocess_chunk(home, run_id, recipe, piece, workspace, keep=keep):
            folders.append(workspace)
        done += len(piece.scan_ids)
        tell("preparing", done, total, unit="scans")
    return folders
