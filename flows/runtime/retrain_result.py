"""The result of a retraining, and whether one is due. Without the workflow engine."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.repository.training.models import CurrentThreshold
from flows.runtime.settings import Settings
from mriad_model.promotion.comparison import PromotionCriteria
from mriad_model.promotion.growth import GrowthCriteria
from mriad_model.promotion.power import Power
from tasks.promotion.growth import GrowthCheck, growth_of_pool, holds_new_files
from tasks.runtime.progress import Took

if TYPE_CHECKING:
    from sqlalchemy import Engine


@dataclass(frozen=True, slots=True)
class RetrainingResult:
    """Result of a retraining. The fields of a training are None where nothing was trained."""

    activated: bool
    why: str
    n_before: int  # scans that the current model, or a candidate of it, was made of
    n_new: int  # healthy scans beside those
    current_threshold_id: int  # active before
    comparison_id: int | None = None
    model_id: int | None = None
    threshold_id: int | None = None
    n_train: int | None = None
    n_validation: int | None = None
    n_calibration: int | None = None
    n_test: int | None = None
    epochs: int | None = None
    best_epoch: int | None = None
    validation_loss: float | None = None
    seconds: float | None = None  # of fitting the detectors alone
    power: Power | None = None  # of the candidate, at its threshold
    took: Took | None = None  # all of it


def nothing_to_retrain(
    engine: "Engine", home: Path, current: CurrentThreshold, settings: Settings
) -> RetrainingResult | None:
    """The result where nothing would be trained; None where a run must find out.

    New files in the home's `healthy/` may be scans, so then a run must find out.
    """
    if holds_new_files(engine, home, home / "healthy"):
        return None
    timing = growth_of_pool(
        engine, current.threshold.model_id, current.model.recipe, growth_criteria(settings)
    )
    if timing.due:
        return None
    return not_retrained(current.threshold.id or 0, timing, too_little(timing))


def not_retrained(threshold_id: int, timing: GrowthCheck, why: str) -> RetrainingResult:
    """Nothing was trained; `threshold_id` stays active."""
    return RetrainingResult(
        activated=False,
        why=why,
        n_before=timing.growth.n_before,
        n_new=timing.growth.n_new,
        current_threshold_id=threshold_id,
    )


def too_little(timing: GrowthCheck) -> str:
    """Why nothing is trained, in words."""
    return f"nothing to do: {timing.text}"


def growth_criteria(settings: Settings) -> GrowthCriteria:
    """How much growth the settings ask for."""
    return GrowthCriteria(settings.retrain_share, settings.retrain_min)


def options_of(settings: Settings) -> dict[str, Any]:
    """The settings of a retraining, as `retrain_model` takes them."""
    return {
        "growth": growth_criteria(settings),
        "terms": PromotionCriteria(
            settings.retrain_margin, settings.retrain_rate_margin, settings.retrain_confidence
        ),
        "seed": settings.seed,
        "device": settings.device,
        "chunk_size": settings.chunk_size,
    }
