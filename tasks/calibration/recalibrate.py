"""Threshold recalibration: a new threshold, an activation and verdicts, from stored scores."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from db.repository.training import models as models_records
from mriad_model.enums import Policy
from tasks.calibration import thresholds
from tasks.runtime.connections import database


@task(name="recalibrate", cache_policy=NO_CACHE)
def draw_threshold(
    home: str, run_id: int, policy: Policy, k: float, *, new_healthy: bool
) -> tuple[int, thresholds.Proposal]:
    """Draw a threshold through the stored calibration scores and append it; its id comes first."""
    engine = database(home)
    proposal = thresholds.propose(engine, policy, k, new_healthy=new_healthy)
    return thresholds.append_proposal(engine, proposal, run_id), proposal


@task(name="activate", cache_policy=NO_CACHE)
def activate(home: str, threshold_id: int, reason: str, author: str) -> None:
    """Activate a threshold and its model."""
    models_records.activate(database(home), threshold_id, reason, author)


@task(name="decide-again", cache_policy=NO_CACHE)
def decide_again(home: str, run_id: int, threshold_id: int) -> int:
    """As `tasks.calibration.thresholds.decide_again`."""
    return thresholds.decide_again(database(home), threshold_id, run_id)
