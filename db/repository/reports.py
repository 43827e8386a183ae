"""Reads for reports: what came in a run, what it decided, and what happened in a week."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, func, select

from db import schema
from db.engine.connect import reading
from db.repository.decisions import DecisionRow, decision_rows
from mriad_model.enums import RunStatus, ScanKind, Verdict

SCORING_FLOWS: Final = ("score_new_scans", "score_arrivals", "nightly")  # each run reports
REPORT_AGAIN: Final = "report_again"  # writes the page of one of these once more
OVERLAPPING: Final = 20  # runs, at most, that end out of the order in which they reported


@dataclass(frozen=True, slots=True)
class Came:
    """What runs saw for the first time. A folder is where files lay, as recorded."""

    kinds: dict[ScanKind, int]  # scans that are new
    folders: dict[str, int]  # scans whose files were new there, most first


def new_scans_by_kind(engine: Engine, run_ids: Sequence[int]) -> Came:
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


@dataclass(frozen=True, slots=True)
class LatestDecision:
    """What runs decided, each scan once: by the threshold in force, else the last decision."""

    scans: int
    suspicious: int
    worst: list[DecisionRow]  # the suspicious ones of the smallest p, highest score first


def latest_decisions(
    engine: Engine, run_ids: Sequence[int], limit: int, in_force: int | None = None
) -> LatestDecision:
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
        return LatestDecision(
            scans=sum(counts.values()),
            suspicious=counts.get(Verdict.SUSPICIOUS.value, 0),
            worst=decision_rows(connection, connection.execute(worst).scalars().all()),
        )


def last_report_time(engine: Engine) -> str | None:
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
