"""The flow that registers scans, and the walk through a folder that other flows begin with."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from prefect.futures import PrefectFuture
from prefect.runtime import flow_run

from flows.runtime.private_flow import bounded_results, data, private_flow
from mriad_model.datasets.labels import Labelling
from mriad_model.rejections import RejectedItem
from tasks.intake.doubtful_labels import masks_among_scans
from tasks.intake.find_files import FoundScans, ScanSources, chunked, find_files
from tasks.intake.ingest import Ingested, ingest_chunk, label_scans
from tasks.reports.run_report import publish_summary
from tasks.runtime.connections import database
from tasks.runtime.home import work_folder
from tasks.runtime.progress import tell
from tasks.runtime.runs import RecordedRun, recorded_run

CHUNK_SIZE = 512


@dataclass(frozen=True, slots=True)
class IngestResult:
    """Result of ingesting a folder."""

    new: int
    known: int
    rejected: list[RejectedItem]
    seen: list[tuple[int, str]]  # (scan id, path)
    labelled: int = 0  # labels added
    unlabelled: int = 0  # files that the labelling does not mention
    copies: int = 0  # of the known: read for the first time, with the pixels of another file
    warnings: list[str] = field(default_factory=list)  # of doubtful labels

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


def ingest_folder(
    home: Path,
    run: RecordedRun,
    folder: str,
    *,
    labelling: Labelling | None = None,
    glob: str = "*",
    chunk_size: int = CHUNK_SIZE,
) -> IngestResult:
    """List a folder, read what is new in it, label what it holds."""
    found = find_files(str(home), run.id, folder, glob)
    reads = []
    done = 0
    with work_folder(home, run.id) as scratch:

        def submit(number: int, sources: ScanSources) -> PrefectFuture[Ingested]:
            workspace = str(scratch / f"read-{number}")
            return ingest_chunk.submit(str(home), run.id, sources, workspace, keep=False)

        if found.unread:
            tell("reading", done, len(found.unread))
        # One chunk is read while the one before is written.
        for _, read in bounded_results(submit(*each) for each in chunked(found.unread, chunk_size)):
            reads.append(read)
            done += read.n_sources
            tell("reading", done, len(found.unread))
    intake = ingest_result(found, reads)
    if labelling is not None:
        labels = label_scans(str(home), run.id, folder, labelling, data(intake.seen))
        intake = replace(
            intake,
            labelled=labels.added,
            unlabelled=labels.unlabelled,
            warnings=list(labels.doubts),
        )
    masks = masks_among_scans(database(str(home)), found.known)
    intake = replace(intake, warnings=[*masks, *intake.warnings])
    run.counts.update(intake.counts)
    return intake


def ingest_result(found: FoundScans, reads: Iterable[Ingested]) -> IngestResult:
    """The result of listing a folder and reading its files."""
    seen, rejected, new = list(found.known), list(found.rejected), 0
    for read in reads:
        seen += read.seen
        rejected += read.rejected
        new += read.new
    copies = len(seen) - len(found.known) - new
    return IngestResult(new=new, known=len(seen) - new, rejected=rejected, seen=seen, copies=copies)


@private_flow(name="ingest_scans", flow_run_name="ingest")
def ingest_scans(
    home: Path,
    folder: str,
    labelling: Labelling | None = None,
    glob: str = "*",
    chunk_size: int = CHUNK_SIZE,
) -> IngestResult:
    """Register the scans of a folder. Safe to run again: what is known is counted, not added."""
    with recorded_run(database(str(home)), "ingest_scans", flow_run.id) as run:
        intake = ingest_folder(
            home, run, folder, labelling=labelling, glob=glob, chunk_size=chunk_size
        )
        publish_summary(
            "ingest-summary", f"Ingested {intake.new} new scans", {**run.counts, **intake.by_reason}
        )
    return intake
