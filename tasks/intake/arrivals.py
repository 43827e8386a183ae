"""Arrivals: folders recorded when they settle, listed to be scored, and ended."""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine

from db.entities import Arrival
from db.repository.intake import arrivals as arrivals_records
from db.repository.intake.arrivals import append_arrivals, arrivals_by_path, open_arrivals
from db.repository.intake.rejections import append_rejections
from db.timestamps import now, written
from mriad_model.delivery.pending import (
    NO_FOLDERS,
    PendingFolder,
    PendingFolders,
    PendingReason,
    longest_first,
)
from mriad_model.delivery.settling import SettledFolder, SettleTracker, Unsettled
from mriad_model.delivery.snapshot import (
    FolderSnapshot,
    copies_below,
    files_in,
    fingerprint,
    take_snapshot,
)
from mriad_model.paths import escape_path, recorded_path, source_path, unescape_path
from mriad_model.readers.folders import FoundFile
from tasks.intake.find_files import FoundScans, sort_files
from tasks.runtime.connections import database
from tasks.runtime.progress import timed
from tasks.runtime.source_files import gone_row

GIVEN_UP_AFTER = timedelta(days=7)  # a folder that is gone; a share may be away for a while


@dataclass(frozen=True, slots=True)
class Arrived:
    """The scans of settled folders, and the arrivals that are done once these are scored."""

    found: FoundScans
    done: list[int]  # arrival ids
    folder: str  # that all of them lie in, escaped
    waiting: int  # folders that changed again: their next state is to settle first
    vanished: int  # folders that are gone
    pending: PendingFolders  # both of these, but for the gone that are given up: a rejection each


@dataclass(frozen=True, slots=True)
class Swept:
    """Result of a sweep of the watched folder."""

    settled: int = 0  # folders recorded
    pending: PendingFolders = NO_FOLDERS  # that still change, or hold a copy under way

    @property
    def present(self) -> bool:
        """Whether the folder is there."""
        return self.pending.missing is None


def known_states(
    engine: Engine, home: Path, looks: Iterable[FolderSnapshot], watched: SettleTracker
) -> None:
    """Tell `watched` which folders are unchanged since they were recorded."""
    paths = {recorded_path(Path(look.path), home): look.path for look in looks}
    for recorded, arrival in arrivals_by_path(engine, paths).items():
        watched.known(paths[recorded], arrival.fingerprint)


def record_settled(engine: Engine, home: Path, settled: Sequence[SettledFolder]) -> list[int]:
    """Append folders as they settled; the ids of their arrivals."""
    moment = now()
    return append_arrivals(
        engine,
        [
            Arrival(
                path=recorded_path(Path(each.snapshot.path), home),
                fingerprint=each.snapshot.fingerprint,
                n_files=each.snapshot.n_files,
                settled_by=each.by,
                settled_at=moment,
            )
            for each in settled
        ],
    )


def still_open(home: str) -> list[int]:
    """Ids of the arrivals that no run is done with."""
    arrivals = open_arrivals(database(home))
    return [each.id for each in arrivals if each.id is not None]


def open_states(engine: Engine, home: Path, watched: SettleTracker) -> list[int]:
    """Ids of the arrivals still to be scored whose folders stand as they settled."""
    return [
        arrival.id
        for arrival in open_arrivals(engine)
        if arrival.id is not None
        and watched.has_settled(os.fspath(source_path(arrival.path, home)), arrival.fingerprint)
    ]


