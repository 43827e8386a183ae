"""Trends and the population: a day x scanner, what reviews say of the flags, each scan a dot."""

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from numpy.typing import NDArray

from db.repository.warnings import warnings
from mriad_model.detection.thresholds import promised_rate
from mriad_model.errors import SettingsError
from mriad_model.evaluation.agreement import FEWEST, Kappa, cohens_kappa
from web.decision_index import DecisionIndex
from web.query import ANY, WorklistQuery, query_from
from web.rendering import page
from web.review_index import NOT_REVIEWED, VERDICTS
from web.selection import select_scans
from web.site import MaybeId, site_of

DAY: Final = 86_400_000_000  # microseconds
DEFAULT_DAYS, MOST_DAYS = 14, 366
MOST_LINES: Final = 400
MOST_DOTS: Final = 1500  # of all scans a share is drawn, said above the drawing
MOST_SCANNERS: Final = 12
MOST_PAIRS: Final = 12  # of readers
WIDTH, ROW, LEFT = 1100.0, 46.0, 190.0
router = APIRouter()


@dataclass(frozen=True, slots=True)
class Line:
    """A day of a scanner."""

    day: str
    scanner: str
    counts: dict[str, int]  # by verdict

    @property
    def n(self) -> int:
        """Scans that were decided."""
        return sum(self.counts.values())

    @property
    def flagged(self) -> int:
        """Those that are suspicious."""
        return self.counts.get("suspicious", 0)


@dataclass(frozen=True, slots=True)
class Agreement:
    """A share of what people said, with its 95 % interval."""

    agreed: int
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Two readers, and how far they agree on the scans that both have reviewed."""

    one: str
    other: str
    share: Agreement
    kappa: Kappa | None  # None where it would say nothing


@dataclass(frozen=True, slots=True)
class Dot:
    """A scan in the population's drawing."""

    scan_id: int
    x: float
    y: float
    verdict: str
    sigmas: float


@router.get("/trends")
def trends(request: Request, days: str = str(DEFAULT_DAYS)) -> HTMLResponse:
    """The last days that scans were decided on, a line a day and scanner."""
    site = site_of(request)
    n_days = _days(days)
    site.index.refresh()
    with site.index.lock:
        lines = _lines(site.index, n_days)
        confirmed = _confirmed(site.index)
        read = _read_by_several(site.index)
    agreement, pairs = _agreement(read), _pairs(read)
    since = lines[-1].day if lines else None
    told = warnings(site.engine, since=since)
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
        warnings=list(reversed(told)),
    )


@router.get("/population")
def population(request: Request, scan: MaybeId = None) -> HTMLResponse:
    """Scores by scanner, each scan a dot that opens; one of them may stand out."""
    site = site_of(request)
    query = query_from(request.query_params.multi_items())
    if not any(name in request.query_params for name in ("verdict", "reviewed")):
        query = query.changed(verdict=(), reviewed=ANY)
    found = select_scans(site.index, site.engine, query, site.reader_of(request))
    with site.index.lock:
        drawing = _drawing(site.index, found.scans, scan)
    return page(request, "population.html.j2", query=query, n=len(found.scans), **drawing)


def _days(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:9]) <= MOST_DAYS):
        raise SettingsError(f"days={text!r}: give a number from 1 to {MOST_DAYS}")
    return int(text)


def _lines(index: DecisionIndex, n_days: int) -> list[Line]:
    """The last days that have decisions, newest first; of a day the scanner with most first."""
    if not index.standing:
        return []
    scans = np.flatnonzero(index.decided)
    if len(scans) == 0:
        return []
    day = index.standing["moment"][scans] // DAY
    kept = day > day.max() - n_days
    keys = np.stack(
        (day[kept], index.scan["scanner"][scans][kept], index.standing["verdict"][scans][kept]), 1
    )
    found: dict[tuple[int, int], dict[str, int]] = {}
    values, counts = np.unique(keys, axis=0, return_counts=True)
    for (moment, scanner, verdict), n in zip(values.tolist(), counts.tolist(), strict=True):
        found.setdefault((moment, scanner), {})[VERDICTS[verdict]] = n
    lines = [
        Line(str(np.datetime64(moment, "D")), index.scanners.texts[scanner], counted)
        for (moment, scanner), counted in found.items()
    ]
    return sorted(lines, key=lambda each: (each.day, each.n), reverse=True)


