"""The flow that draws a new threshold from stored scores and decides again, with no inference."""

from dataclasses import dataclass
from pathlib import Path

from prefect.runtime import flow_run

from flows.runner import private_flow
from mriad_model.nouns import Policy
from tasks.recalibration import activate, decide_again, draw_threshold
from tasks.reporting import publish_summary
from tasks.resources import opened_record
from tasks.runs import recorded_run
from tasks.verdicts import Proposal


@dataclass(frozen=True, slots=True)
class Recalibration:
    """A new threshold in force, and how many decisions it added."""

    threshold_id: int
    proposal: Proposal
    decisions: int


@private_flow(name="recalibrate_threshold", flow_run_name="recalibrate {policy} {k}")
def recalibrate_threshold(
    home: Path, policy: Policy, k: float, author: str, new_healthy: bool = False
) -> Recalibration:
    """Append a threshold, an activation, and a decision on every scan decided before.

    With `new_healthy` it is drawn also from scored scans that were called healthy since.
    """
    place = str(home)
    with recorded_run(opened_record(place), "recalibrate_threshold", flow_run.id) as run:
        drawn = draw_threshold(place, run.id, policy, k, new_healthy=new_healthy)
        activate(place, drawn.threshold_id, f"recalibrated: {policy.value} {k:g}", author)
        decisions = decide_again(place, run.id, drawn.threshold_id)
        turned = drawn.proposal.flips
        run.counts.update(
            threshold_id=drawn.threshold_id,
            decisions=decisions,
            to_suspicious=turned.to_suspicious,
            to_normal=turned.to_normal,
        )
        publish_summary("recalibrate-summary", f"Threshold {drawn.threshold_id}", run.counts)
    return Recalibration(drawn.threshold_id, drawn.proposal, decisions)
