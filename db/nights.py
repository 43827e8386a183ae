"""Reads for reports: what came in a run, what it decided, and what happened in a week."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, func, select

from db import schema
from db.decisions import DecisionRow, described
from db.engine import reading
from db.rows import columns_of, noun_of, pieces
from mriad_model.nouns import Rejection, Run, RunEnd, RunStatus, ScanKind, Verdict

SCORING_FLOWS: Final = ("score_new_scans", "score_arrivals", "nightly")  # each run reports
REPORT_AGAIN: Final = "report_again"  # writes the page of one of these once more
OVERLAPPING: Final = 20  # runs, at most, that end out of the order in which they reported


@dataclass(frozen=True, slots=True)
class Came:
    """What runs saw for the first time. A folder is where files lay, as recorded."""

    kinds: dict[ScanKind, int]  # scans that are new
    folders: dict[str, int]  # scans whose files were new there, most first


def came(engine: Engine, run_ids: Sequence[int]) -> Came:
    """What these runs took in."""
    scan, seen = schema.scan, schema.sighting
    kinds = (
        select(scan.c.kind, func.count()).where(scan.c.run_id.in_(run_ids)).group_by(scan.c.kind)
    )
    sightings = select(seen.c.scan_id, seen.c.path).where(seen.c.run_id.in_(run_ids))
    folders: dict[str, set[int]] = defaultdict(set)
    with reading(engine) as connection:
        by_kind = {ScanKind(kind): n for kind, n in connection.execute(kinds)}
        for scan_id, path in connection.execute(sightings):
            folders[path.rpartition("/")[0] or "."].add(scan_id)
    counts = {folder: len(scans) for folder, scans in folders.items()}
    most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Came(by_kind, dict(most_first))


def decided_in(engine: Engine, run_ids: Sequence[int]) -> list[DecisionRow]:
    """All decisions that these runs made, suspicious ones first, then by score, highest first."""
    decision, score = schema.decision, schema.score
    query = (
        select(decision.c.id)
        .join(score, score.c.id == decision.c.score_id)
        .where(decision.c.run_id.in_(run_ids))
        .order_by(
            (decision.c.verdict == Verdict.SUSPICIOUS.value).desc(),
            score.c.value.desc(),
            decision.c.id,
        )
    )
    with reading(engine) as connection:
        return described(connection, connection.execute(query).scalars().all())


@dataclass(frozen=True, slots=True)
class LastWord:
    """What runs decided, each scan once: by the threshold in force, else the last decision."""

    scans: int
    suspicious: int
    worst: list[DecisionRow]  # the suspicious ones of the smallest p, highest score first


def last_word(
    engine: Engine, run_ids: Sequence[int], limit: int, in_force: int | None = None
) -> LastWord:
    """Scans that these runs decided; at most `limit` are listed.

    After a recalibration, or under another model, a scan is decided again; and where somebody
    went back to the threshold `in_force` since, what that one said holds again.
    """
    decision, score = schema.decision, schema.score
    newest = func.max(decision.c.id)
    held = newest.filter(decision.c.threshold_id == in_force)
    last = (
        select(func.coalesce(held, newest).label("id"))
        .where(decision.c.run_id.in_(run_ids))
        .group_by(decision.c.scan_id)
        .subquery()
    )
    suspicious = decision.c.verdict == Verdict.SUSPICIOUS.value
    decided = select(decision.c.verdict, func.count()).join(last, last.c.id == decision.c.id)
    worst = (
        select(decision.c.id)
        .join(last, last.c.id == decision.c.id)
        .join(score, score.c.id == decision.c.score_id)
        .where(suspicious)
        .order_by(decision.c.p_value, score.c.value.desc(), decision.c.id)
        .limit(limit)
    )
    with reading(engine) as connection:
        counts = dict(connection.execute(decided.group_by(decision.c.verdict)).tuples().all())
        return LastWord(
            scans=sum(counts.values()),
            suspicious=counts.get(Verdict.SUSPICIOUS.value, 0),
            worst=described(connection, connection.execute(worst).scalars().all()),
        )


def told_until(engine: Engine) -> str | None:
    """Up to when reports have told what changed; None before the first.

    A report says so in the counts of the run that wrote it. One of before they did has told all up
    to its run's end, as far as is known. Runs overlap, so the last to end need not be the one that
    told most.
    """
    run, end = schema.run, schema.run_end
    query = (
        select(end.c.counts, end.c.ended_at)
        .join(run, run.c.id == end.c.run_id)
        .where(
            run.c.flow.in_((*SCORING_FLOWS, REPORT_AGAIN)),
            end.c.status == RunStatus.COMPLETED.value,
        )
        .order_by(end.c.id.desc())
        .limit(OVERLAPPING)
    )
    with reading(engine) as connection:
        ended = connection.execute(query).tuples().all()
    told = [json.loads(counts).get("told_until", ended_at) for counts, ended_at in ended]
    return max(told, default=None)


def runs_ended(engine: Engine, since: str) -> list[tuple[Run, RunEnd]]:
    """The runs that ended from a recorded moment on, in the order in which they did."""
    run, end = schema.run, schema.run_end
    query = (
        select(*columns_of(run, "r_"), *columns_of(end, "e_"))
        .join(end, end.c.run_id == run.c.id)
        .where(end.c.ended_at >= since)
        .order_by(end.c.id)
    )
    with reading(engine) as connection:
        return [
            (noun_of(Run, row, "r_"), noun_of(RunEnd, row, "e_"))
            for row in connection.execute(query).mappings()
        ]


def runs_since(engine: Engine, since: str) -> list[tuple[Run, RunEnd | None]]:
    """The runs that began from a recorded moment on, oldest first, and how they ended."""
    run, end = schema.run, schema.run_end
    query = (
        select(*columns_of(run, "r_"), *columns_of(end, "e_"))
        .outerjoin(end, end.c.run_id == run.c.id)
        .where(run.c.started_at >= since)
        .order_by(run.c.id)
    )
    with reading(engine) as connection:
        return [
            (noun_of(Run, row, "r_"), noun_of(RunEnd, row, "e_") if row["e_id"] else None)
            for row in connection.execute(query).mappings()
        ]


def rejections_of(engine: Engine, run_ids: Sequence[int]) -> list[Rejection]:
    """The files that these runs rejected, oldest first."""
    table = schema.rejection
    found = []
    with reading(engine) as connection:
        for piece in pieces(run_ids):
            query = select(table).where(table.c.run_id.in_(piece)).order_by(table.c.id)
            found += [noun_of(Rejection, row) for row in connection.execute(query).mappings()]
    return found


def verdicts_of(engine: Engine, decision_ids: Iterable[int]) -> dict[int, Verdict]:
    """Decision id -> what it says."""
    table = schema.decision
    found: dict[int, Verdict] = {}
    with reading(engine) as connection:
        for piece in pieces(decision_ids):
            query = select(table.c.id, table.c.verdict).where(table.c.id.in_(piece))
            found |= {number: Verdict(said) for number, said in connection.execute(query)}
    return found
