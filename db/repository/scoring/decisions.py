"""What scoring found: scores, slice scores, heatmaps and decisions, appended a chunk at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

from sqlalchemy import Connection, Engine, func, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Decision, Finding, Heatmap, Score, SliceScore
from db.mapping import append_new, select_in, values_of
from mriad_model.enums import DecisionReason, HeatmapKind, Side, Verdict
from mriad_model.errors import NotInRecord, RecordError


@dataclass(frozen=True, slots=True)
class HeatmapFile:
    """A heatmap as written, before its score has a row."""

    kind: HeatmapKind
    position: int  # of the slice; 0 for an image
    path: str  # relative to the home
    sha256: str  # of the file


@dataclass(frozen=True, slots=True)
class FoundPart:
    """A finding, before its score has a row. Fields as of `Finding`."""

    size: float
    peak: float
    place: tuple[float, float, float]
    side: Side | None


@dataclass(frozen=True, slots=True)
class ScoredScan:
    """All that scoring found of one scan. Without a verdict it is scored, not decided."""

    scan_id: int
    value: float
    slice_values: Sequence[float] = ()
    heatmaps: Sequence[HeatmapFile] = ()
    verdict: Verdict | None = None
    p_value: float | None = None
    positions: Sequence[int] | None = None  # of the slice values; None: 0, 1, 2, ...
    reason: DecisionReason | None = None  # of the verdict
    gate: float | None = None
    spread: float | None = None
    findings: Sequence[FoundPart] = ()  # the highest peak first


@dataclass(frozen=True, slots=True)
class DecidedAgain:
    """A verdict on a stored score."""

    scan_id: int
    score_id: int
    verdict: Verdict
    p_value: float
    reason: DecisionReason | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """How many rows of each kind were not there yet."""

    scores: int = 0
    slice_scores: int = 0
    heatmaps: int = 0
    decisions: int = 0


def append_scored(
    engine: Engine,
    model_id: int,
    threshold_id: int | None,
    rows: Sequence[ScoredScan],
    run_id: int,
    now: str,
) -> Appended:
    """Append a chunk's scores, slice scores, heatmaps, findings and decisions, all or none.

    Where another process scored a scan first, its score and slice scores are kept. Heatmaps,
    findings and the decision of ours are then appended only if both found the same value, so that
    every part belongs to its score.

    Raises:
        RecordError: a value is not finite, or the threshold is another model's.
    """
    _refuse_non_finite(rows)
    with writing(engine) as connection:
        if threshold_id is not None:
            _refuse_other_model(connection, threshold_id, {model_id})
        scores = [
            values_of(
                Score(row.scan_id, model_id, float(row.value), run_id, now, row.spread, row.gate)
            )
            for row in rows
        ]
        highest = connection.scalar(select(func.max(schema.score.c.id))) or 0
        n_scores = append_new(connection, schema.score, scores)
        stored = _stored(connection, model_id, [row.scan_id for row in rows])
        agreed = [
            (stored[row.scan_id][0], row)
            for row in rows
            if stored[row.scan_id][1] == float(row.value)
        ]
        append_new(connection, schema.finding, _finding_rows(agreed))
        return Appended(
            scores=n_scores,
            slice_scores=_append_slices(connection, [each for each in agreed if each[0] > highest]),
            heatmaps=_append_heatmaps(connection, agreed, now),
            decisions=0
            if threshold_id is None
            else _append_verdicts(connection, threshold_id, agreed, run_id, now),
        )


def append_decisions(
    engine: Engine,
    threshold_id: int,
    rows: Sequence[DecidedAgain],
    run_id: int,
    now: str,
) -> int:
    """Append verdicts on stored scores; how many are new.

    Raises:
        RecordError: a score is not of the scan beside it, or not of the threshold's model.
    """
    table = schema.score
    with writing(engine) as connection:
        query = select(table.c.id, table.c.scan_id, table.c.model_id)
        score_ids = [row.score_id for row in rows]
        found = list(select_in(connection, query, table.c.id, score_ids))
        scans = {each.id: each.scan_id for each in found}
        for row in rows:
            if scans.get(row.score_id) != row.scan_id:
                raise RecordError(
                    f"There is no score {row.score_id} of scan {row.scan_id} in the record"
                )
        _refuse_other_model(connection, threshold_id, {each.model_id for each in found})
        decisions = [
            values_of(_decision(threshold_id, row.score_id, row, run_id, now)) for row in rows
        ]
        return append_new(connection, schema.decision, decisions)


def _refuse_non_finite(rows: Sequence[ScoredScan]) -> None:
    for row in rows:
        more = [value for value in (row.gate, row.spread) if value is not None]
        if not all(isfinite(value) for value in (row.value, *row.slice_values, *more)):
            raise RecordError(f"The score of scan {row.scan_id} is not a finite number")


def _refuse_other_model(connection: Connection, threshold_id: int, models: set[int]) -> None:
    table = schema.threshold
    owner = connection.execute(
        select(table.c.model_id).where(table.c.id == threshold_id)
    ).scalar_one_or_none()
    if owner is None:
        raise NotInRecord(f"There is no threshold {threshold_id} in the record")
    for model_id in models - {owner}:
        raise RecordError(
            f"Threshold {threshold_id} is model {owner}'s, and decides nothing of model {model_id}"
        )


def _stored(
    connection: Connection, model_id: int, scan_ids: Sequence[int]
) -> dict[int, tuple[int, float]]:
    """Scan id -> its score's id and value."""
    table = schema.score
    query = select(table).where(table.c.model_id == model_id)
    found = select_in(connection, query, table.c.scan_id, scan_ids)
    return {each.scan_id: (each.id, each.value) for each in found}


