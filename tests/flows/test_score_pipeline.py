"""How far a scoring run says it is: only what is scored counts as scored."""

from pathlib import Path

from flows.score_pipeline import ScoringProgress
from mriad_model.readers.folders import found_file
from tasks.intake.find_files import ScanSources
from tasks.intake.ingest import Ingested
from tasks.runtime.progress import Progress, listening
from tasks.scoring.chunks import Chunk, ChunkResult
from tasks.scoring.score import ScoredChunk
from tasks.scoring.selection import wanted_scans


def done(wanted: int, unreadable: int = 0) -> ChunkResult:
    scans = wanted_scans((i, 1) for i in range(wanted))
    return ChunkResult(Ingested([]), scans, ScoredChunk(wanted, wanted, unreadable))


def told(chunks: list[Chunk], *results: ChunkResult) -> list[Progress]:
    heard: list[Progress] = []
    progress = ScoringProgress(chunks)
    with listening(heard.append):
        progress.begin()
        for number, result in enumerate(results):
            progress.add(number, result)
    return heard


def files(folder: Path, n: int) -> Chunk:
    for i in range(n):
        (folder / f"{i}.png").touch()
    return Chunk(unread=ScanSources(tuple(found_file(folder / f"{i}.png") for i in range(n))))


def test_what_is_read_and_turns_out_decided_is_not_scored(tmp_path: Path) -> None:
    unread = files(tmp_path, 3)
    assert told([unread, unread], done(0), done(1)) == [
        Progress("reading", 0, 6),
        Progress("scoring", 0, 6),
        Progress("reading", 3, 6),
        Progress("scoring", 0, 3),
        Progress("reading", 6, 6),
        Progress("scoring", 1, 1),
    ]


def test_what_is_known_is_not_read_and_what_gets_no_score_is_not_counted() -> None:
    known = Chunk(known=wanted_scans((i, 1) for i in range(4)))
    assert told([known, known], done(4, unreadable=1), done(4)) == [
        Progress("scoring", 0, 8),
        Progress("scoring", 3, 7),
        Progress("scoring", 7, 7),
    ]
