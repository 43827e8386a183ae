"""The whole job once, on drawn heads or on a folder with `no` and `yes`."""

from dataclasses import dataclass
from pathlib import Path

from flows.evaluate import EvaluationResult, evaluate_model
from flows.ingest import IngestResult, ingest_scans
from flows.runtime.demo_home import DRAWN
from flows.runtime.private_flow import private_flow
from flows.runtime.settings import Settings, local_user
from flows.score import ScoringResult, score_new_scans
from flows.train import TrainingResult, train_model
from flows.verify import verify_decisions
from mriad_model.datasets.labels import Labelling
from mriad_model.errors import NoScans
from mriad_model.evaluation.protocol import EvaluationProtocol
from mriad_model.paths import escape_path
from mriad_model.recipes.built_in_recipes import of_epochs, recipe_named
from tasks.intake.demo_scans import draw_heads
from tasks.maintenance.verify_report import ReplayReport

N_HEALTHY = 120
N_ABNORMAL = 60
FOLDS = 3
EPOCHS = 3  # for drawn heads: of each of three members, so that it takes minutes


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The result of each step of the demonstration."""

    intake: IngestResult
    training: TrainingResult
    scoring: ScoringResult
    replay: ReplayReport
    evaluation: EvaluationResult


@private_flow(name="draw_demo_heads", flow_run_name="draw heads")
def draw_demo_heads(folder: str, seed: int = 0) -> None:
    """Draw the demonstration's heads."""
    draw_heads(folder, N_HEALTHY, N_ABNORMAL, seed)


def run_demo(
    home: Path, data: str | None, settings: Settings, epochs: int | None = None
) -> DemoResult:
    """Ingest, train, score what was not trained on, replay, evaluate.

    `data` is a folder (escaped) with `no` and `yes`; None for drawn heads, with fewer epochs.
    """
    if data is None:
        data = escape_path(home / DRAWN)
        draw_demo_heads(data)
        epochs = epochs or EPOCHS
    recipe = of_epochs(recipe_named(settings.recipe), epochs).to_json()
    labelling = Labelling(local_user(), from_folders=True)
    intake = ingest_scans(home, data, labelling)
    if not intake.seen:
        raise NoScans(f"{data}: no scans there; name a folder with pictures in no/ and yes/")
    training = train_model(
        home,
        recipe,
        local_user(),
        seed=settings.seed,
        k=settings.sigmas,
        device=settings.device,
    )
    scoring = score_new_scans(home, data, settings.device)
    replay = verify_decisions(home, None, settings.device)
    evaluation = evaluate_model(
        home,
        data,
        EvaluationProtocol.HELDOUT,
        recipe,
        labelling,
        folds=FOLDS,
        k=settings.sigmas,
        seed=settings.seed,
        device=settings.device,
    )
    return DemoResult(intake, training, scoring, replay, evaluation)