def _append_slices(connection: Connection, agreed: Sequence[tuple[int, ScoredScan]]) -> int:
    rows = [
        values_of(SliceScore(score_id, position, float(value)))
        for score_id, row in agreed
        for position, value in zip(
            range(len(row.slice_values)) if row.positions is None else row.positions,
            row.slice_values,
            strict=True,
        )
    ]
    return append_new(connection, schema.slice_score, rows)


def _finding_rows(agreed: Sequence[tuple[int, ScoredScan]]) -> list[dict[str, object]]:
    return [
        values_of(Finding(score_id, position, part.size, part.peak, *part.place, part.side))
        for score_id, row in agreed
        for position, part in enumerate(row.findings, start=1)
    ]


def _append_heatmaps(
    connection: Connection, agreed: Sequence[tuple[int, ScoredScan]], now: str
) -> int:
    rows = [
        values_of(Heatmap(score_id, file.kind, file.position, file.path, file.sha256, now))
        for score_id, row in agreed
        for file in row.heatmaps
    ]
    return append_new(connection, schema.heatmap, rows)


def _append_verdicts(
    connection: Connection,
    threshold_id: int,
    agreed: Sequence[tuple[int, ScoredScan]],
    run_id: int,
    now: str,
) -> int:
    rows = [
        values_of(_decision(threshold_id, score_id, row, run_id, now))
        for score_id, row in agreed
        if row.verdict is not None and row.p_value is not None
    ]
    return append_new(connection, schema.decision, rows)


def _decision(
    threshold_id: int, score_id: int, row: ScoredScan | DecidedAgain, run_id: int, now: str
) -> Decision:
    assert row.verdict is not None
    assert row.p_value is not None
    return Decision(
        scan_id=row.scan_id,
        threshold_id=threshold_id,
        score_id=score_id,
        verdict=row.verdict,
        p_value=float(row.p_value),
        run_id=run_id,
        created_at=now,
        reason=row.reason,
    )


def count_decisions(engine: Engine) -> int:
    """How many decisions there are."""
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(schema.decision)).scalar_one()


def verdicts_of(engine: Engine, decision_ids: Iterable[int]) -> dict[int, Verdict]:
    """Decision id -> its verdict."""
    table = schema.decision
    with reading(engine) as connection:
        found = select_in(connection, select(table), table.c.id, decision_ids)
        return {each.id: Verdict(each.verdict) for each in found}
