"""A scoring run: its chunks are read, prepared and scored, two at a time."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prefect.exceptions import UnfinishedRun
from prefect.futures import PrefectFuture

from flows.runtime.private_flow import bounded_results
from tasks.intake.ingest import Ingested, ingest_chunk
from tasks.runtime.progress import tell
from tasks.scoring.chunks import Chunk, ChunkResult
from tasks.scoring.preprocess import preprocess_chunk
from tasks.scoring.score import ScoredChunk, score_chunk
from tasks.scoring.selection import ActiveModel, PendingScans, find_undecided, still_undecided

STEPS = 4  # of a chunk: read, select, prepare, score
IN_HAND = 2  # chunks: one is read or prepared while another is scored
TASKS_AT_ONCE = STEPS * IN_HAND


@dataclass(frozen=True, slots=True)
class _Submitted:
    """A chunk that is being worked on."""

    number: int
    read: PrefectFuture[Ingested] | None
    selected: PrefectFuture[PendingScans] | PendingScans

    def result(self, scored: ScoredChunk) -> ChunkResult:
        read = Ingested([]) if self.read is None else self.read.result()
        selected = self.selected
        if not isinstance(selected, PendingScans):
            selected = selected.result()
        return ChunkResult(read, selected, scored)


def score_chunks(pipeline: "ScoringPipeline", chunks: Sequence[Chunk]) -> list[ChunkResult]:
    """The result of each chunk, in order."""
    results = []
    progress = ScoringProgress(chunks)
    progress.begin()
    for number, result in pipeline.score(enumerate(chunks)):
        results.append(result)
        progress.add(number, result)
    return results


@dataclass(slots=True)
class ScoringProgress:
    """How far a run is: files read, and scans scored of those that are to be.

    What a file holds is known once it is read: a scan that is decided already, or that gets no
    score, is no longer among those to be scored.
    """

    chunks: Sequence[Chunk]
    finished: set[int] = field(default_factory=set)  # numbers of chunks
    read: int = 0
    scored: int = 0
    not_scored: int = 0

    def begin(self) -> None:
        """Nothing is done yet."""
        self._tell()

    def add(self, number: int, result: ChunkResult) -> None:
        """One more chunk is done."""
        chunk = self.chunks[number]
        scored = result.scored.wanted - result.scored.unreadable
        self.finished.add(number)
        self.scored += scored
        self.not_scored += chunk.n - scored
        if chunk.known is None:
            self.read += chunk.n
        self._tell(chunk)

    def _tell(self, ended: Chunk | None = None) -> None:
        """How far it is, after a chunk or before any."""
        files = sum(each.n for each in self.chunks if each.known is None)
        scans = sum(each.n for each in self.chunks) - self.not_scored
        if files and (ended is None or ended.known is None):
            tell("reading", self.read, files)
        if scans or ended is not None:
            tell("scoring", self.scored, scans)


@dataclass(frozen=True, slots=True)
class ScoringPipeline:
    """The steps of a chunk, as tasks of a run."""

    home: str
    run_id: int
    model: ActiveModel
    device: str
    folder: Path  # for intermediate files

    def score(self, chunks: Iterable[tuple[int, Chunk]]) -> Iterator[tuple[int, ChunkResult]]:
        """(number, result) of each (number, chunk). A chunk is asked for when its turn comes."""
        in_hand = deque[_Submitted]()
        try:
            for _, scored in bounded_results(self._submitted(chunks, in_hand), IN_HAND):
                first = in_hand.popleft()
                yield first.number, first.result(scored)
        except UnfinishedRun:  # an earlier step failed: raise that one's error
            for each in in_hand:
                each.result(ScoredChunk(0, 0, 0))
            raise

    def _submitted(
        self, chunks: Iterable[tuple[int, Chunk]], in_hand: deque[_Submitted]
    ) -> Iterator[PrefectFuture[ScoredChunk]]:
        """Submit the steps of a chunk each time the next is asked for."""
        for number, chunk in chunks:
            workspace = str(self.folder / f"chunk-{number}")
            read: PrefectFuture[Ingested] | None = None
            selected: PrefectFuture[PendingScans] | PendingScans
            if chunk.known is not None:
                scan_ids = chunk.known.scan_ids
                selected = still_undecided(self.home, self.model.threshold_id, scan_ids)
            else:
                read = ingest_chunk.submit(
                    self.home, self.run_id, chunk.unread, workspace, keep=True
                )
                selected = find_undecided.submit(
                    self.home, self.run_id, self.model, read, return_state=False
                )
            in_hand.append(_Submitted(number, read, selected))
            yield self._score(workspace, selected)

    def _score(
        self, workspace: str, wanted: PendingScans | PrefectFuture[PendingScans]
    ) -> PrefectFuture[ScoredChunk]:
        prepared = preprocess_chunk.submit(
            self.home,
            self.run_id,
            self.model.recipe,
            wanted,
            workspace,
            model_id=self.model.model_id,
            return_state=False,
        )
        return score_chunk.submit(
            self.home,
            self.run_id,
            self.model,
            self.device,
            workspace,
            wanted,
            wait_for=[prepared],
            return_state=False,
        )
