"""Checking the record against the files that it names, and against itself. Changes nothing.

Started by a command, without the workflow engine. What a killed or running run leaves is no
problem: files that no row names yet, runs without an end, folders not scored.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Engine

from db.engine import chain_check, integrity, structure
from db.engine import chain_head as heads
from db.engine.chain_head import ChainHead
from db.engine.integrity import Counts, RecordedFile
from db.entities import Arrival, Run
from db.repository.intake import arrivals as arrivals_records
from db.repository.intake.scans import has_pseudonyms
from db.repository.training import models as models_records
from mriad_model.files import sha256_of
from mriad_model.paths import recorded_path, source_path
from tasks.runtime.garbage import without_collection
from tasks.runtime.home import SITE_KEY, plain
from tasks.runtime.permissions import openings
from tasks.runtime.progress import tell

MOST_LINKS = 50  # that do not hold, listed
NOT_COMPARED = (
    "The tables were not compared with what mriad makes: grant PostgreSQL's user CREATE on the "
    "database, and check again"
)
FOLDERS = ("heatmaps", "models")  # whose files rows name
READING_THREADS = 4  # a hash lets go of the interpreter
TOGETHER = 2_000


class ProblemKind(StrEnum):
    """What is wrong."""

    OTHER_RECORD = "other_record"
    DAMAGED_RECORD = "damaged_record"
    CHANGED_TABLES = "changed_tables"
    BROKEN_LINK = "broken_link"
    IMPOSSIBLE_ROW = "impossible_row"
    BROKEN_CHAIN = "broken_chain"
    MISSING_MODEL = "missing_model"
    CHANGED_MODEL = "changed_model"
    MISSING_HEATMAP = "missing_heatmap"
    CHANGED_HEATMAP = "changed_heatmap"
    UNREADABLE = "unreadable"
    MISSING_KEY = "missing_site_key"
    OPEN_TO_OTHERS = "open_to_others"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong, in one sentence."""

    kind: ProblemKind
    text: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found."""

    checked: Counts
    problems: list[Problem]
    orphans: list[str]  # files that no row names, relative to the home, escaped
    unfinished_runs: list[Run]  # under way, or killed
    open_arrivals: list[Arrival]  # folders that no run is done with
    head: ChainHead | None = None  # of the chain; None: nothing was ever recorded
    notes: list[str] = field(default_factory=list)  # what could not be looked at

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def check(
    engine: Engine, home: Path, *, contents: bool = True, since: Sequence[ChainHead] = ()
) -> CheckReport:
    """Check a home and its record, which must continue the heads in `since`, kept elsewhere.

    With `contents` every file is read and its hash compared; else only its presence is checked.
    """
    with without_collection():
        return _checked(engine, home, contents, since)


def _checked(engine: Engine, home: Path, contents: bool, since: Sequence[ChainHead]) -> CheckReport:
    # Files first, then rows: a file is written before its row, so a row without one is wrong.
    lying = {path for folder in FOLDERS for path in _files_in(home / folder, home)}
    head, total = heads.head(engine), integrity.counts(engine)
    changed = structure.differences(engine)
    problems = list(_wrong_in_record(engine, changed or (), since))
    models = [
        RecordedFile(each.id or 0, each.path, each.sha256) for each in models_records.models(engine)
    ]
    problems += _wrong(models, "model", home, contents)
    if has_pseudonyms(engine) and not os.path.lexists(home / SITE_KEY):
        text = f"{SITE_KEY} is gone: no scan that names its patient can be taken in; restore it"
        problems.append(Problem(ProblemKind.MISSING_KEY, text))
    problems += [Problem(ProblemKind.OPEN_TO_OTHERS, each.text) for each in openings(home)]
    lying.difference_update(each.path for each in models)
    done = 0
    with ThreadPoolExecutor(READING_THREADS) as pool:
        for page in integrity.recorded_heatmaps(engine):
            parts = [page[n : n + TOGETHER] for n in range(0, len(page), TOGETHER)]
            for part in parts:
                unseen = part if contents else [each for each in part if each.path not in lying]
                problems += _wrong_at_once(pool, unseen, home, contents)
                done += len(part)
                tell("checking", done, max(done, total.heatmaps))
            lying.difference_update(each.path for each in page)
    return CheckReport(
        checked=total,
        problems=problems,
        orphans=sorted(lying),
        unfinished_runs=integrity.unfinished_runs(engine),
        open_arrivals=arrivals_records.open_arrivals(engine),
        head=head,
        notes=[NOT_COMPARED] if changed is None else [],
    )


def _wrong_in_record(
    engine: Engine, changed: Sequence[str], since: Sequence[ChainHead]
) -> Iterator[Problem]:
    """What is wrong with the record itself: `changed` of its tables, and of its rows."""
    links = chain_check.first_lines(chain_check.broken_links(engine), MOST_LINKS)
    gone = [each for head in since if (each := heads.does_not_continue(engine, head)) is not None]
    found = {
        ProblemKind.OTHER_RECORD: gone,
        ProblemKind.DAMAGED_RECORD: integrity.damages(engine),
        ProblemKind.CHANGED_TABLES: changed,
        ProblemKind.BROKEN_LINK: links,
        ProblemKind.IMPOSSIBLE_ROW: integrity.impossible_rows(engine),
        ProblemKind.BROKEN_CHAIN: integrity.broken_chains(engine),
    }
    for kind, lines in found.items():
        yield from (Problem(kind, line) for line in lines)


def _files_in(folder: Path, home: Path) -> Iterator[str]:
    """Every file below a folder, as the record would name it."""
    for place, _, names in os.walk(folder):
        start = recorded_path(Path(place), home) + "/"
        for name in names:
            plain_name = name.isascii() and name.isprintable() and "\\" not in name
            yield start + name if plain_name else recorded_path(Path(place, name), home)


def _wrong_at_once(
    pool: ThreadPoolExecutor, files: list[RecordedFile], home: Path, contents: bool
) -> list[Problem]:
    each = -(-len(files) // READING_THREADS) or 1  # rounded up
    shares = [files[start : start + each] for start in range(0, len(files), each)]
    found = pool.map(lambda share: list(_wrong(share, "heatmap", home, contents)), shares)
    return [problem for share in found for problem in share]


def _wrong(
    files: Iterable[RecordedFile], what: str, home: Path, contents: bool
) -> Iterator[Problem]:
    missing = ProblemKind(f"missing_{what}")
    changed = ProblemKind(f"changed_{what}")
    for file in files:
        name, path = f"{what} {file.id} ({file.path})", source_path(file.path, home)
        try:
            if not contents:
                path.lstat()
            elif sha256_of(path) != file.sha256:
                yield Problem(changed, f"{name} is not as it was recorded")
        except FileNotFoundError:
            yield Problem(missing, f"{name} is missing")
        except OSError as error:
            yield Problem(ProblemKind.UNREADABLE, f"{name} cannot be read: {plain(error)}")
