"""A scoring run under way: its scans claimed, read, prepared and scored chunk by chunk."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prefect.exceptions import UnfinishedRun
from prefect.futures import PrefectFuture

from db.entities import Claim
from flows.private_flow import bounded_results
from tasks.intake.find_files import ScanSources, chunked
from tasks.intake.ingest import Ingested, ingest_chunk
from tasks.runtime.progress import tell
from tasks.scoring.claiming import Claimant, are_held, claim
from tasks.scoring.preprocess import preprocess_chunk
from tasks.scoring.score import ScoredChunk, score_chunk
from tasks.scoring.selection import (
    ActiveModel,
    PendingScans,
    claimed,
    find_undecided,
    still_undecided,
)

STEPS = 4  # of a chunk: read, select, prepare, score
IN_HAND = 2  # chunks: one is read or prepared while another is scored
TASKS_AT_ONCE = STEPS * IN_HAND
LOOK_SECONDS = 1.0  # between looks at what others hold


@dataclass(slots=True)
class ScoringPipeline:
    """Reads, prepares and scores chunks; what others work on is left until the end."""

    home: str
    run_id: int
    model: ActiveModel
    device: str
    chunk_size: int
    folder: Path  # for intermediate files
    claimant: Claimant
    reads: list[Ingested] = field(default_factory=list)
    selected: list[PendingScans] = field(default_factory=list)  # of what was read
    _chunks: list[ScoredChunk] = field(default_factory=list)
    _elsewhere: list[int] = field(default_factory=list)
    _workspaces: int = 0
    _done: int = 0
    _total: int = 0

    @property
    def decided(self) -> int:
        """Decisions that this run made."""
        return sum(each.decided for each in self._chunks)

    @property
    def unreadable(self) -> int:
        """Scans that this run could not read or judge."""
        return sum(each.unreadable for each in self._chunks)

    @property
    def doubled(self) -> int:
        """Scans that this run scored, and another decided meanwhile."""
        return sum(each.wanted - each.unreadable - each.decided for each in self._chunks)

    def score(
        self,
        known: PendingScans,
        unread: Sequence[ScanSources] = (),
        tend: Callable[[], None] = lambda: None,
    ) -> None:
        """Score scans of the record, then those in files not read before.

        `tend` is called now and then.
        """
        self._total += len(known.scan_ids) + len(unread)
        selections: list[PrefectFuture[PendingScans]] = []
        reads: list[PrefectFuture[Ingested]] = []
        try:
            for _, chunk in bounded_results(
                self._submitted(known, unread, reads, selections), IN_HAND
            ):
                self._chunks.append(chunk)
                self._tell(chunk.wanted)
                tend()
        except UnfinishedRun:  # a step failed that this one waits for: what that one says
            for read in reads:
                read.result()
            for selection in selections:
                selection.result()
            raise
        self.reads += [each.result() for each in reads]
        self.selected += [each.result() for each in selections]

    def take_over(self, are_busy: Callable[[], bool] = lambda: False) -> list[int]:
        """Score what dead owners held; the scans that living ones are still at work on.

        While helpers `are_busy` they are waited for.
        """
        left = [*self._elsewhere, *(i for each in self.selected for i in each.elsewhere)]
        self._elsewhere = []
        seen: list[Claim] | None = None
        while left:
            found = claim(self.home, self.claimant, left)
            if found.ours:
                self.score(still_undecided(self.home, self.model.threshold_id, found.ours))
            held = found.elsewhere
            if not are_busy() and seen is not None and are_held(seen, held):
                return [each.scan_id for each in held]
            left, seen = [each.scan_id for each in held], held if seen is None else seen
            if left:
                time.sleep(LOOK_SECONDS)
        return []

    def _submitted(
        self,
        known: PendingScans,
        unread: Sequence[ScanSources],
        reads: list[PrefectFuture[Ingested]],
        selections: list[PrefectFuture[PendingScans]],
    ) -> Iterator[PrefectFuture[ScoredChunk]]:
        """Submit the steps of a chunk each time the next is asked for."""
        for _, piece in known.chunks(self.chunk_size):
            ours = claimed(self.home, self.claimant, piece)
            self._elsewhere += ours.elsewhere
            self._tell(len(piece.scan_ids) - len(ours.scan_ids))
            if ours.scan_ids:
                yield self._score(self._workspace(), ours)
        for _, sources in chunked(unread, self.chunk_size):
            workspace = self._workspace()
            read = ingest_chunk.submit(self.home, self.run_id, sources, workspace, keep=True)
            wanted = find_undecided.submit(
                self.home, self.run_id, self.model, read, self.claimant, return_state=False
            )
            reads.append(read)
            selections.append(wanted)
            yield self._score(workspace, wanted)

    def _score(
        self, workspace: str, wanted: PendingScans | PrefectFuture[PendingScans]
    ) -> PrefectFuture[ScoredChunk]:
        prepared = preprocess_chunk.submit(
            self.home, self.run_id, self.model.recipe, wanted, workspace, return_state=False
        )
        return score_chunk.submit(
            self.home,
            self.run_id,
            self.model,
            self.device,
            workspace,
            wanted,
            self.claimant,
            wait_for=[prepared],
            return_state=False,
        )

    def _workspace(self) -> str:
        self._workspaces += 1
        return str(self.folder / f"chunk-{self._workspaces}")

    def _tell(self, done: int) -> None:
        self._done += done
        tell("scoring", self._done, self._total)
