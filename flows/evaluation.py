"""The flow that measures a recipe on labelled images, fold by fold."""

from pathlib import Path
from typing import Any

from prefect.runtime import flow_run

from flows.runner import FOLDS, private_flow
from mriad_model.evaluation.plan import EvaluationPlan, EvaluationProtocol
from tasks.evaluation import evaluate_fold, gather_labelled, write_evaluation_report
from tasks.home import work_folder
from tasks.ingestion import Labelling
from tasks.models import device_in_use
from tasks.progress import tell
from tasks.reporting import publish_summary
from tasks.resources import opened_record
from tasks.runs import recorded_run


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
) -> dict[str, Any]:
    """Measure `recipe` (JSON) on the labelled images of a folder; nothing is put in force.

    The images do not enter the record: a fold's model is thrown away, and so are its scores.
    """
    place = str(home)
    plan = EvaluationPlan(protocol, repeats, folds, seed, k=k)
    with recorded_run(
        opened_record(place), "evaluate_model", flow_run.id, device_in_use(device)
    ) as run:
        with work_folder(home, run.id) as scratch:
            data = str(scratch / "images.safetensors")
            gathered = gather_labelled(folder, glob, labelling, recipe, data)
            paths = [str(scratch / f"fold-{repeat}-{fold}.json") for repeat, fold in plan.folds]
            folds_run = [
                evaluate_fold.submit(data, plan, recipe, repeat, fold, device, path)
                for (repeat, fold), path in zip(plan.folds, paths, strict=True)
            ]
            for done, fold_run in enumerate(folds_run, start=1):
                fold_run.result()
                tell("folds", done, len(folds_run))
            found = write_evaluation_report(place, run.id, folder, paths, gathered.rejected)
        figures = {name: found[name] for name in ("n_healthy", "n_abnormal", "auroc", "f1")}
        run.counts.update({name: value for name, value in figures.items() if value is not None})
        publish_summary(
            "evaluate-summary", f"Evaluated run {run.id}, protocol {protocol.value}", figures
        )
    found["unlabelled"] = gathered.unlabelled
    found["rejected"] = [
        {"path": each.path, "reason": each.reason, "detail": each.detail}
        for each in gathered.rejected
    ]
    return found
