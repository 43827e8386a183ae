"""The chunks of a scoring run: what there is to do and what came of each, kept as files to share.

Where several runs share a night, the run that begins it writes its chunks into its work folder,
which only the home's owner can read, and every run leaves there what came of a chunk.
"""

import json
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter

from mriad_model.files import write_all_atomically, write_once
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
    """What came of a chunk."""

    read: Ingested
    selected: PendingScans
    scored: ScoredChunk


def chunks_of(known: PendingScans, unread: Sequence[ScanSources], size: int) -> list[Chunk]:
    """Scans of the record, then sources not read before, in chunks of about `size` slices."""
    return [
        *(Chunk(known=piece) for _, piece in known.chunks(size)),
        *(Chunk(unread=sources) for _, sources in chunked(unread, size)),
    ]


@dataclass(frozen=True, slots=True)
class SharedChunks:
    """Chunks in a folder, and beside each what came of it. Every shard goes through all of them.

    A shard begins with its own range. When it is through, it goes on with what others have not
    done, from the end of their ranges: they come from the beginning. So a range whose shard has
    not begun, or has died, is done too. Two runs may do one chunk: the record keeps one of each
    row, and the folder the first result.
    """

    home: Path
    folder: Path

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Leave the chunks, numbered from 0."""
        files = {}
        for number, chunk in enumerate(chunks):
            told = _with_paths(
                _told(Chunk, chunk), lambda path: recorded_path(Path(path), self.home)
            )
            files[self._chunk(number)] = _as_json(told)
        write_all_atomically(files)

    def left_for(self, shard: int, shards: int) -> Iterator[tuple[int, Chunk]]:
        """(number, chunk) that have no result yet when asked for, in the order for this shard.

        None where the folder has gone: the run that began the night has ended.
        """
        n = self._count("chunk")
        ranges = [range(n * i // shards, n * (i + 1) // shards) for i in range(shards)]
        others = ranges[shard + 1 :] + ranges[:shard]
        for number in [*ranges[shard], *(i for other in others for i in reversed(other))]:
            if self._result(number).exists():
                continue
            try:
                told = json.loads(self._chunk(number).read_bytes())
            except FileNotFoundError:
                return
            there = _with_paths(told, lambda path: str(source_path(path, self.home)))
            yield number, _adapter(Chunk).validate_python(there)

    def finish(self, number: int, result: ChunkResult) -> None:
        """Leave what came of a chunk, if nobody has."""
        with suppress(FileNotFoundError):  # the run that began the night has ended
            write_once(self._result(number), _as_json(_told(ChunkResult, result)))

    def results(self) -> list[ChunkResult]:
        """What came of the chunks that are done, in order."""
        found = [self._result(number) for number in range(self._count("chunk"))]
        done = [json.loads(each.read_bytes()) for each in found if each.exists()]
        return [_adapter(ChunkResult).validate_python(each) for each in done]

    @property
    def n_results(self) -> int:
        """How many chunks are done."""
        return self._count("result")

    def _count(self, kind: str) -> int:
        return sum(1 for _ in self.folder.glob(f"*.{kind}.json"))

    def _chunk(self, number: int) -> Path:
        return self.folder / f"{number}.chunk.json"

    def _result(self, number: int) -> Path:
        return self.folder / f"{number}.result.json"


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(type, kind))


def _told(kind: Hashable, value: object) -> Any:
    """A value as JSON has it."""
    return _adapter(kind).dump_python(value, mode="json")


def _as_json(told: Any) -> bytes:
    """In ASCII: a path need not be UTF-8."""
    return json.dumps(told).encode("ascii")


def _with_paths(told: Any, change: Callable[[str], str]) -> Any:
    """The same with every `path` changed: the home may lie at another path on each machine."""
    if isinstance(told, list):
        return [_with_paths(each, change) for each in told]
    if isinstance(told, dict):
        return {
            name: change(each) if name == "path" else _with_paths(each, change)
            for name, each in told.items()
        }
    return told
