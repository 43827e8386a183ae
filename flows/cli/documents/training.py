"""Documents of `mriad train` and `mriad retrain`."""

from typing import TYPE_CHECKING

from flows.cli.documents.fields import Document, keys
from flows.cli.documents.thresholds import RATE, power_document

if TYPE_CHECKING:
    from flows.runtime.retrain_result import RetrainingResult
    from flows.train import TrainingResult
    from tasks.runtime.progress import Took


def train_document(found: "TrainingResult") -> Document:
    """`mriad train`."""
    return {
        **keys(found, "model_id threshold_id n_train n_validation n_calibration"),
        **keys(found, "epochs best_epoch validation_loss seconds activated why"),
        **_took(found.took),
        **keys(found, "learned warnings n_folds from_model_id n_abnormal n_masks"),
        "comparison": keys(found.comparison, "text model active active_model_id"),
        "threshold": keys(found.threshold, f"policy k value n {RATE}"),
        "power": power_document(found.power),
    }


def retrain_document(found: "RetrainingResult") -> Document:
    """`mriad retrain`. What a training would give is null where nothing was trained."""
    return {
        **keys(found, "model_id threshold_id n_train n_validation n_calibration n_test"),
        **keys(found, "epochs best_epoch validation_loss seconds activated why"),
        **_took(found.took),
        **keys(found, "n_before n_new"),
        "power": power_document(found.power),
        "current_threshold_id": found.current_threshold_id,
        "comparison_id": found.comparison_id,
    }


def _took(found: "Took | None") -> Document:
    """Of all that was done; `seconds` are of fitting the detectors alone."""
    return {
        "seconds_in_all": None if found is None else found.seconds,
        "seconds_by_step": None if found is None else found.by_step,
    }
