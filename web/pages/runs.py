"""Runs: how they ended, their reports, what they rejected; folders that wait to be scored."""

import json
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse
from sqlalchemy import Engine

from db.entities import Report, Run, RunEnd
from db.repository.arrivals import open_arrivals
from db.repository.rejections import (
    newest_rejections,
    rejections_by_reason,
    unregistered_of_runs,
)
from db.repository.reports import report_by_id, reports_of_runs
from db.repository.runs import newest_runs
from db.repository.warnings import warnings
from mriad_model.enums import RejectionReason
from mriad_model.errors import SettingsError
from mriad_model.paths import source_path
from web.rendering import page
from web.site import MaybeId, RowId, site_of

PAGE_SIZE: Final = 40
WAITING: Final = "settled, and waits for a run"
# A report brings its style along; it runs nothing, and asks for nothing.
REPORT_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"
TOLD: Final = ("new", "scored", "suspicious", "uncertain", "not_scorable", "rejected", "warnings")
router = APIRouter()


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run of the list."""

    run: Run
    end: RunEnd | None
    report: Report | None
    unregistered: int  # scans whose registration failed, among those not scorable

    @property
    def status(self) -> str:
        """How it ended."""
        return "under way, or was killed" if self.end is None else self.end.status.value

    @property
    def counts(self) -> dict[str, Any]:
        """What it counted, in the order that readers ask for it."""
        counted: dict[str, Any] = {} if self.end is None else json.loads(self.end.counts)
        return {name: counted[name] for name in TOLD if counted.get(name)}


@router.get("/runs")
def runs(request: Request, before: MaybeId = None) -> HTMLResponse:
    """Runs, newest first."""
    site = site_of(request)
    lines = _lines(site.engine, before)
    return page(
        request,
        "runs.html.j2",
        lines=lines,
        before=before,
        older=lines[-1].run.id if len(lines) == PAGE_SIZE else None,
        waiting=open_arrivals(site.engine),
        why=WAITING,
        reasons=rejections_by_reason(site.engine),
        warnings=list(reversed(warnings(site.engine)))[:PAGE_SIZE],
    )


@router.get("/rejections")
def rejections(
    request: Request, reason: str = "", run: MaybeId = None, before: MaybeId = None
) -> HTMLResponse:
    """Files that are no scans and scans that got no score, newest first, and why."""
    site = site_of(request)
    wanted = _reason(reason)
    lines = newest_rejections(site.engine, PAGE_SIZE, wanted, run, before)
    return page(
        request,
        "rejections.html.j2",
        lines=lines,
        reason=wanted,
        run=run,
        reasons=rejections_by_reason(site.engine, run),
        older=lines[-1].id if len(lines) == PAGE_SIZE else None,
    )


@router.get("/report/{report_id}")
def report(request: Request, report_id: RowId) -> FileResponse:
    """A report as it was written."""
    site = site_of(request)
    path = source_path(report_by_id(site.engine, report_id).path, site.home)
    if not path.resolve().is_relative_to((site.home / "reports").resolve()) or not path.is_file():
        raise HTTPException(404, "The report's file is gone.")
    headers = {"content-security-policy": REPORT_POLICY}
    return FileResponse(path, media_type="text/html; charset=utf-8", headers=headers)


def _lines(engine: Engine, before: int | None) -> list[RunLine]:
    found = newest_runs(engine, PAGE_SIZE, before)
    ids = [run.id or 0 for run, _ in found]
    pages, failed = reports_of_runs(engine, ids), unregistered_of_runs(engine, ids)
    return [
        RunLine(run, end, pages.get(run.id or 0), failed.get(run.id or 0, 0)) for run, end in found
    ]


def _reason(text: str) -> RejectionReason | None:
    if not text:
        return None
    try:
        return RejectionReason(text)
    except ValueError:
        raise SettingsError(f"reason={text!r} is no reason of a rejection") from None
