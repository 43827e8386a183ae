"""Threshold recalibration: a new threshold, an activation and verdicts, from stored scores."""

from dataclasses import dataclass

from prefect import task
from prefect.cache_policies import NO_CACHE

from db.repository import models as models_records
from mriad_model.enums import Policy
from tasks.runtime.connections import database
from tasks.training import thresholds as verdicts


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """A new threshold in the record."""

    threshold_id: int
    proposal: verdicts.Proposal


@task(name="recalibrate", cache_policy=NO_CACHE)
def draw_threshold(
    home: str, run_id: int, policy: Policy, k: float, *, new_healthy: bool
) -> Recalibrated:
    """Draw a threshold through the stored calibration scores and append it."""
    engine = database(home)
    proposal = verdicts.propose(engine, policy, k, new_healthy=new_healthy)
    return Recalibrated(verdicts.append_proposal(engine, proposal, run_id), proposal)


@task(name="activate", cache_policy=NO_CACHE)
def activate(home: str, threshold_id: int, reason: str, author: str) -> None:
    """Activate a threshold and its model."""
    models_records.activate(database(home), threshold_id, reason, author)


@task(name="decide-again", cache_policy=NO_CACHE)
def decide_again(home: str, run_id: int, threshold_id: int) -> int:
    """Append the threshold's verdict on every scan that its model has decided; how many."""
    return verdicts.decide_again(database(home), threshold_id, run_id)
