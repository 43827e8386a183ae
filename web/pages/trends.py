"""Trends: a day x scanner, rejections by reason, reviews of flagged scans, agreement."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from numpy.typing import NDArray

from db.entities import RecordedWarning
from db.repository.intake.rejections import rejections_by_day
from db.repository.scoring.warnings import warnings
from mriad_model.detection.decisions.thresholds import promised_rate
from mriad_model.enums import RejectionReason
from mriad_model.errors import SettingsError
from mriad_model.evaluation.metrics.agreement import FEWEST, Kappa, cohens_kappa
from web.rendering import page
from web.site import site_of
from web.worklist.decision_index import DecisionIndex
from web.worklist.review_index import NOT_REVIEWED, VERDICTS

DAY: Final = 86_400_000_000  # microseconds
DEFAULT_DAYS, MOST_DAYS = 14, 366
MOST_LINES: Final = 400
MOST_PAIRS: Final = 12  # of readers
FLAGGED: Final = VERDICTS.index("suspicious")
Codes = NDArray[np.int8]  # places in VERDICTS
Warned = dict[tuple[str, str], dict[str, None]]  # day and scanner -> kinds of warnings
router = APIRouter()


@dataclass(frozen=True, slots=True)
class Agreement:
    """A share of reviews that agree, with its 95 % interval."""

    agreed: int
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ScannerDay:
    """A day of a scanner."""

    day: str
    scanner: str
    counts: dict[str, int]  # by verdict
    confirmed: Agreement | None = None  # of its suspicious scans, those that reviews call so
    warnings: tuple[str, ...] = ()  # kinds of those that name the scanner, or all scanners

    @property
    def n(self) -> int:
        """Scans that were decided."""
        return sum(self.counts.values())

    @property
    def flagged(self) -> int:
        """Those that are suspicious."""
        return self.counts.get("suspicious", 0)


@dataclass(frozen=True, slots=True)
class RejectedOfDay:
    """Files that were rejected on a day, by reason."""

    day: str
    reasons: list[tuple[RejectionReason, int]]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two readers, and how far they agree on the scans that both have reviewed."""

    one: str
    other: str
    share: Agreement
    kappa: Kappa | None  # None where it is undefined


@router.get("/trends")
def trends(request: Request, days: str = str(DEFAULT_DAYS)) -> HTMLResponse:
    """The last days that scans were decided on, a line a day and scanner."""
    site = site_of(request)
    n_days = _days(days)
    site.index.refresh()
    since = _first_day(site.index, n_days)
    warned = warnings(site.engine, since=since)
    with site.index.lock:
        reader, reviews = site.reader_of(request), site.index.reviews
        reviewed = reviews.columns().verdicts if reader is None else reviews.own_verdicts(reader)
        lines = _lines(site.index, n_days, reviewed, _warned_of_scanners(warned))
        confirmed = _confirmed(site.index, reviewed)
        read = _read_by_several(site.index)
    agreement, pairs = _agreement(read), _pairs(read)
    return page(
        request,
        "trends.html.j2",
        days=n_days,
        lines=lines[:MOST_LINES],
        more=max(0, len(lines) - MOST_LINES),
        confirmed=confirmed,
        agreement=agreement,
        pairs=pairs,
        fewest=FEWEST,
        blind=site.blind,
        warnings=list(reversed(warned)),
        rejected=_rejected(rejections_by_day(site.engine, since)),
    )


def _days(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:9]) <= MOST_DAYS):
        raise SettingsError(f"days={text!r}: give a number from 1 to {MOST_DAYS}")
    return int(text)


