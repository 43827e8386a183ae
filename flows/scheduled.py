"""Flows as deployments run them: their settings come from the environment, and the home may."""

from pathlib import Path

from flows.deployed import AUTHOR, deployed_place
from flows.recalibration import Recalibration, recalibrate_threshold
from flows.retrained import RetrainingResult, options_of
from flows.retraining import retrain_model
from flows.runner import private_flow
from mriad_model.nouns import Policy
from tasks.resources import opened_record
from tasks.verdicts import terms_in_force


@private_flow(name="retrain_on_growth", flow_run_name="retrain, if the healthy pool has grown")
def retrain_on_growth(home: Path | None = None, force: bool = False) -> RetrainingResult:
    """Train again where the healthy pool has grown enough; see `mriad retrain`."""
    place = deployed_place(home)
    done: RetrainingResult = retrain_model(place.home, force, AUTHOR, **options_of(place.settings))
    return done


@private_flow(name="recalibrate", flow_run_name="recalibrate")
def recalibrate(
    home: Path | None = None, policy: Policy | None = None, k: float | None = None
) -> Recalibration | None:
    """Draw the threshold anew, also from scans that people called healthy since.

    None where it comes out as it is; else the activation says that it was drawn by schedule.

    Healthy scans that imports brought since count too.

    Without `policy` and `k`, those in force, so that a schedule does not undo what people chose.
    """
    place = deployed_place(home)
    terms = terms_in_force(opened_record(str(place.home)), policy, k, new_healthy=True)
    if not terms.changes:
        return None
    return recalibrate_threshold(place.home, terms.policy, terms.k, AUTHOR, new_healthy=True)
