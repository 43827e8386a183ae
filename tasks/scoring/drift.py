"""Drift: whether recent scores still are distributed as those that the threshold was drawn from.

A warning is a row and a sentence. It changes nothing: a person may recalibrate.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine

from db.entities import RecordedWarning, Threshold
from db.repository.intake.labels import labelled
from db.repository.scoring import warnings as warnings_records
from db.repository.scoring.scores import DecidedScore, calibration_scores, recent_scores
from db.repository.scoring.warnings import append_warnings
from db.repository.training.models import CurrentThreshold, current_threshold, dataset_roles
from db.timestamps import now, written
from mriad_model.detection.decisions.drift import Drift, binomial_tail, drift, holm
from mriad_model.enums import LabelValue, Verdict, WarningKind
from tasks.runtime.connections import database

WINDOW = 200  # scans looked at: the last of all, and of each scanner
SEARCHED = 5_000  # decisions among which they are looked for
FEWEST = 30  # recent scores, below which drift is not tested
FEWEST_DECIDED = 5  # recent decisions, below which the not scorable are not counted
USUALLY_NOT_SCORABLE = 0.05  # of the scans that are like those learned from, at most
FEWEST_CALIBRATION = 8  # as many as can reach ALPHA beside FEWEST
ALPHA = 0.001  # of any false warning in a night: there are many nights
QUIET_DAYS = 30  # before a warning is repeated
DRIFTS = (WarningKind.DRIFT, WarningKind.SCANNER_DRIFT)
NOT_SCORABLE = (
    "{n} of the last {all} scans{of} are not scorable: they are not like the healthy scans that "
    "model {model} learned from. If such scans are what is to be scored now, ingest healthy scans "
    "of this kind and train."
)


@dataclass(frozen=True, slots=True)
class _Tried:
    scanner: str | None  # None: all scans
    scores: Sequence[DecidedScore]
    found: Drift

    @property
    def flagged(self) -> float:
        """The share that is suspicious."""
        return sum(each.verdict is Verdict.SUSPICIOUS for each in self.scores) / len(self.scores)


@task(name="check-drift", cache_policy=NO_CACHE)
def check_drift(home: str, run_id: int) -> list[str]:
    """Compare the last scans with the calibration scans, all and by scanner; the new warnings.

    Without scans labelled abnormal and those of the model's own dataset. A warning is not repeated
    within `QUIET_DAYS` while the threshold is active.
    """
    engine = database(home)
    current = current_threshold(engine)
    if current is None or current.threshold.id is None:
        return []
    threshold = current.threshold
    healthy = calibration_scores(engine, threshold.model_id, threshold.dataset_id)
    decided = _recent(engine, current, current.threshold.id)
    recent = [each for each in decided if each.verdict is not Verdict.NOT_SCORABLE]
    not_scorable = _not_scorable(engine, decided, current.threshold, run_id)
    append_warnings(engine, not_scorable)
    tried = [
        _Tried(scanner, scores, drift([s.value for s in scores], [h.value for h in healthy]))
        for scanner, scores in _windows(recent).items()
        if len(scores) >= FEWEST and len(healthy) >= FEWEST_CALIBRATION
    ]
    drifted = [
        each
        for each, p in zip(tried, holm([each.found.p for each in tried]), strict=True)
        if p <= ALPHA
    ]
    # Where single scanners drift, all scans together add nothing.
    by_scanner = [each for each in drifted if each.scanner is not None]
    warned_of = _warned_lately(engine, current.threshold.id, DRIFTS)
    warnings = [
        _warning(each, current, run_id)
        for each in by_scanner or drifted
        if each.scanner not in warned_of
    ]
    append_warnings(engine, warnings)
    return [each.text for each in [*not_scorable, *warnings]]


def _not_scorable(
    engine: Engine, decided: Sequence[DecidedScore], threshold: Threshold, run_id: int
) -> list[RecordedWarning]:
    """Warnings that more scans than usual are not scorable, of all or of single scanners."""
    tried = []
    for scanner, scores in _windows(decided).items():
        n = sum(each.verdict is Verdict.NOT_SCORABLE for each in scores)
        if len(scores) >= FEWEST_DECIDED:
            p = binomial_tail(n, len(scores), USUALLY_NOT_SCORABLE)
            tried.append((scanner, n, len(scores), p))
    adjusted = holm([p for *_, p in tried])
    found = [each for each, p in zip(tried, adjusted, strict=True) if p <= ALPHA]
    by_scanner = [each for each in found if each[0] is not None]
    warned_of = _warned_lately(engine, threshold.id or 0, (WarningKind.NOT_SCORABLE,))
    return [
        RecordedWarning(
            kind=WarningKind.NOT_SCORABLE,
            subject=json.dumps(
                {
                    "model_id": threshold.model_id,
                    "threshold_id": threshold.id,
                    "scanner": scanner,
                    "p": p,
                    "n": n_all,
                    "not_scorable": n,
                },
                sort_keys=True,
            ),
            text=NOT_SCORABLE.format(
                n=n,
                all=n_all,
                of="" if scanner is None else f" of the scanner {scanner}",
                model=threshold.model_id,
            ),
            run_id=run_id,
            created_at=now(),
        )
        for scanner, n, n_all, p in by_scanner or found
        if scanner not in warned_of
    ]


def _recent(engine: Engine, current: CurrentThreshold, threshold_id: int) -> list[DecidedScore]:
    own = set(dataset_roles(engine, current.model.dataset_id))
    own |= set(dataset_roles(engine, current.threshold.dataset_id))
    abnormal = {each.id for each in labelled(engine, LabelValue.ABNORMAL)}
    return [
        each
        for each in recent_scores(engine, threshold_id, SEARCHED)
        if each.scan_id not in own and each.scan_id not in abnormal
    ]


def _windows(recent: Sequence[DecidedScore]) -> dict[str | None, list[DecidedScore]]:
    """The last scans of all (None), and of each scanner where there are several."""
    windows: dict[str | None, list[DecidedScore]] = {None: list(recent[:WINDOW])}
    scanners = sorted({each.scanner for each in recent if each.scanner is not None})
    for scanner in scanners:
        windows[scanner] = [each for each in recent if each.scanner == scanner][:WINDOW]
    return windows


def _warned_lately(
    engine: Engine, threshold_id: int, kinds: Sequence[WarningKind]
) -> set[str | None]:
    """Scanners (None: all) that a warning about this threshold has named."""
    since = written(datetime.now(UTC) - timedelta(days=QUIET_DAYS))
    found = warnings_records.warnings(engine, since)
    subjects = [json.loads(each.subject) for each in found if each.kind in kinds]
    return {each.get("scanner") for each in subjects if each.get("threshold_id") == threshold_id}


def _warning(tried: _Tried, current: CurrentThreshold, run_id: int) -> RecordedWarning:
    found, scanner = tried.found, tried.scanner
    subject: dict[str, Any] = {
        "model_id": current.threshold.model_id,
        "threshold_id": current.threshold.id,
        "scanner": scanner,
        "p": found.p,
        "n": found.n,
        "n_calibration": found.n_calibration,
        "median": found.median,
        "calibration_median": found.calibration_median,
        "flagged": tried.flagged,
    }
    of = "" if scanner is None else f" of the scanner {scanner}"
    how = "higher than" if found.higher else "lower than"
    text = (
        f"The last {found.n} scans{of} score {how} the {found.n_calibration} healthy scans that "
        f"threshold {current.threshold.id} was drawn from (median {found.median:.3g} against "
        f"{found.calibration_median:.3g}, p = {found.p:.2g}), and {100 * tried.flagged:.0f} % of "
        "them are flagged: scanner, protocol or patients have changed. If healthy people score so "
        "now, ingest healthy scans of this kind and run mriad recalibrate --new-healthy."
    )
    return RecordedWarning(
        kind=WarningKind.DRIFT if scanner is None else WarningKind.SCANNER_DRIFT,
        subject=json.dumps(subject, sort_keys=True),
        text=text,
        run_id=run_id,
        created_at=now(),
    )