@task(name="find-arrived", cache_policy=NO_CACHE)
@timed("list files")
def find_arrived(home: str, run_id: int, arrival_ids: Sequence[int] | None) -> Arrived:
    """What the folders of these arrivals hold (None: of all that are open), new and known.

    A folder that changed since it settled waits until it settles again, so no file is read that
    was not there then. With a folder's newest state its earlier ones are done.
    """
    place, engine = Path(home), database(home)
    wanted = None if arrival_ids is None else frozenset(arrival_ids)
    states: dict[str, list[Arrival]] = {}
    for arrival in open_arrivals(engine):
        states.setdefault(arrival.path, []).append(arrival)
    files: list[FoundFile] = []
    done: list[Arrival] = []
    gone: list[Arrival] = []
    taken: list[str] = []
    waiting: list[PendingFolder] = []
    for path, arrivals in states.items():
        if wanted is not None and wanted.isdisjoint(each.id for each in arrivals):
            continue
        held = _held(source_path(path, place))
        if held and fingerprint(held) in {each.fingerprint for each in arrivals}:
            files += held
            done += arrivals
            taken.append(path)
        elif held or held is None:
            why = PendingReason.CLOSED if held is None else PendingReason.CHANGED
            n_files = arrivals[-1].n_files if held is None else len(held)
            waiting.append(PendingFolder(path, why, n_files, arrivals[-1].settled_at))
        else:
            gone += arrivals
    given_up = _given_up(gone)
    over = {each.path for each in given_up}
    lost = {
        each.path: PendingFolder(each.path, PendingReason.VANISHED, each.n_files, each.settled_at)
        for each in gone
        if each.path not in over
    }
    detail = "the folder was gone before its {} files were scored"
    append_rejections(
        engine, [gone_row(each.path, detail.format(each.n_files), run_id) for each in given_up]
    )
    return Arrived(
        found=sort_files(home, run_id, files),
        done=[each.id for each in (*done, *given_up) if each.id is not None],
        folder=_common(taken, place),
        waiting=len(waiting),
        vanished=len({each.path for each in gone}),
        pending=PendingFolders(longest_first([*waiting, *lost.values()]), len(waiting) + len(lost)),
    )


@task(name="end-arrivals", cache_policy=NO_CACHE)
def end_arrivals(home: str, run_id: int, arrival_ids: Sequence[int]) -> None:
    """Record that a run has taken in and scored what these arrivals held."""
    arrivals_records.end_arrivals(database(home), arrival_ids, run_id, now())


@task(name="sweep", cache_policy=NO_CACHE)
def sweep(home: str, folder: str, quiet: float) -> Swept:
    """Record the folders below a watched one (escaped) that have settled; wait for those due.

    Where something has come that no watcher has recorded, its quiet period is sat out.
    """
    place, engine, root = Path(home), database(home), unescape_path(folder)
    watched = SettleTracker(root, quiet)
    looks = look_all_over(root)
    if looks is None:
        return Swept(pending=PendingFolders(missing=recorded_path(Path(root), place)))
    known_states(engine, place, looks, watched)
    seen = watched.observe(looks, time.monotonic())
    settled = seen.settled
    if seen.due is not None:
        time.sleep(quiet)
        seen = watched.observe(look_all_over(root) or [], time.monotonic())
        settled += seen.settled
    record_settled(engine, place, settled)
    waiting = [_waiting(each, place) for each in seen.unsettled] + _copied(root, place)
    return Swept(len(settled), PendingFolders(longest_first(waiting), len(waiting)))


def look_all_over(root: str) -> list[FolderSnapshot] | None:
    """A look over the watched folder; None where it is not there (a share that is away)."""
    try:
        return list(take_snapshot(root))
    except OSError:
        return None


def _waiting(unsettled: Unsettled, home: Path) -> PendingFolder:
    look = unsettled.snapshot
    n_files = look.n_unfinished + (0 if unsettled.taken else look.n_files)
    path = recorded_path(Path(look.path), home)
    return PendingFolder(path, unsettled.why, n_files, _moment(look.touched_ns))


def _copied(root: str, home: Path) -> list[PendingFolder]:
    """Folders that are copied into the watched one under another name."""
    try:
        return [
            PendingFolder(
                recorded_path(Path(each.path), home),
                PendingReason.COPYING,
                each.n_files,
                _moment(each.touched_ns),
            )
            for each in copies_below(root)
        ]
    except OSError:  # the watched folder went away meanwhile
        return []


def _moment(nanoseconds: int) -> str | None:
    """A time of the file system as the record writes it; None where it is unknown."""
    return written(datetime.fromtimestamp(nanoseconds / 1e9, UTC)) if nanoseconds > 0 else None


def _held(folder: Path) -> list[FoundFile] | None:
    """The files in a folder; None where it cannot be read."""
    try:
        return files_in(folder)
    except OSError:
        return None


def _given_up(gone: Iterable[Arrival]) -> list[Arrival]:
    horizon = datetime.fromisoformat(now()) - GIVEN_UP_AFTER
    return [each for each in gone if datetime.fromisoformat(each.settled_at) < horizon]


def _common(recorded: Sequence[str], home: Path) -> str:
    """The folder that all of these lie in, as flows take a folder."""
    paths = [os.fspath(source_path(each, home)) for each in recorded]
    return escape_path(os.path.commonpath(paths) if paths else home / "inbox")
