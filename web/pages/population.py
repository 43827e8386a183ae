"""The population: scores by scanner, each scan a dot that opens; one of them may stand out."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from numpy.typing import NDArray

from web.rendering import page
from web.site import MaybeId, site_of
from web.worklist.decision_index import DecisionIndex
from web.worklist.query import ANY, WorklistQuery, query_from
from web.worklist.query_result import select_scans
from web.worklist.review_index import VERDICTS

MOST_DOTS: Final = 1500  # of all scans a share is drawn, said above the drawing
MOST_SCANNERS: Final = 12
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
    found = select_scans(site.index, site.engine, query, site.reader_of(request))
    with site.index.lock:
        drawing = _drawing(site.index, found.scans, scan)
    return page(request, "population.html.j2", query=query, n=len(found.scans), **drawing)


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
