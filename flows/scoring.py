"""The flow of every night: ingest what is new, score it, decide, paint, report."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from prefect.futures import PrefectFuture
from prefect.runtime import flow_run

from flows.ingestion import CHUNK_SIZE, intake_of
from flows.runner import ahead, data, private_flow
from tasks.drift import check_drift
from tasks.home import work_folder
from tasks.ingestion import Ingested, ingest_chunk
from tasks.listing import Found, chunked, find_files
from tasks.models import device_in_use
from tasks.preprocessing import preprocess_chunk
from tasks.progress import tell
from tasks.refused import Refused
from tasks.rejections import all_refused
from tasks.reporting import ScoreCounts, publish_summary, write_score_report
from tasks.resources import opened_record
from tasks.runs import RecordedRun, recorded_run
from tasks.scoring import ScoredChunk, score_chunk
from tasks.selection import InForce, Undecided, find_model, find_undecided

STEPS = 4  # of a chunk: read, select, prepare, score
IN_HAND = 2  # chunks: one is read or prepared while another is scored
TASKS_AT_ONCE = STEPS * IN_HAND


@dataclass(frozen=True, slots=True)
class ScoringResult:
    """What a scoring run came to."""

    new: int
    known: int
    rejected: list[Refused]
    scored: int
    suspicious: int
    recovered: int  # decided by an earlier run that was cut off; in this report too
    taught: int  # left out: the model learned from them
    unsuited: int  # left out: of another kind than the model learned
    unreadable: int  # left out: their files vanished or changed, or hold nothing to judge
    model_id: int
    threshold_id: int
    report: str  # path, relative to the home; the same as a table lies beside it, .csv
    warnings: list[str]  # of drift, said by this run
    seconds: float


@dataclass(slots=True)
class _Work:
    """A scoring run under way."""

    home: Path
    run: RecordedRun
    model: InForce
    device: str
    chunk_size: int
    folder: Path  # for intermediate files
    reads: list[PrefectFuture[Ingested]] = field(default_factory=list)
    selected: list[PrefectFuture[Undecided]] = field(default_factory=list)

    def chunks(self, found: Found, known: Undecided) -> Iterator[PrefectFuture[ScoredChunk]]:
        """Submit the steps of a chunk each time the next is asked for: known scans, then new."""
        home, run_id = str(self.home), self.run.id
        for number, piece in known.chunks(self.chunk_size):
            yield self._score(str(self.folder / f"known-{number}"), piece)
        for number, sources in chunked(found.unread, self.chunk_size):
            workspace = str(self.folder / f"new-{number}")
            read = ingest_chunk.submit(home, run_id, sources, workspace, keep=True)
            wanted = find_undecided.submit(home, run_id, self.model, read, return_state=False)
            self.reads.append(read)
            self.selected.append(wanted)
            yield self._score(workspace, wanted)

    def _score(
        self, workspace: str, wanted: Undecided | PrefectFuture[Undecided]
    ) -> PrefectFuture[ScoredChunk]:
        home, run_id, model = str(self.home), self.run.id, self.model
        prepared = preprocess_chunk.submit(
            home, run_id, model.recipe, wanted, workspace, return_state=False
        )
        return score_chunk.submit(
            home,
            run_id,
            model,
            self.device,
            workspace,
            wanted,
            wait_for=[prepared],
            return_state=False,
        )


@private_flow(name="score_new_scans", flow_run_name="score", workers=TASKS_AT_ONCE)
def score_new_scans(
    home: Path,
    folder: str,
    device: str = "auto",
    glob: str = "*",
    chunk_size: int = CHUNK_SIZE,
) -> ScoringResult:
    """Score what is new in a folder. A second run over the same folder adds nothing."""
    place = str(home)
    with recorded_run(
        opened_record(place), "score_new_scans", flow_run.id, device_in_use(device)
    ) as run:
        model = find_model(place)
        found = find_files(place, run.id, folder, glob)
        return score_found(home, run, model, found, folder, device, chunk_size, check=True)


def score_found(
    home: Path,
    run: RecordedRun,
    model: InForce,
    found: Found,
    folder: str,
    device: str,
    chunk_size: int,
    *,
    check: bool = False,
) -> ScoringResult:
    """Read what is new of what was found, score it and what is known but undecided; report.

    `folder` (escaped) is what the report names as the source. With `check` it is looked whether
    scores drift, before the report: once a night, for every look may be a false alarm.
    """
    started = time.monotonic()
    place = str(home)
    known = find_undecided(place, run.id, model, data(Ingested(found.known)))
    with work_folder(home, run.id) as scratch:
        work = _Work(home, run, model, device, chunk_size, scratch)
        chunks = _scored(work, found, known)
    intake = intake_of(found, [read.result() for read in work.reads])
    selected = [known, *(each.result() for each in work.selected)]
    left_out = [refused for each in selected for refused in each.refused]
    rejected = all_refused(place, run.id, [*intake.rejected, *left_out])
    intake = replace(intake, rejected=rejected)
    run.counts.update(intake.counts)
    counts = ScoreCounts(
        new=intake.new,
        known=intake.known,
        taught=len({i for each in selected for i in each.taught}),
        unsuited=len({i for each in selected for i in each.unsuited}),
        unreadable=sum(chunk.unreadable for chunk in chunks),
    )
    drifted = check_drift(place, run.id) if check else []
    report = write_score_report(
        place, run.id, model.threshold_id, folder, counts, data(intake.rejected)
    )
    run.counts.update(
        scored=report.scored,
        suspicious=report.suspicious,
        recovered=report.recovered,
        taught=counts.taught,
        unsuited=counts.unsuited,
        unreadable=counts.unreadable,
        warnings=len(drifted),
    )
    publish_summary(
        "score-summary",
        f"Scored {report.scored} scans, {report.suspicious} suspicious",
        {**run.counts, **intake.by_reason, "report": report.path},
    )
    return ScoringResult(
        new=intake.new,
        known=intake.known,
        rejected=intake.rejected,
        scored=report.scored,
        suspicious=report.suspicious,
        recovered=report.recovered,
        taught=counts.taught,
        unsuited=counts.unsuited,
        unreadable=counts.unreadable,
        model_id=model.model_id,
        threshold_id=model.threshold_id,
        report=report.path,
        warnings=drifted,
        seconds=time.monotonic() - started,
    )


def _scored(work: _Work, found: Found, known: Undecided) -> list[ScoredChunk]:
    """Score known and new files, chunk by chunk."""
    total = len(known.scan_ids) + len(found.unread)
    chunks = []
    done = 0
    for _, chunk in ahead(work.chunks(found, known), IN_HAND):
        chunks.append(chunk)
        done += chunk.wanted
        tell("scoring", done, total)
    return chunks
