"""The chunks of a scoring run and their results, as files that several runs share.

The run that begins a night writes its chunks into its work folder, which only the home's owner can
read; every run writes the results of its chunks there.
"""

import json
import os
import time
from collections.abc import Callable, Container, Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter

from mriad_model.files import PRIVATE_FILE, write_all_atomically, write_once
from mriad_model.paths import recorded_path, source_path
from tasks.intake.find_files import ScanSources, chunked
from tasks.intake.ingest import Ingested
from tasks.scoring.score import ScoredChunk
from tasks.scoring.selection import PendingScans


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one pass of the steps handles: scans of the record, or sources not read before."""

    known: PendingScans | None = None
    unread: ScanSources = field(default_factory=ScanSources)

    @property
    def n(self) -> int:
        """Scans, as far as is known."""
        n_known = 0 if self.known is None else len(self.known.scan_ids)
        return n_known + len(self.unread.pictures) + len(self.unread.volumes)


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """The result of a chunk."""

    read: Ingested
    selected: PendingScans
    scored: ScoredChunk


def chunks_of(known: PendingScans, unread: Sequence[ScanSources], size: int) -> list[Chunk]:
    """Scans of the record, then sources not read before, in chunks of about `size` slices."""
    return [
        *(Chunk(known=piece) for _, piece in known.chunks(size)),
        *(Chunk(unread=sources) for _, sources in chunked(unread, size)),
    ]


PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class SharedChunks:
    """Chunks in a folder, each with its result once there is one. Every shard goes through all.

    After its own range a shard does what the others have not begun, from their ends, as they come
    from the beginning: so the range of a shard that never began is done too. What another has
    begun is left to it until `patience` seconds have brought no result of another; then it counts
    as dead, and its chunks are done again, each by one of those that wait. Two runs may do one
    chunk: the record keeps one of each row, the folder the first result.
    """

    home: Path
    folder: Path
    patience: float = PATIENCE_SECONDS

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Leave the chunks, numbered from 0."""
        files = {}
        for number, chunk in enumerate(chunks):
            plain = _adapter(Chunk).dump_python(chunk, mode="json")
            recorded = _with_paths(plain, lambda path: recorded_path(Path(path), self.home))
            files[self._chunk(number)] = _as_json(recorded)
        write_all_atomically(files)

    def left_for(self, shard: int, shards: int) -> Iterator[tuple[int, Chunk]]:
        """(number, chunk) that nobody has begun when asked for, in the order for this shard.

        None where the folder has gone: the run that began the night has ended.
        """
        n = self._count("chunk")
        ranges = [range(n * i // shards, n * (i + 1) // shards) for i in range(shards)]
        others = ranges[shard + 1 :] + ranges[:shard]
        for number in [*ranges[shard], *(i for other in others for i in reversed(other))]:
            if self._result(number).exists():
                continue
            try:
                if self._begin(number):
                    yield number, self._read(number)
            except FileNotFoundError:
                return

    def left_behind(self) -> Iterator[tuple[int, Chunk]]:
        """(number, chunk) that others have begun, after `patience` seconds without their results.

        For a run that has nothing else to do. Of several that wait each takes over other chunks;
        where all are taken over, they are waited for anew, and then taken over again.
        None where the folder has gone.
        """
        numbers = range(self._count("chunk"))
        waiting, done, turn = time.monotonic(), self.n_results, 1
        while left := [number for number in numbers if not self._result(number).exists()]:
            if (n := len(numbers) - len(left)) > done:
                waiting, done = time.monotonic(), n
            if time.monotonic() - waiting < self.patience and self.folder.exists():
                time.sleep(LOOK_SECONDS)
                continue
            try:
                mine = next((n for n in left if self._begin(n, f"again-{turn}")), None)
                if mine is None:
                    waiting, turn = time.monotonic(), turn + 1
                    continue
                yield mine, self._read(mine)
            except FileNotFoundError:
                return
            done += self._result(mine).exists()  # one's own is no sign of life of another

    def finish(self, number: int, result: ChunkResult) -> None:
        """Write the result of a chunk, unless there is one."""
        with suppress(FileNotFoundError):  # the run that began the night has ended
            write_once(
                self._result(number),
                _as_json(_adapter(ChunkResult).dump_python(result, mode="json")),
            )

    def results(self) -> list[ChunkResult]:
        """The results of the chunks that are done, in order."""
        return [result for _, result in self.finished()]

    def finished(self, but: Container[int] = ()) -> Iterator[tuple[int, ChunkResult]]:
        """(number, result) of the chunks that are done, in order; without these numbers."""
        for number in range(self._count("chunk")):
            if number not in but and self._result(number).exists():
                done = json.loads(self._result(number).read_bytes())
                yield number, _adapter(ChunkResult).validate_python(done)

    @property
    def n_results(self) -> int:
        """How many chunks are done."""
        return self._count("result")

    def _begin(self, number: int, mark: str = "begun") -> bool:
        """Whether nobody has begun a chunk, or begun it again; now it is begun."""
        path = self.folder / f"{number}.{mark}"
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))
        except FileExistsError:
            return False
        return True

    def _read(self, number: int) -> Chunk:
        plain = json.loads(self._chunk(number).read_bytes())
        there = _with_paths(plain, lambda path: str(source_path(path, self.home)))
        chunk: Chunk = _adapter(Chunk).validate_python(there)
        return chunk

    def _count(self, kind: str) -> int:
        return sum(1 for _ in self.folder.glob(f"*.{kind}.json"))

    def _chunk(self, number: int) -> Path:
        return self.folder / f"{number}.chunk.json"

    def _result(self, number: int) -> Path:
        return self.folder / f"{number}.result.json"


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(type, kind))


def _as_json(plain: Any) -> bytes:
    """In ASCII: a path need not be UTF-8."""
    return json.dumps(plain).encode("ascii")


def _with_paths(plain: Any, change: Callable[[str], str]) -> Any:
    """The same with every `path` changed: the home may lie at another path on each machine."""
    if isinstance(plain, list):
        return [_with_paths(each, change) for each in plain]
    if isinstance(plain, dict):
        return {
            name: change(each) if name == "path" else _with_paths(each, change)
            for name, each in plain.items()
        }
    return plain