def _first_day(index: DecisionIndex, n_days: int) -> str | None:
    """The first of the last days that have decisions; None without any."""
    with index.lock:
        moments = index.standing["moment"][index.decided]
    if len(moments) == 0:
        return None
    return str(np.datetime64(int(moments.max()) // DAY - n_days + 1, "D"))


def _lines(index: DecisionIndex, n_days: int, reviewed: Codes, warned: Warned) -> list[ScannerDay]:
    """The last days that have decisions, newest first; of a day the scanner with most first.

    `reviewed`: each scan's last review; `warned`: by day and scanner, the kinds of warnings.
    """
    scans = np.flatnonzero(index.decided)
    if len(scans) == 0:
        return []
    day = index.standing["moment"][scans] // DAY
    scans = scans[day > day.max() - n_days]
    day, n_scanners = index.standing["moment"][scans] // DAY, len(index.scanners.texts)
    verdict = index.standing["verdict"][scans]
    place = day * n_scanners + index.scan["scanner"][scans]  # a number for a day and scanner
    found: dict[int, dict[str, int]] = {}
    for code, n in _counted(place * len(VERDICTS) + verdict):
        found.setdefault(code // len(VERDICTS), {})[VERDICTS[code % len(VERDICTS)]] = n
    judged = (verdict == FLAGGED) & (reviewed[scans] != NOT_REVIEWED)
    agreed = dict(_counted(place[judged & (reviewed[scans] == FLAGGED)]))
    confirmed = {
        code: _share(np.arange(n) < agreed.get(code, 0)) for code, n in _counted(place[judged])
    }
    lines = []
    for code, counted in found.items():
        date = str(np.datetime64(code // n_scanners, "D"))
        scanner = index.scanners.texts[code % n_scanners]
        kinds = tuple(warned.get((date, scanner), ()))
        lines.append(ScannerDay(date, scanner, counted, confirmed.get(code), kinds))
    return sorted(lines, key=lambda each: (each.day, each.n), reverse=True)


def _counted(codes: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Each number, and how often it occurs."""
    values, counts = np.unique(codes, return_counts=True)
    return zip(values.tolist(), counts.tolist(), strict=True)


def _warned_of_scanners(rows: Sequence[RecordedWarning]) -> Warned:
    """Kinds of warnings that are about one scanner, by day and scanner."""
    found: Warned = {}
    for each in rows:
        scanner = json.loads(each.subject).get("scanner")
        if scanner is not None:
            kinds = found.setdefault((each.created_at[:10], scanner), {})
            kinds[each.kind.value.replace("_", " ")] = None
    return found


def _rejected(counted: Sequence[tuple[str, RejectionReason, int]]) -> list[RejectedOfDay]:
    """Rejections by reason, the last day first; of a day the most frequent reason first."""
    days: dict[str, list[tuple[RejectionReason, int]]] = {}
    for day, reason, n in counted:
        days.setdefault(day, []).append((reason, n))
    return [
        RejectedOfDay(day, sorted(found, key=lambda each: (-each[1], each[0].value)))
        for day, found in sorted(days.items(), reverse=True)
    ]


def _confirmed(index: DecisionIndex, reviewed: Codes) -> Agreement | None:
    """Of suspicious scans that somebody reviewed, those that the last review calls suspicious."""
    looked_at = index.decided & (index.standing["verdict"] == FLAGGED) & (reviewed != NOT_REVIEWED)
    return _share(reviewed[looked_at] == FLAGGED)


def _read_by_several(index: DecisionIndex) -> list[dict[str, bool]]:
    """For each scan that several reviewed: reader -> whether the last review says suspicious."""
    by_reader = (
        {reviewer: verdict == FLAGGED for reviewer, verdict, _ in reviews}
        for _, reviews in index.reviews.all_held()
        if len(reviews) > 1
    )
    return [each for each in by_reader if len(each) > 1]


def _agreement(read: list[dict[str, bool]]) -> Agreement | None:
    """Of scans that several readers reviewed, those on which all of them say the same."""
    return _share(np.array([len(set(each.values())) == 1 for each in read], bool))


def _pairs(read: list[dict[str, bool]]) -> list[Pair]:
    """How far each two readers agree, those with most scans in common first."""
    answers: dict[tuple[str, str], list[tuple[bool, bool]]] = {}
    for reviewed in read:
        for one, other in combinations(sorted(reviewed), 2):
            answers.setdefault((one, other), []).append((reviewed[one], reviewed[other]))
    most = sorted(answers.items(), key=lambda each: (-len(each[1]), each[0]))[:MOST_PAIRS]
    found = []
    for (one, other), given in most:
        first, second = zip(*given, strict=True)
        share = _share(np.array(first) == np.array(second))
        assert share is not None
        found.append(Pair(one, other, share, cohens_kappa(first, second)))
    return found


def _share(agreed: NDArray[np.bool_]) -> Agreement | None:
    if len(agreed) == 0:
        return None
    _, low, high = promised_rate(agreed.astype(float), 0.5, conformal=False)
    return Agreement(int(agreed.sum()), len(agreed), low, high)
