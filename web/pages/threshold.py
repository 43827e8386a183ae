"""The threshold as a question: what another line through the stored scores would flag."""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from numpy.typing import NDArray

from db.repository.labels import labelled
from db.repository.models import CurrentThreshold, current_threshold, dataset_groups
from db.repository.scores import calibration_scores
from mriad_model.detection.thresholds import promised_rate
from mriad_model.enums import LabelValue
from mriad_model.errors import SettingsError
from mriad_model.promotion.power import Power, power_of
from web.charts import Histogram, histogram
from web.rendering import page
from web.site import Site, form_of, site_of

LEAST, MOST, STEP = 0.0, 8.0, 0.05  # standard deviations above the mean of healthy scans
NOT_HERE: Final = "This server starts no commands; use: mriad recalibrate --sigmas {k}"
router = APIRouter()


@dataclass(frozen=True, slots=True)
class Share:
    """A share of scans above a threshold, with its 95 % interval."""

    above: int
    n: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a threshold would say of the scores that are stored."""

    k: float  # standard deviations above the mean of healthy scans
    value: float
    flagged: int  # of the scans that the active threshold has decided
    decided: int
    to_above: int  # that lie above this one and not above the active one
    to_below: int
    healthy: Share | None  # calibration scans
    abnormal: Share | None  # decided scans that people call abnormal
    power: Power | None  # lesions implanted when the model was made
    chart: Histogram | None  # decided scans; the active threshold in the scan's place


@router.get("/threshold")
def threshold(request: Request, sigmas: str = "", begun: str = "") -> HTMLResponse:
    """The active threshold beside another."""
    site = site_of(request)
    current = current_threshold(site.engine)
    spread = current is not None and current.threshold.sd > 0
    return page(
        request,
        "threshold.html.j2",
        current=current,
        least=LEAST,
        most=MOST,
        step=STEP,
        begun=bool(begun),
        can_begin=site.begin is not None,
        found=_what_if(site, current, _k(sigmas, current)) if current and spread else None,
    )


@router.post("/threshold/recalibrate")
def recalibrate(
    request: Request, fields: Annotated[dict[str, str], Depends(form_of)]
) -> RedirectResponse:
    """Start `mriad recalibrate` in the background: a Prefect run."""
    site = site_of(request)
    current = current_threshold(site.engine)
    if current is None:
        raise SettingsError("No model is active, so there is no threshold to draw anew.")
    k = _k(fields.get("sigmas", ""), current)
    if site.begin is None:
        raise SettingsError(NOT_HERE.format(k=k))
    site.begin(["recalibrate", f"--sigmas={k:g}"], "")
    return RedirectResponse(f"/threshold?sigmas={k:g}&begun=1", 303)


def _k(given: str, current: CurrentThreshold | None) -> float:
    """The standard deviations that are asked for; of the active threshold where none are.

    Raises:
        SettingsError: that is no number, or out of range.
    """
    if not given:
        row = current.threshold if current else None
        k = (row.value - row.mean) / row.sd if row and row.sd > 0 else LEAST
        return round(min(max(k, LEAST), MOST), 4)
    try:
        k = float(given)
    except ValueError:
        k = float("nan")
    if not LEAST <= k <= MOST:
        raise SettingsError(f"sigmas={given!r}: give a number from {LEAST:g} to {MOST:g}")
    return k


def _what_if(site: Site, current: CurrentThreshold, k: float) -> WhatIf:
    row = current.threshold
    value = row.mean + k * row.sd
    site.index.refresh()
    with site.index.lock:
        scores = site.index.decided_by(current.threshold.id or 0)
    decided: NDArray[np.float64] = np.array(list(scores.values()))
    stored = calibration_scores(site.engine, row.model_id, row.dataset_id)
    by_scan = dataset_groups(site.engine, row.dataset_id)
    healthy = np.array([each.value for each in stored])
    groups = [by_scan[each.scan_id] for each in stored] if row.n_groups is not None else None
    called = [each.id for each in labelled(site.engine, LabelValue.ABNORMAL)]
    abnormal = np.array([scores[each] for each in called if each in scores])
    return WhatIf(
        k=k,
        value=value,
        flagged=int(np.count_nonzero(decided > value)),
        decided=len(decided),
        to_above=int(np.count_nonzero((decided > value) & (decided <= row.value))),
        to_below=int(np.count_nonzero((decided <= value) & (decided > row.value))),
        healthy=_share(healthy, value, groups),
        abnormal=_share(abnormal, value, None),
        power=power_of(current.model.metrics, value),
        chart=histogram(decided.tolist(), row.value, value),
    )


def _share(scores: NDArray[np.float64], value: float, groups: list[int] | None) -> Share | None:
    if len(scores) == 0:
        return None
    above = int(np.count_nonzero(scores > value))
    return Share(above, len(scores), *promised_rate(scores, value, groups, conformal=False))
