"""What another threshold would flag among the stored scores."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final

import numpy as np
from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import Engine

from db.entities import Threshold
from db.repository.intake.labels import labelled
from db.repository.reports.worklist import marks
from db.repository.training.models import CurrentThreshold, current_threshold
from mriad_model.detection.decisions.thresholds import Flips, fit_threshold, flips, promised_rate
from mriad_model.enums import LabelValue, Policy, Verdict
from mriad_model.errors import SettingsError, ThresholdUndefined
from mriad_model.promotion.power import Power, power_of
from tasks.calibration.thresholds import DecidedEvidence, decided_evidence
from tasks.scoring.judge import Judge
from web.charts import Histogram, histogram
from web.rendering import page
from web.site import Site, form_of, site_of

LEAST, MOST, STEP = 0.0, 8.0, 0.05  # standard deviations above the mean of healthy scans
NOT_HERE: Final = "This server starts no commands; use: mriad recalibrate --sigmas {k}"
SAME: Final = "Threshold {id} is that already, and active: nothing to draw."
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
    """What a threshold would decide by the stored scores, as `mriad recalibrate` does."""

    k: float  # standard deviations above the mean of healthy scans
    value: float
    scorable: int  # decided scans that the model can judge; all counts are of these
    not_scorable: int  # by any threshold
    suspicious: int
    uncertain: int
    turned: Flips  # beside the active threshold
    healthy: Share  # calibration scans
    abnormal: Share | None  # scorable scans that people call abnormal
    abnormal_not_scorable: int
    power: Power | None  # lesions implanted when the model was made
    chart: Histogram | None  # scorable scans; the active threshold in the scan's place


@router.get("/threshold")
def threshold(request: Request, sigmas: str = "", begun: str = "") -> HTMLResponse:
    """The active threshold beside another."""
    site = site_of(request)
    current = current_threshold(site.engine)
    spread, k = current is not None and current.threshold.sd > 0, _k(sigmas, current)
    return page(
        request,
        "threshold.html.j2",
        current=current,
        least=LEAST,
        most=MOST,
        step=STEP,
        begun=bool(begun),
        can_begin=site.begin is not None,
        found=_what_if(site, current, k) if current and spread else None,
        same=current is not None and _is_active(current, k),
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
    if _is_active(current, k):
        raise SettingsError(SAME.format(id=current.threshold.id))
    if site.begin is None:
        raise SettingsError(NOT_HERE.format(k=k))
    site.begin(["recalibrate", f"--sigmas={k:g}"], "")
    return RedirectResponse(f"/threshold?sigmas={k:g}&begun=1", 303)


def _is_active(current: CurrentThreshold, k: float) -> bool:
    """Whether the active threshold is drawn so, by this policy and k."""
    return (current.threshold.policy, current.threshold.k) == (Policy.SIGMAS, k)


def _k(given: str, current: CurrentThreshold | None) -> float:
    """The standard deviations that are asked for; of the active threshold where none are.

    Raises:
        SettingsError: the text is not a number, or out of range.
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


def _what_if(site: Site, current: CurrentThreshold, k: float) -> WhatIf | None:
    """What a threshold of `k` would decide; None where the calibration scores give none."""
    past, before = _past(site.engine, current.threshold, marks(site.engine).decision)
    healthy = past.judge.healthy
    try:
        fit = fit_threshold(healthy.values, Policy.SIGMAS, k, healthy.groups)
    except ThresholdUndefined:
        return None
    after = past.verdicts(Judge(past.judge.recipe, fit, healthy))
    verdicts = {each.scan_id: one for each, one in zip(past.scores, after, strict=True)}
    scored = [
        each.value
        for each, one in zip(past.scores, after, strict=True)
        if one is not Verdict.NOT_SCORABLE
    ]
    called = [
        verdicts[each.id]
        for each in labelled(site.engine, LabelValue.ABNORMAL)
        if each.id in verdicts
    ]
    judged = [one is Verdict.SUSPICIOUS for one in called if one is not Verdict.NOT_SCORABLE]
    return WhatIf(
        k=k,
        value=fit.value,
        scorable=len(scored),
        not_scorable=after.count(Verdict.NOT_SCORABLE),
        suspicious=after.count(Verdict.SUSPICIOUS),
        uncertain=after.count(Verdict.UNCERTAIN),
        turned=flips(before, after),
        healthy=Share(
            sum(each > fit.value for each in healthy.values),
            fit.n,
            *promised_rate(healthy.values, fit.value, healthy.groups, conformal=False),
        ),
        abnormal=_share(judged),
        abnormal_not_scorable=len(called) - len(judged),
        power=power_of(current.model.metrics, fit.value),
        chart=histogram(scored, current.threshold.value, fit.value),
    )


@lru_cache(maxsize=1)
def _past(
    engine: Engine,
    threshold: Threshold,
    last_decision: int,  # noqa: ARG001 - what was read is kept until there are more
) -> tuple[DecidedEvidence, list[Verdict]]:
    """What the active model has decided, and its threshold's verdicts: a slider asks often."""
    past = decided_evidence(engine, threshold)
    return past, past.verdicts()


def _share(flagged: list[bool]) -> Share | None:
    if not flagged:
        return None
    rate = promised_rate(np.array(flagged, float), 0.5, None, conformal=False)
    return Share(sum(flagged), len(flagged), *rate)
