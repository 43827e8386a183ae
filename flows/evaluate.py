"""The flow that measures a recipe on labelled scans, fold by fold."""

from dataclasses import dataclass
from pathlib import Path

from prefect.runtime import flow_run

from flows.private_flow import FOLDS, private_flow
from mriad_model.evaluation.protocol import (
    EvaluationPlan,
    EvaluationProtocol,
    require_protocol,
)
from mriad_model.evaluation.summary import EvaluationReport
from mriad_model.recipes import Recipe
from mriad_model.rejections import RejectedItem
from tasks.intake.ingest import Labelling
from tasks.reports.run_report import publish_summary
from tasks.runtime.connections import database
from tasks.runtime.home import work_folder
from tasks.runtime.model_cache import device_in_use
from tasks.runtime.progress import tell
from tasks.runtime.runs import recorded_run
from tasks.training.evaluate import evaluate_fold, gather_labelled, write_evaluation_report


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """The result of an evaluation."""

    report: EvaluationReport
    page: str  # path, relative to the home
    unlabelled: int  # files
    rejected: list[RejectedItem]


@private_flow(name="evaluate_model", flow_run_name="evaluate {protocol}", workers=FOLDS)
def evaluate_model(
    home: Path,
    folder: str,
    protocol: EvaluationProtocol,
    recipe: str,
    labelling: Labelling,
    glob: str = "*",
    repeats: int = 1,
    folds: int = 5,
    k: float = 1.0,
    seed: int = 0,
    device: str = "auto",
) -> EvaluationResult:
    """Measure `recipe` (JSON) on the labelled scans of a folder; activates nothing.

    The scans do not enter the record: a fold's model is thrown away, and so are its scores.
    """
    require_protocol(protocol, Recipe.from_json(recipe))
    place = str(home)
    plan = EvaluationPlan(protocol, repeats, folds, seed, k=k)
    with recorded_run(database(place), "evaluate_model", flow_run.id, device_in_use(device)) as run:
        with work_folder(home, run.id) as scratch:
            data = str(scratch / "scans.safetensors")
            gathered = gather_labelled(folder, glob, labelling, recipe, data)
            paths = [str(scratch / f"fold-{repeat}-{fold}.json") for repeat, fold in plan.folds]
            folds_run = [
                evaluate_fold.submit(data, plan, recipe, repeat, fold, device, path)
                for (repeat, fold), path in zip(plan.folds, paths, strict=True)
            ]
            for done, fold_run in enumerate(folds_run, start=1):
                fold_run.result()
                tell("folds", done, len(folds_run))
            report, page = write_evaluation_report(place, run.id, folder, paths, gathered.rejected)
        metrics = report.model.metrics
        figures = {
            "n_healthy": metrics.n_healthy,
            "n_abnormal": metrics.n_abnormal,
            "auroc": metrics.values["auroc"],
            "f1": metrics.values["f1"],
        }
        run.counts.update({name: value for name, value in figures.items() if value is not None})
        publish_summary(
            "evaluate-summary", f"Evaluated run {run.id}, protocol {protocol.value}", figures
        )
    return EvaluationResult(report, page, gathered.unlabelled, gathered.rejected)
