"""The flow of every night: ingest what is new, score it, decide, paint, report."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect.futures import PrefectFuture
from prefect.runtime import flow_run

from flows.ingestion import CHUNK_SIZE, take_in
from flows.runner import ahead, private_flow
from tasks.home import work_folder
from tasks.ingestion import Refused
from tasks.models import device_in_use
from tasks.preprocessing import preprocess_chunk
from tasks.progress import tell
from tasks.reporting import ScoreCounts, publish_summary, write_score_report
from tasks.resources import opened_record
from tasks.runs import RecordedRun, recorded_run
from tasks.scoring import ScoredChunk, score_chunk
from tasks.selection import InForce, Undecided, find_model, find_undecided, in_chunks


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
    unreadable: int  # left out: their files vanished or changed
    model_id: int
    threshold_id: int
    report: str  # path, relative to the home
    seconds: float


@private_flow(name="score_new_scans", flow_run_name="score")
def score_new_scans(
    home: Path,
    folder: str,
    device: str = "auto",
    glob: str = "*",
    chunk_size: int = CHUNK_SIZE,
) -> ScoringResult:
    """Score what is new in a folder. A second run over the same folder adds nothing."""
    started = time.monotonic()
    place = str(home)
    with recorded_run(
        opened_record(place), "score_new_scans", flow_run.id, device_in_use(device)
    ) as run:
        model = find_model(place)
        intake = take_in(home, run, folder, glob=glob, chunk_size=chunk_size)
        todo = find_undecided(place, model.model_id, model.threshold_id, intake.scan_ids)
        chunks = _score(home, run, model, todo, device, chunk_size)
        counts = ScoreCounts(
            new=intake.new,
            known=intake.known,
            taught=todo.taught,
            unreadable=sum(chunk.unreadable for chunk in chunks),
        )
        report = write_score_report(place, run.id, folder, counts, intake.rejected)
        run.counts.update(
            scored=report.scored,
            suspicious=report.suspicious,
            recovered=report.recovered,
            taught=counts.taught,
            unreadable=counts.unreadable,
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
        unreadable=counts.unreadable,
        model_id=model.model_id,
        threshold_id=model.threshold_id,
        report=report.path,
        seconds=time.monotonic() - started,
    )


def _score(
    home: Path, run: RecordedRun, model: InForce, todo: Undecided, device: str, chunk_size: int
) -> list[ScoredChunk]:
    """Prepare one chunk while another is scored; never more than two are in hand."""
    total = len(todo.scan_ids)
    done = []
    with work_folder(home, run.id) as folder:

        def submit(number: int, scan_ids: Sequence[int]) -> PrefectFuture[ScoredChunk]:
            path = str(folder / f"{number}.safetensors")
            prepared = preprocess_chunk.submit(str(home), run.id, model.recipe, scan_ids, path)
            return score_chunk.submit(
                str(home),
                run.id,
                model.model_id,
                model.threshold_id,
                device,
                path,
                len(scan_ids),
                wait_for=[prepared],
                return_state=False,
            )

        chunks = in_chunks(todo.scan_ids, chunk_size)
        for number, chunk in ahead(submit(*each) for each in chunks):
            done.append(chunk)
            tell("scoring", min(number * chunk_size, total), total)
    return done
