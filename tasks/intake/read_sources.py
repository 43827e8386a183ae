"""The one way in which files become scans: each source read in a child, into a scratch folder."""

from collections.abc import Iterator
from itertools import chain

from mriad_model.errors import RejectedFile
from mriad_model.readers.folders import FoundFile
from mriad_model.readers.images.reading import store_new_image
from mriad_model.readers.sandbox.time_budget import TimeBudget
from mriad_model.readers.scan_types import StoredScan
from mriad_model.readers.volume_files import store_volume
from tasks.intake.find_files import ScanSources
from tasks.runtime.connections import reader_pool
from tasks.runtime.workspace import Workspace

TOGETHER = 16  # pictures in one message to a child


def read_sources(
    sources: ScanSources, workspace: Workspace, budget: TimeBudget | None = None
) -> Iterator[tuple[tuple[FoundFile, ...], StoredScan | RejectedFile]]:
    """Each source's files, and the scan that they are, or why they are none: pictures first."""
    scratch = workspace.scratch()
    pictures = reader_pool().map(
        store_new_image,
        [(each.path, scratch) for each in sources.pictures],
        together=TOGETHER,
        budget=budget,
        folder_of=lambda job: str(job[0].parent),
    )
    volumes = reader_pool().map(
        store_volume,
        [(each, workspace.voxels(i, "read")) for i, each in enumerate(sources.volumes)],
        budget=budget,
        folder_of=lambda job: str(job[0].files[0].path.parent),
    )
    return zip(sources.files, chain(pictures, volumes), strict=True)
