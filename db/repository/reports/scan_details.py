"""Reads that gather: all there is of one scan, and all that replaying a decision needs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from sqlalchemy import Column, Connection, Engine, select

from db import schema
from db.engine.connect import reading
from db.entities import (
    Decision,
    Finding,
    FindingLimit,
    Heatmap,
    Label,
    Model,
    Rejection,
    Review,
    Run,
    Scan,
    Score,
    Sighting,
    SliceScore,
    Threshold,
)
from db.mapping import Entity, rows_by_id, rows_by_key, rows_of
from db.repository.intake.rejections import rejections_at
from db.repository.intake.scans import scan_id_of
from db.repository.intake.sightings import RejectedBeside, rejected_beside
from db.repository.reports.history import DecisionRow, decisions
from db.repository.reports.history_query import HistoryQuery
from db.repository.reports.unscored import SCORING_REASONS, UnscoredScan, unscored_scans
from db.repository.scoring.findings import finding_limits, findings_of_scores
from mriad_model.enums import DecisionReason, RejectionReason, Verdict
from mriad_model.errors import NotInRecord

REPLAY_PAGE: Final = 500
# Reasons that say nothing of a file's content: its scan is a good one, or nobody could read it.
NOT_OF_CONTENT: Final = (
    *SCORING_REASONS,
    RejectionReason.OTHER_KIND,
    RejectionReason.NO_FRAME_OF_REFERENCE,
    RejectionReason.UNREADABLE,
)
R = TypeVar("R", bound=Entity)


@dataclass(frozen=True, slots=True)
class ScoreDetails:
    """A score, its model, its slice scores, its heatmaps and its findings."""

    score: Score
    model: Model
    positions: tuple[int, ...]  # of the slices that were scored, in order
    slice_values: tuple[float, ...]  # of these
    heatmaps: tuple[Heatmap, ...]
    findings: tuple[Finding, ...] = ()  # the highest peak first
    limit: FindingLimit | None = None  # the model's limit of findings; None: it has none


@dataclass(frozen=True, slots=True)
class ScanDetails:
    """All that the record holds of one scan, oldest rows first."""

    scan: Scan
    run: Run  # that registered it
    sightings: tuple[Sighting, ...]
    labels: tuple[Label, ...]
    scores: tuple[ScoreDetails, ...]
    decisions: tuple[DecisionRow, ...]
    reviews: tuple[Review, ...]
    beside: RejectedBeside  # what was rejected in the folders that the scan was seen in
    of_patient: tuple[Scan, ...] = ()  # all scans of its patient, newest first, itself included
    unscored: UnscoredScan | None = None  # why it is not scorable, where it has no score for that

    @property
    def why_undecided(self) -> str | None:
        """Why there is no decision on it, where it is not scorable; None where it may be scored."""
        return None if self.unscored is None else f"it is not scorable: {self.unscored.told}"

    @property
    def not_scorable(self) -> dict[int, DecisionReason | None]:
        """The models that cannot judge it, each with the reason: their scores mean nothing."""
        return {
            each.model_id: each.reason
            for each in self.decisions
            if each.verdict is Verdict.NOT_SCORABLE
        }


@dataclass(frozen=True, slots=True)
class NoScan:
    """A file that is no scan as the record knows it last."""

    rejection: Rejection
    before: int | None  # the scan that it was until its content changed


@dataclass(frozen=True, slots=True)
class Replay:
    """A decision, and what it was made from."""

    decision: Decision
    scan: Scan
    sightings: tuple[Sighting, ...]  # newest first
    scored: ScoreDetails
    threshold: Threshold


def scan_details(engine: Engine, scan: int | str) -> ScanDetails:
    """All there is of a scan, named as `db.repository.intake.scans.scan_id_of` takes it.

    Raises:
        NotInRecord: there is no such scan.
        RecordError: several scans go by that name.
    """
    with reading(engine) as connection:
        scan_id = scan_id_of(connection, scan)
        found = rows_by_id(connection, Scan, schema.scan, [scan_id])[scan_id]
        scores = _of(connection, Score, schema.score.c.scan_id, scan_id)
        details = ScanDetails(
            scan=found,
            run=rows_by_id(connection, Run, schema.run, [found.run_id])[found.run_id],
            sightings=_of(connection, Sighting, schema.sighting.c.scan_id, scan_id),
            labels=_of(connection, Label, schema.label.c.scan_id, scan_id),
            scores=tuple(_score_details(connection, scores).values()),
            decisions=(),
            reviews=_of(connection, Review, schema.review.c.scan_id, scan_id),
            beside=RejectedBeside(0, ()),
            of_patient=_of_patient(connection, found.patient),
        )
    lines = decisions(engine, HistoryQuery(scan=scan_id, limit=None))
    beside = rejected_beside(engine, [each.path for each in details.sightings])
    unscored = next(iter(unscored_scans(engine, [scan_id])), None)
    if unscored is not None:  # its own rejection is shown as why it is not scorable
        own = (unscored.path, unscored.rejection)
        others = [each for each in beside.rejections if (each.path, each.reason) != own]
        n_own = len(beside.rejections) - len(others)
        beside = replace(beside, total=beside.total - n_own, rejections=tuple(others))
    return replace(details, decisions=tuple(reversed(lines)), beside=beside, unscored=unscored)


def no_scan_at(engine: Engine, path: str) -> NoScan | None:
    """Why the file of a recorded path is no scan; None where it is one, or nothing is known of it.

    A scan that was rejected since, as one that cannot be scored, is one still: only a file whose
    content changed since is none.
    """
    rejections = rejections_at(engine, path)
    if not rejections:
        return None
    seen = schema.sighting
    query = select(seen).where(seen.c.path == path).order_by(seen.c.id.desc()).limit(1)
    with reading(engine) as connection:
        last = next(iter(rows_of(connection, Sighting, query)), None)
    if last is None:
        return NoScan(rejections[-1], None)
    since = [each for each in rejections if _is_other_content(each, last)]
    return NoScan(since[-1], last.scan_id) if since else None


def _is_other_content(rejection: Rejection, seen: Sighting) -> bool:
    """Whether what was rejected came after what was seen as a scan under the same path."""
    if rejection.created_at <= seen.seen_at or rejection.size < 0:
        return False
    if (rejection.size, rejection.mtime_ns) != (seen.size, seen.mtime_ns):
        return True
    known = rejection.ctime_ns is not None and seen.ctime_ns is not None
    changed = known and rejection.ctime_ns != seen.ctime_ns
    return changed and rejection.reason not in NOT_OF_CONTENT


def newest_of_patient(engine: Engine, patient: str) -> int | None:
    """The scan of this pseudonym that was registered last; None where there is none."""
    with reading(engine) as connection:
        return next((scan.id for scan in _of_patient(connection, patient)), None)


def _of_patient(connection: Connection, patient: str | None) -> tuple[Scan, ...]:
    if patient is None:
        return ()
    table = schema.scan
    query = select(table).where(table.c.patient == patient).order_by(table.c.id.desc())
    return tuple(rows_of(connection, Scan, query))


def decisions_for_replay(engine: Engine, scan_id: int | None = None) -> Iterator[Replay]:
    """The decisions on a scan, or all of them, oldest first, each with what it was made from.

    They are read a page at a time, so that no transaction stays open while they are replayed.

    Raises:
        NotInRecord: there is no decision on that scan.
    """
    table = schema.decision
    query = select(table).order_by(table.c.id).limit(REPLAY_PAGE)
    if scan_id is not None:
        query = query.where(table.c.scan_id == scan_id)
    last = 0
    while True:
        with reading(engine) as connection:
            rows = rows_of(connection, Decision, query.where(table.c.id > last))
            page = _replays(connection, rows)
        if scan_id is not None and not page and last == 0:
            raise NotInRecord(f"There is no decision on scan {scan_id} in the record")
        yield from page
        if len(rows) < REPLAY_PAGE:
            return
        last = rows[-1].id or 0


def _of(connection: Connection, kind: type[R], key: Column[int], scan_id: int) -> tuple[R, ...]:
    rows = rows_by_key(connection, kind, key, [scan_id], key.table.c.id)
    return tuple(rows.get(scan_id, ()))


def _replays(connection: Connection, page: Sequence[Decision]) -> list[Replay]:
    seen = schema.sighting
    scan_ids = {each.scan_id for each in page}
    scans = rows_by_id(connection, Scan, schema.scan, scan_ids)
    sightings = rows_by_key(connection, Sighting, seen.c.scan_id, scan_ids, seen.c.id.desc())
    scores = rows_by_id(connection, Score, schema.score, {each.score_id for each in page})
    scored = _score_details(connection, list(scores.values()))
    threshold_ids = {each.threshold_id for each in page}
    thresholds = rows_by_id(connection, Threshold, schema.threshold, threshold_ids)
    return [
        Replay(
            decision=each,
            scan=scans[each.scan_id],
            sightings=tuple(sightings.get(each.scan_id, ())),
            scored=scored[each.score_id],
            threshold=thresholds[each.threshold_id],
        )
        for each in page
    ]


def recorded_scores(engine: Engine, score_ids: Iterable[int]) -> dict[int, ScoreDetails]:
    """Scores with their slice scores, by id."""
    with reading(engine) as connection:
        scores = rows_by_id(connection, Score, schema.score, score_ids)
        return _score_details(connection, list(scores.values()))


def _score_details(connection: Connection, scores: Sequence[Score]) -> dict[int, ScoreDetails]:
    ids = [score.id for score in scores if score.id is not None]
    heatmap, slices = schema.heatmap, schema.slice_score
    models = rows_by_id(connection, Model, schema.model, {score.model_id for score in scores})
    maps = rows_by_key(connection, Heatmap, heatmap.c.score_id, ids, heatmap.c.id)
    parts = rows_by_key(connection, SliceScore, slices.c.score_id, ids, slices.c.position)
    found, limits = findings_of_scores(connection, ids), finding_limits(connection, models)
    return {
        score_id: ScoreDetails(
            score,
            models[score.model_id],
            tuple(each.position for each in parts.get(score_id, ())),
            tuple(each.value for each in parts.get(score_id, ())),
            tuple(maps.get(score_id, ())),
            found.get(score_id, ()),
            limits.get(score.model_id),
        )
        for score_id, score in zip(ids, scores, strict=True)
    }
