"""The flow that registers scans, and the walk through a folder that other flows begin with."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from prefect.runtime import flow_run

from flows.runner import ahead, private_flow
from tasks.ingestion import Labelled, Labelling, Refused, find_files, ingest_chunk, label_scans
from tasks.progress import tell
from tasks.reporting import publish_summary
from tasks.resources import opened_record
from tasks.runs import RecordedRun, recorded_run
from tasks.selection import in_chunks

CHUNK_SIZE = 512


@dataclass(frozen=True, slots=True)
class Intake:
    """What a folder held."""

    new: int
    known: int
    labelled: int  # labels added
    unlabelled: int  # files of which the labelling said nothing
    rejected: list[Refused] = field(default_factory=list)
    scan_ids: list[int] = field(default_factory=list)

    @property
    def by_reason(self) -> dict[str, int]:
        """How many files were rejected for which reason."""
        return dict(sorted(Counter(each.reason for each in self.rejected).items()))


def take_in(
    home: Path,
    run: RecordedRun,
    folder: str,
    *,
    labelling: Labelling | None = None,
    glob: str = "*",
    chunk_size: int = CHUNK_SIZE,
) -> Intake:
    """List a folder, read what is new in it, label what it holds."""
    found = find_files(str(home), folder, glob)
    seen = list(found.known)
    rejected = list(found.refused)
    new = 0
    # One chunk is read while the one before is written.
    for number, read in ahead(
        ingest_chunk.submit(str(home), run.id, files)
        for _, files in in_chunks(found.unread, chunk_size)
    ):
        seen += read.seen
        rejected += read.rejected
        new += read.new
        tell("reading", min(number * chunk_size, len(found.unread)), len(found.unread))
    said = label_scans(str(home), folder, labelling, seen) if labelling else Labelled(0, 0)
    intake = Intake(
        new=new,
        known=len(seen) - new,
        labelled=said.added,
        unlabelled=said.unlabelled,
        rejected=rejected,
        scan_ids=[scan_id for scan_id, _ in seen],
    )
    run.counts.update(new=new, known=intake.known, rejected=len(rejected), labelled=said.added)
    return intake


@private_flow(name="ingest_scans", flow_run_name="ingest")
def ingest_scans(
    home: Path,
    folder: str,
    labelling: Labelling | None = None,
    glob: str = "*",
    chunk_size: int = CHUNK_SIZE,
) -> Intake:
    """Register the scans of a folder. Safe to run again: what is known is counted, not added."""
    with recorded_run(opened_record(str(home)), "ingest_scans", flow_run.id) as run:
        intake = take_in(home, run, folder, labelling=labelling, glob=glob, chunk_size=chunk_size)
        publish_summary(
            "ingest-summary", f"Ingested {intake.new} new scans", {**run.counts, **intake.by_reason}
        )
    return intake