def _confirmed(index: DecisionIndex) -> Agreement | None:
    """Of suspicious scans that somebody reviewed, those that the last review calls suspicious."""
    if not index.standing:
        return None
    flagged, said = VERDICTS.index("suspicious"), index.reviews.columns().verdicts
    looked_at = index.decided & (index.standing["verdict"] == flagged) & (said != NOT_REVIEWED)
    return _share(said[looked_at] == flagged)


def _read_by_several(index: DecisionIndex) -> list[dict[str, bool]]:
    """For each scan that several reviewed: reader -> whether the last review says suspicious."""
    flagged = VERDICTS.index("suspicious")
    by_reader = (
        {reviewer: verdict == flagged for reviewer, verdict, _ in said}
        for _, said in index.reviews.all_said()
        if len(said) > 1
    )
    return [each for each in by_reader if len(each) > 1]


def _agreement(read: list[dict[str, bool]]) -> Agreement | None:
    """Of scans that several readers reviewed, those on which all of them say the same."""
    return _share(np.array([len(set(each.values())) == 1 for each in read], bool))


def _pairs(read: list[dict[str, bool]]) -> list[Pair]:
    """How far each two readers agree, those with most scans in common first."""
    answers: dict[tuple[str, str], list[tuple[bool, bool]]] = {}
    for said in read:
        for one, other in combinations(sorted(said), 2):
            answers.setdefault((one, other), []).append((said[one], said[other]))
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


def _drawing(index: DecisionIndex, scans: NDArray[np.int64], chosen: int | None) -> dict[str, Any]:
    """Dots by scanner: to the right the score in standard deviations, rows the scanners."""
    step = -(-len(scans) // MOST_DOTS) if len(scans) else 1
    shown = np.sort(scans)[::step]
    if chosen is not None and chosen in scans and chosen not in shown:
        shown = np.append(shown, chosen)
    sigmas = index.sigmas(shown)
    shown, sigmas = shown[np.isfinite(sigmas)], sigmas[np.isfinite(sigmas)]
    codes = index.scan["scanner"][shown].tolist()
    rows = [code for code, _ in Counter(codes).most_common(MOST_SCANNERS)]
    low, high = (min(-3.0, sigmas.min()), max(4.0, sigmas.max())) if len(shown) else (-3.0, 4.0)

    def at(value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - 20) * (value - low) / (high - low), 1)

    dots = [
        Dot(
            scan_id,
            at(value),
            # Scattered by id, so that a reload shows the same drawing.
            round(ROW * rows.index(code) + 8 + (scan_id * 7919 % 31), 1),
            VERDICTS[int(index.standing["verdict"][scan_id])],
            value,
        )
        for scan_id, value, code in zip(shown.tolist(), sigmas.tolist(), codes, strict=True)
        if code in rows
    ]
    ticks = [(at(float(each)), each) for each in range(int(np.ceil(low)), int(high) + 1)]
    return {
        "dots": sorted(dots, key=lambda dot: dot.scan_id == chosen),
        "rows": [(index.scanners.texts[code], ROW * place) for place, code in enumerate(rows)],
        "ticks": ticks[:: max(1, len(ticks) // 12)],
        "left_out": len(scans) - len(dots),
        "chosen": chosen,
        "width": WIDTH,
        "row": ROW,
        "height": ROW * max(1, len(rows)) + 24,
        "at_zero": at(0.0),
        "plain": WorklistQuery(),
    }
