"""The population: scores by scanner, each scan a dot that opens; one of them may stand out."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup
from numpy.typing import NDArray
from sqlalchemy import Engine

from db.entities import Threshold
from db.repository.scoring.scores import calibration_scores
from db.repository.training.models import current_threshold
from web.rendering import page, sigmas, words
from web.site import MaybeId, site_of
from web.worklist.decision_index import DecisionIndex
from web.worklist.query import ANY, WorklistQuery, query_from
from web.worklist.query_result import select_scans
from web.worklist.review_index import VERDICTS
from web.worklist.worklist_row import sigmas_of

MOST_DOTS: Final = 1500  # of more scans a sample is drawn, with a note above
MOST_SCANNERS: Final = 12
MOST_HEALTHY: Final = 300  # calibration scans that are drawn
CALIBRATION: Final = "healthy, calibration"
HEALTHY: Final = "healthy"  # their dots' class
WORDS: Final = {each: words(each) for each in (*VERDICTS, HEALTHY)}
WIDTH, ROW, LEFT = 1100.0, 46.0, 190.0
router = APIRouter()


@dataclass(frozen=True, slots=True)
class Dot:
    """A scan in the population's drawing."""

    scan_id: int
    x: float
    y: float
    verdict: str
    sigmas: float


@router.get("/population")
def population(request: Request, scan: MaybeId = None) -> HTMLResponse:
    """Scores by scanner, each scan a dot that opens; one of them may stand out."""
    site = site_of(request)
    query = query_from(request.query_params.multi_items())
    if not any(name in request.query_params for name in ("verdict", "reviewed")):
        query = query.changed(verdict=(), reviewed=ANY)
    query = query.changed(sort="scan")  # the drawing has no other order
    found = select_scans(site.index, site.engine, query, site.reader_of(request))
    current = current_threshold(site.engine)
    healthy = [] if current is None else _healthy(site.engine, current.threshold)
    line = None if current is None else sigmas_of(current.threshold.value, current.threshold)
    with site.index.lock:
        hidden = site.index.reviews.hidden_from(site.reader_of(request))
        healthy = [each for each in healthy if each[0] not in hidden]
        drawing = _drawing(site.index, found.scans, scan, healthy, line)
    return page(request, "population.html.j2", query=query, n=len(found.scans), **drawing)


def _healthy(engine: Engine, threshold: Threshold) -> list[tuple[int, float]]:
    """The calibration scans of a threshold, and their scores in standard deviations."""
    stored = calibration_scores(engine, threshold.model_id, threshold.dataset_id)
    step = -(-len(stored) // MOST_HEALTHY) or 1
    scored = ((each.scan_id, sigmas_of(each.value, threshold)) for each in stored[::step])
    return [(scan_id, value) for scan_id, value in scored if value is not None]


def _svg(dots: list[Dot], chosen: int | None) -> Markup:
    """The dots as links, in one go: a template takes ten times as long for as many.

    They are made of numbers and of words that are ours, so there is nothing to escape.
    """
    return Markup(  # noqa: S704
        "".join(
            f'<a href="/scan/{dot.scan_id}"><circle class="dot {dot.verdict}'
            f'{" chosen" if dot.scan_id == chosen else ""}" cx="{dot.x}" cy="{dot.y}"'
            f' r="{7 if dot.scan_id == chosen else 3.5}">'
            f"<title>scan {dot.scan_id}: {sigmas(dot.sigmas)}, {WORDS[dot.verdict]}</title>"
            "</circle></a>"
            for dot in dots
        )
    )


def _drawing(
    index: DecisionIndex,
    scans: NDArray[np.int64],
    chosen: int | None,
    healthy: list[tuple[int, float]],
    line: float | None,
) -> dict[str, Any]:
    """Dots by scanner: to the right the score in standard deviations, rows the scanners.

    `scans` in order of their ids; of many, a share is drawn, evenly.
    Above them `healthy`, the calibration scans; `line`: the active threshold.
    """
    step = -(-len(scans) // MOST_DOTS) if len(scans) else 1
    shown = scans[::step]
    if chosen is not None and chosen in scans and chosen not in shown:
        shown = np.append(shown, chosen)
    scores = index.sigmas(shown)
    shown, scores = shown[np.isfinite(scores)], scores[np.isfinite(scores)]
    codes = index.scan["scanner"][shown].tolist()
    rows = [code for code, _ in Counter(codes).most_common(MOST_SCANNERS)]
    drawn = (*scores.tolist(), *(value for _, value in healthy))
    low, high = min((-3.0, *drawn)), max((4.0, *drawn))
    first = 1 if healthy else 0  # row of the first scanner

    def at(value: float) -> float:
        return round(float(LEFT + (WIDTH - LEFT - 20) * (value - low) / (high - low)), 1)

    def within(row: int, scan_id: int) -> float:
        """Scattered by id, so that a reload shows the same drawing."""
        return round(ROW * row + 8 + (scan_id * 7919 % 31), 1)

    dots = [Dot(each, at(value), within(0, each), HEALTHY, value) for each, value in healthy]
    dots += [
        Dot(
            scan_id,
            at(value),
            within(first + rows.index(code), scan_id),
            VERDICTS[int(index.standing["verdict"][scan_id])],
            value,
        )
        for scan_id, value, code in zip(shown.tolist(), scores.tolist(), codes, strict=True)
        if code in rows
    ]
    ticks = [(at(float(each)), each) for each in range(int(np.ceil(low)), int(high) + 1)]
    return {
        "dots": _svg(sorted(dots, key=lambda dot: dot.scan_id == chosen), chosen),
        "rows": [
            *([(CALIBRATION, 0.0)] if healthy else []),
            *((index.scanners.texts[code], ROW * row) for row, code in enumerate(rows, first)),
        ],
        "threshold": None if line is None or not low <= line <= high else at(line),
        "ticks": ticks[:: max(1, len(ticks) // 12)],
        "left_out": len(scans) - len(dots) + len(healthy),
        "chosen": chosen,
        "width": WIDTH,
        "row": ROW,
        "height": ROW * max(1, first + len(rows)) + 24,
        "at_zero": at(0.0),
        "plain": WorklistQuery(),
    }
