"""The flows that score what arrived: at once when folders settle, and every night for the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect.runtime import flow_run

from flows.retrain import retrain_model
from flows.runtime.context import Context
from flows.runtime.private_flow import AUTHOR, private_flow, worker_context
from flows.runtime.retrain_result import options_of
from flows.runtime.sending import send_by_itself, sending_options
from flows.runtime.turns import turn_at
from flows.score import ScoringResult, report_again, score_found, write_again
from flows.score_pipeline import TASKS_AT_ONCE
from mriad_model.delivery.pending import NO_FOLDERS, PendingFolders
from mriad_model.paths import escape_path
from tasks.intake.arrivals import Arrived, end_arrivals, find_arrived, sweep
from tasks.runtime.connections import database
from tasks.runtime.model_cache import device_in_use
from tasks.runtime.runs import RecordedRun, recorded_run
from tasks.scoring.selection import find_model


@dataclass(frozen=True, slots=True)
class ArrivalsScored:
    """Result of a run over arrivals."""

    scoring: ScoringResult
    folder: str  # that all of them lie in, escaped
    arrivals: int  # that it is done with
    waiting: int  # folders that changed after they had settled: left for their next state
    vanished: int  # folders that are gone
    pending: PendingFolders  # folders not scored yet, as the report lists them


@private_flow(name="score_arrivals", flow_run_name="arrivals", workers=TASKS_AT_ONCE)
def score_arrivals(
    home: Path | None = None, arrival_ids: list[int] | None = None, device: str | None = None
) -> ArrivalsScored:
    """Score what the folders of these arrivals hold (None: of all that are open).

    By ids, as Prefect keeps parameters and folders may be named after patients. Without `home` and
    `device`, those of the settings.
    """
    place = worker_context(home, device=device)
    device = device_in_use(place.settings.device)
    with (
        turn_at(place.home),
        recorded_run(database(str(place.home)), "score_arrivals", flow_run.id, device) as run,
    ):
        scored = _score(place, run, arrival_ids)
    _send(place, run.id, scored)
    return scored


@private_flow(name="nightly", flow_run_name="nightly", workers=TASKS_AT_ONCE)
def nightly(home: Path | None = None) -> ArrivalsScored:
    """Sweep the watched folder, score all that has settled and is not decided, report.

    Then train again, if the healthy pool has grown enough; the result is added to the report.
    """
    place = worker_context(home)
    device = device_in_use(place.settings.device)
    with (
        turn_at(place.home),
        recorded_run(database(str(place.home)), "nightly", flow_run.id, device) as run,
    ):
        watched = place.watched
        swept = sweep(str(place.home), escape_path(watched), place.settings.quiet_seconds)
        run.counts.update(settled=swept.settled, unsettled=swept.pending.n)
        if not swept.present:
            run.counts["watched_folder"] = "missing"
        scored = _score(place, run, None, swept.pending, check=True)
    unsent = _send(place, run.id, scored)
    try:
        retrained = retrain_model(place.home, author=AUTHOR, **options_of(place.settings))
    except Exception:
        report_again(place.home, run.id, scored.folder, scored.scoring, scored.pending, unsent)
        raise
    if retrained.comparison_id is not None:
        report_again(place.home, run.id, scored.folder, scored.scoring, scored.pending, unsent)
    return scored


def _send(place: Context, run_id: int, scored: ArrivalsScored) -> list[str]:
    """Send what is decided, after the turn: other runs need not wait for a PACS.

    What could not be sent stands in the run's page then.
    """
    unsent = send_by_itself(place.home, sending_options(place.settings))
    if unsent:
        write_again(place.home, run_id, scored.folder, scored.scoring, scored.pending, unsent)
    return unsent


def _score(
    place: Context,
    run: RecordedRun,
    arrival_ids: Sequence[int] | None,
    swept: PendingFolders = NO_FOLDERS,
    *,
    check: bool = False,
) -> ArrivalsScored:
    home, settings = str(place.home), place.settings
    model = find_model(home)
    arrived: Arrived = find_arrived(home, run.id, arrival_ids)
    run.counts.update(
        arrivals=len(arrived.done), waiting=arrived.waiting, vanished=arrived.vanished
    )
    pending = swept.and_also(arrived.pending)
    scoring = score_found(
        place.home,
        run,
        model,
        arrived.found,
        arrived.folder,
        settings.device,
        settings.chunk_size,
        shards=settings.shards,
        check=check,
        pending=pending,
    )
    end_arrivals(home, run.id, arrived.done)
    return ArrivalsScored(
        scoring, arrived.folder, len(arrived.done), arrived.waiting, arrived.vanished, pending
    )
