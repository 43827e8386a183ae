"""The scoring flow: ingest new files, score, decide, draw heatmaps, report."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from prefect.runtime import flow_run

from db.repository.reports.unscored import unscored_scans
from db.repository.runs import recorded_by, with_shards
from flows.ingest import CHUNK_SIZE, ingest_result
from flows.runtime.private_flow import data, private_flow
from flows.runtime.sending import send_decided
from flows.score_pipeline import TASKS_AT_ONCE, ScoringPipeline, score_chunks
from flows.score_shards import score_in_shards
from mriad_model.delivery.pending import NO_FOLDERS, PendingFolders
from mriad_model.reasons import ReasonCount, count_reasons
from mriad_model.rejections import ALL_SCORED, NotScored, RejectedItem, not_scored, split_rejections
from tasks.intake.find_files import FoundScans, find_files
from tasks.intake.ingest import Ingested
from tasks.intake.rejections import all_rejected, rejected_after, with_unscored
from tasks.reports.run_report import ScoreCounts, publish_summary, write_score_report
from tasks.runtime.connections import database
from tasks.runtime.home import work_folder
from tasks.runtime.model_cache import device_in_use
from tasks.runtime.runs import RecordedRun, recorded_run
from tasks.scoring.chunks import chunks_of
from tasks.scoring.drift import check_drift
from tasks.scoring.power import check_power
from tasks.scoring.selection import ActiveModel, find_model, find_undecided
from tasks.sending.send import SendingOptions


@dataclass(frozen=True, slots=True)
class ScoringResult:
    """Result of a scoring run."""

    new: int
    known: int
    rejected: list[RejectedItem]
    scored: int  # normal, suspicious or uncertain
    suspicious: int
    uncertain: int
    not_scorable: int  # not like what was learned, or registration failed
    recovered: int  # decided by an interrupted run; in this report too
    recovered_suspicious: int  # of these
    training_scans: int  # not scored: the model was trained on them
    incompatible: int  # not scored: not of the model's kind
    unreadable: int  # not scored: files gone or changed, or nothing to score
    model_id: int
    threshold_id: int
    report: str  # path, relative to the home; the same as a table lies beside it, .csv
    warnings: list[str]  # of drift, silence, or what could not be sent, by this run
    seconds: float
    why_unreadable: NotScored = ALL_SCORED
    reasons: list[ReasonCount] = field(default_factory=list)  # uncertain or not scorable for


@private_flow(name="score_new_scans", flow_run_name="score", workers=TASKS_AT_ONCE)
def score_new_scans(
    home: Path,
    folder: str,
    device: str = "auto",
    glob: str = "*",
    chunk_size: int = CHUNK_SIZE,
    shards: int = 1,
    sending: SendingOptions | None = None,
) -> ScoringResult:
    """Score what is new in a folder, and send its DICOM outputs where `sending` says.

    A second run over the same folder adds nothing.
    """
    place = str(home)
    with recorded_run(
        database(place), "score_new_scans", flow_run.id, device_in_use(device)
    ) as run:
        model = find_model(place)
        found = find_files(place, run.id, folder, glob)
        scoring = score_found(
            home, run, model, found, folder, device, chunk_size, shards=shards, check=True
        )
        unsent = send_decided(home, run, sending)
    if unsent:
        write_again(home, run.id, folder, scoring, NO_FOLDERS, unsent)
    return replace(scoring, warnings=[*scoring.warnings, *unsent])


def score_found(
    home: Path,
    run: RecordedRun,
    model: ActiveModel,
    found: FoundScans,
    folder: str,
    device: str,
    chunk_size: int,
    *,
    shards: int = 1,
    check: bool = False,
    pending: PendingFolders = NO_FOLDERS,
) -> ScoringResult:
    """Read what is new of what was found, score it and what is known but undecided; report.

    `folder` (escaped) is the report's source. `shards` runs share the work, this one among them.
    With `check`, scores are tested for drift and the detector for silence: once a night, as every
    test may be a false alarm.
    """
    started = time.monotonic()
    place = str(home)
    known = find_undecided(place, run.id, model, data(Ingested(found.known)))
    chunks = chunks_of(known, found.unread, chunk_size)
    with work_folder(home, run.id) as scratch:
        pipeline = ScoringPipeline(place, run.id, model, device, scratch)
        done = (
            score_chunks(pipeline, chunks)
            if min(shards, len(chunks)) < 2
            else score_in_shards(home, flow_run.id, pipeline, chunks, shards)
        )
    intake = ingest_result(found, [each.read for each in done])
    if shards > 1:  # a scan may be new in one run, and read in another too
        engine = database(place)
        new = recorded_by(engine, with_shards(engine, [run.id])).scans
        intake = replace(intake, new=new, known=len(intake.seen) - new)
    selected = [known, *(each.selected for each in done)]
    unreadable = sum(each.scored.unreadable for each in done)
    limited = [item for each in selected for item in each.rejected]
    unscored = unscored_scans(database(place), [i for each in selected for i in each.scan_ids])
    lost = with_unscored(rejected_after(place, run.id, [*intake.rejected, *limited]), unscored)
    rejected = with_unscored(all_rejected(place, run.id, [*intake.rejected, *limited]), unscored)
    intake = replace(intake, rejected=rejected)
    run.counts.update({**intake.counts, "rejected": len(split_rejections(rejected).rejected)})
    unreadable = max(0, unreadable - len(unscored))  # they count as not scorable instead
    counts = ScoreCounts(
        new=intake.new,
        known=intake.known,
        training_scans=len({i for each in selected for i in each.training_scans}),
        incompatible=len({i for each in selected for i in each.incompatible}),
        unreadable=unreadable,
        why_unreadable=not_scored(unreadable, lost),
    )
    warned = [*check_drift(place, run.id), *check_power(place, run.id)] if check else []
    report = write_score_report(
        place,
        run.id,
        model.threshold_id,
        folder,
        counts,
        data(intake.rejected),
        data(pending),
    )
    run.counts.update(
        scored=report.scored,
        suspicious=report.suspicious,
        uncertain=report.uncertain,
        not_scorable=report.not_scorable + len(unscored),
        recovered=report.recovered,
        training_scans=counts.training_scans,
        incompatible=counts.incompatible,
        unreadable=counts.unreadable,
        warnings=len(warned),
    )
    publish_summary(
        "score-summary",
        f"Scored {report.scored} scans, {report.suspicious} suspicious, "
        f"{report.uncertain} uncertain; {report.not_scorable + len(unscored)} not scorable",
        {**run.counts, **intake.by_reason, "report": report.path},
    )
    return ScoringResult(
        new=intake.new,
        known=intake.known,
        rejected=intake.rejected,
        scored=report.scored,
        suspicious=report.suspicious,
        uncertain=report.uncertain,
        not_scorable=report.not_scorable + len(unscored),
        recovered=report.recovered,
        recovered_suspicious=report.recovered_suspicious,
        training_scans=counts.training_scans,
        incompatible=counts.incompatible,
        unreadable=counts.unreadable,
        model_id=model.model_id,
        threshold_id=model.threshold_id,
        report=report.path,
        warnings=warned,
        seconds=time.monotonic() - started,
        why_unreadable=counts.why_unreadable,
        reasons=[*report.reasons, *count_reasons((each.verdict, each.reason) for each in unscored)],
    )


def report_again(
    home: Path,
    run_id: int,
    folder: str,
    found: ScoringResult,
    pending: PendingFolders,
    unsent: Sequence[str],
) -> None:
    """Write a run's page once more, with what has changed since the run ended.

    A separate run in the record. If it is killed before the page is written, the next report lists
    the same changes.
    """
    with recorded_run(database(str(home)), "report_again", None) as run:
        write_again(home, run_id, folder, found, pending, unsent)
        run.counts.update(of_run=run_id)


def write_again(
    home: Path,
    run_id: int,
    folder: str,
    found: ScoringResult,
    pending: PendingFolders,
    unsent: Sequence[str],
) -> None:
    """Write the page of a run that has ended once more; `unsent` says what could not be sent."""
    counts = ScoreCounts(**{each.name: getattr(found, each.name) for each in fields(ScoreCounts)})
    write_score_report(
        str(home),
        run_id,
        found.threshold_id,
        folder,
        counts,
        data(found.rejected),
        data(pending),
        unsent,
    )
