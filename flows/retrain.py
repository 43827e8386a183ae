"""The flow that trains again when the healthy pool has grown; activates what is no worse."""

import time
from dataclasses import replace
from pathlib import Path

from prefect.runtime import flow_run

from flows.ingest import CHUNK_SIZE, ingest_folder
from flows.runtime.private_flow import AUTHOR, private_flow, worker_context
from flows.runtime.retrain_result import RetrainingResult, not_retrained, options_of, too_little
from flows.train import fit_and_calibrate
from mriad_model.datasets.labels import Labelling
from mriad_model.enums import LabelValue, Role
from mriad_model.promotion.comparison import PromotionCriteria
from mriad_model.promotion.growth import GrowthCriteria
from mriad_model.promotion.power import Power
from tasks.calibration.recalibrate import activate
from tasks.promotion.compare_models import score_comparison_scans
from tasks.promotion.growth import GrowthCheck
from tasks.promotion.retrain import (
    ComparisonPlan,
    PromotionResult,
    deal_roles,
    decide_promotion,
    measure_growth,
)
from tasks.reports.run_report import publish_summary
from tasks.runtime.connections import database
from tasks.runtime.home import work_folder
from tasks.runtime.model_cache import device_in_use
from tasks.runtime.progress import took
from tasks.runtime.runs import RecordedRun, recorded_run
from tasks.scoring.power import power_at
from tasks.scoring.selection import ActiveModel, find_model
from tasks.training.train import Trained

CRITERIA = GrowthCriteria()
TERMS = PromotionCriteria()


@private_flow(name="retrain_model", flow_run_name="retrain")
def retrain_model(
    home: Path,
    force: bool = False,
    author: str = "mriad",
    growth: GrowthCriteria = CRITERIA,
    terms: PromotionCriteria = TERMS,
    seed: int = 0,
    device: str = "auto",
    chunk_size: int = CHUNK_SIZE,
) -> RetrainingResult:
    """Train the active recipe again, once the healthy pool has grown as far as `growth` asks.

    The candidate is activated only if it is shown to be no worse than the current model, on
    `terms`, on scans that neither learned from; either way the record has the reason. With `force`
    it is trained whatever the growth, and activated where the scans are too few to decide.
    """
    place, began = str(home), time.monotonic()
    with recorded_run(database(place), "retrain_model", flow_run.id, device_in_use(device)) as run:
        current = find_model(place)
        labelling = Labelling(author, LabelValue.HEALTHY)
        ingest_folder(home, run, str(home / "healthy"), labelling=labelling, chunk_size=chunk_size)
        timing = measure_growth(place, current, growth)
        run.counts.update(
            n_before=timing.growth.n_before,
            n_new=timing.growth.n_new,
            needed=growth.needed(timing.growth.n_before),
        )
        if not timing.due and not force:
            return _nothing(run, current, timing, too_little(timing))
        with work_folder(home, run.id) as folder:
            trial = deal_roles(place, run.id, current, seed, str(folder))
            if not trial.anything_new:
                return _nothing(run, current, timing, "nothing to do: no scan is new")
            recipe, policy, k = current.recipe, trial.policy, trial.k
            trained, threshold_id = fit_and_calibrate(
                place,
                run.id,
                trial.dataset,
                recipe,
                policy,
                k,
                device,
                folder,
                chunk_size,
                from_model_id=trial.from_model_id,
            )
            compared = score_comparison_scans(
                place,
                run.id,
                [current.model_id, trained.model_id],
                trial.healthy,
                trial.abnormal,
                str(folder),
                device,
            )
        settled = decide_promotion(
            place, run.id, current, threshold_id, trial, compared, terms, force=force
        )
        if settled.promoted:
            activate(place, threshold_id, settled.reason, author)
        found = power_at(database(place), threshold_id)
        result = _result(current, timing, trial, trained, threshold_id, settled, found)
        result = replace(result, took=took(run.id, began))
        run.counts.update(
            model_id=trained.model_id,
            threshold_id=threshold_id,
            comparison_id=settled.comparison_id,
            promoted=int(settled.promoted),
        )
        publish_summary(
            "retrain-summary", f"Candidate {trained.model_id}", {**run.counts, "why": result.why}
        )
    return result


def _nothing(
    run: RecordedRun, current: ActiveModel, timing: GrowthCheck, why: str
) -> RetrainingResult:
    publish_summary("retrain-summary", "No retraining", {**run.counts, "why": why})
    return not_retrained(current.threshold_id, timing, why)


def _result(
    current: ActiveModel,
    timing: GrowthCheck,
    trial: ComparisonPlan,
    trained: Trained,
    threshold_id: int,
    settled: PromotionResult,
    found: Power | None,
) -> RetrainingResult:
    return RetrainingResult(
        activated=settled.promoted,
        why=settled.reason,
        n_before=timing.growth.n_before,
        n_new=timing.growth.n_new,
        current_threshold_id=current.threshold_id,
        comparison_id=settled.comparison_id,
        model_id=trained.model_id,
        threshold_id=threshold_id,
        n_train=trial.dataset.n(Role.TRAIN),
        n_validation=trial.dataset.n(Role.VALIDATION),
        n_calibration=len(trial.dataset.calibration),
        n_test=trial.dataset.n(Role.TEST),
        epochs=trained.epochs,
        best_epoch=trained.best_epoch,
        validation_loss=trained.validation_loss,
        seconds=trained.seconds,
        power=found,
    )


@private_flow(name="retrain_on_growth", flow_run_name="retrain, if the healthy pool has grown")
def retrain_on_growth(home: Path | None = None, force: bool = False) -> RetrainingResult:
    """Train again where the healthy pool has grown enough; see `mriad retrain`."""
    place = worker_context(home)
    done: RetrainingResult = retrain_model(place.home, force, AUTHOR, **options_of(place.settings))
    return done
