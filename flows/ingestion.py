"""The flow that registers scans, and the walk through a folder that other flows begin with."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from prefect.futures import PrefectFuture
from prefect.runtime import flow_run

from flows.runner import ahead, data, private_flow
from tasks.home import work_folder
from tasks.ingestion import Ingested, Labelling, ingest_chunk, label_scans
from tasks.listing import Found, Sources, chunked, find_files
from tasks.progress import tell
from tasks.refused import Refused
from tasks.reporting import publish_summary
from tasks.resources import opened_record
from tasks.runs import RecordedRun, recorded_run

CHUNK_SIZE = 512


@dataclass(frozen=True, slots=True)
class Intake:
    """What a folder held."""

    new: int
    known: int
    rejected: list[Refused]
    seen: list[tuple[int, str]]  # (scan id, path)
    labelled: int = 0  # labels added
    unlabelled: int = 0  # files of which the labelling said nothing

    @property
    def counts(self) -> dict[str, int]:
        """What the run records of it."""
        return {
            "new": self.new,
            "known": self.known,
            "rejected": len(self.rejected),
            "labelled": self.labelled,
        }

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
    found = find_files(str(home), run.id, folder, glob)
    reads = []
    done = 0
    with work_folder(home, run.id) as scratch:

        def submit(number: int, sources: Sources) -> PrefectFuture[Ingested]:
            workspace = str(scratch / f"read-{number}")
            return ingest_chunk.submit(str(home), run.id, sources, workspace, keep=False)

        # One chunk is read while the one before is written.
        for _, read in ahead(submit(*each) for each in chunked(found.unread, chunk_size)):
            reads.append(read)
            done += read.n_sources
            tell("reading", done, len(found.unread))
    intake = intake_of(found, reads)
    if labelling is not None:
        said = label_scans(str(home), folder, labelling, data(intake.seen))
        intake = replace(intake, labelled=said.added, unlabelled=said.unlabelled)
    run.counts.update(intake.counts)
    return intake


def intake_of(found: Found, reads: Iterable[Ingested]) -> Intake:
    """What the listing of a folder and the reading of its files come to."""
    seen, rejected, new = list(found.known), list(found.refused), 0
    for read in reads:
        seen += read.seen
        rejected += read.rejected
        new += read.new
    return Intake(new=new, known=len(seen) - new, rejected=rejected, seen=seen)


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
