"""The flow that measures a recipe on labelled scans, fold by fold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect.runtime import flow_run

from flows.runtime.private_flow import FOLDS, private_flow
from mriad_model.datasets.labels import Labelling
from mriad_model.enums import Policy
from mriad_model.evaluation.listing import Listing
from mriad_model.evaluation.protocol import (
    EvaluationPlan,
    EvaluationProtocol,
    require_protocol,
)
from mriad_model.evaluation.summary import EvaluationReport
from mriad_model.recipes.recipe import Recipe
from mriad_model.rejections import RejectedItem
from tasks.evaluation.evaluate import evaluate_fold, gather_labelled, write_evaluation_report
from tasks.reports.run_report import publish_summary
from tasks.runtime.connections import database
from tasks.runtime.home import work_folder
from tasks.runtime.model_cache import device_in_use
from tasks.runtime.progress import tell
from tasks.runtime.runs import recorded_run


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """The result of an evaluation."""

    report: EvaluationReport  # of the first recipe
    page: str  # path, relative to the home
    unlabelled: int  # files
    rejected: list[RejectedItem]
    others: tuple[EvaluationReport, ...] = ()  # of the other recipes, in order
    pages: tuple[str, ...] = ()  # theirs


@private_flow(
    name="evaluate_model", flow_run_name="evaluate {protocol}", workers=FOLDS, leaving=True
)
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
    listing: Listing | None = None,
    others: Sequence[str] = (),
    policy: Policy = Policy.SIGMAS,
    most_healthy: int | None = None,
) -> EvaluationResult:
    """Measure `recipe` (JSON) on the labelled scans of a folder; activates nothing.

    `others` are recipes to measure on the same folds, in the same way. `policy` and `k` are how
    each fold's threshold is drawn; a fold learns from `most_healthy` groups of scans, or from all.

    The scans do not enter the record: a fold's model is thrown away, and so are its scores.
    """
    for each in (recipe, *others):
        require_protocol(protocol, Recipe.from_json(each))
    place = str(home)
    plan = EvaluationPlan(protocol, repeats, folds, seed, policy, k, most_healthy=most_healthy)
    with recorded_run(database(place), "evaluate_model", flow_run.id, device_in_use(device)) as run:
        with work_folder(home, run.id) as scratch:
            found = []
            for number, each in enumerate((recipe, *others)):
                data = str(scratch / f"scans-{number}.safetensors")
                gathered = gather_labelled(folder, glob, labelling, each, data, listing)
                stem = scratch / f"fold-{number}"
                paths = [f"{stem}-{repeat}-{fold}.json" for repeat, fold in plan.folds]
                folds_run = [
                    evaluate_fold.submit(data, plan, each, repeat, fold, device, path)
                    for (repeat, fold), path in zip(plan.folds, paths, strict=True)
                ]
                tell(Recipe.from_json(each).name, 0, len(folds_run), unit="folds")
                for done, fold_run in enumerate(folds_run, start=1):
                    fold_run.result()
                    tell(Recipe.from_json(each).name, done, len(folds_run), unit="folds")
                written = write_evaluation_report(
                    place, run.id, folder, paths, gathered.rejected, number
                )
                found.append((*written, gathered))
            report, page, gathered = found[0]
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
    reports, pages, _ = zip(*found, strict=True)
    return EvaluationResult(
        report, page, gathered.unlabelled, gathered.rejected, reports[1:], pages[1:]
    )
