"""The flow that draws a new threshold from stored scores and decides again, with no inference."""

from dataclasses import dataclass
from pathlib import Path

from prefect.runtime import flow_run

from flows.runtime.private_flow import AUTHOR, private_flow, worker_context
from mriad_model.enums import Policy
from tasks.calibration.recalibrate import activate, decide_again, draw_threshold
from tasks.calibration.thresholds import Proposal, recalibration_terms
from tasks.reports.run_report import publish_summary
from tasks.runtime.connections import database
from tasks.runtime.runs import recorded_run


@dataclass(frozen=True, slots=True)
class Recalibration:
    """A new active threshold, and how many decisions it added."""

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
    with recorded_run(database(place), "recalibrate_threshold", flow_run.id) as run:
        threshold_id, proposal = draw_threshold(place, run.id, policy, k, new_healthy=new_healthy)
        activate(place, threshold_id, f"recalibrated: {policy.value} {k:g}", author)
        decisions = decide_again(place, run.id, threshold_id)
        run.counts.update(
            threshold_id=threshold_id,
            decisions=decisions,
            to_suspicious=proposal.flips.to_suspicious,
            to_uncertain=proposal.flips.to_uncertain,
            to_normal=proposal.flips.to_normal,
        )
        publish_summary("recalibrate-summary", f"Threshold {threshold_id}", run.counts)
    return Recalibration(threshold_id, proposal, decisions)


@private_flow(name="recalibrate", flow_run_name="recalibrate")
def recalibrate(
    home: Path | None = None, policy: Policy | None = None, k: float | None = None
) -> Recalibration | None:
    """Draw the threshold anew, also from scans labelled healthy since; None if it does not change.

    Without `policy` and `k`, the active ones, so that a schedule does not undo what people chose.
    """
    place = worker_context(home)
    terms = recalibration_terms(database(str(place.home)), policy, k, new_healthy=True)
    if not terms.changes:
        return None
    return recalibrate_threshold(place.home, terms.policy, terms.k, AUTHOR, new_healthy=True)
