"""Runs: how they ended, their reports, what they rejected; folders that wait to be scored."""

import json
import socket
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from db.entities import Run, RunEnd
from db.repository.intake.arrivals import open_arrivals
from db.repository.intake.rejections import (
    newest_rejections,
    rejections_by_reason,
)
from db.repository.reports.unscored import count_unscored
from db.repository.runs import newest_runs
from db.repository.scoring.warnings import warnings
from mriad_model.destinations import unsent_of
from mriad_model.enums import RejectionReason
from mriad_model.errors import SettingsError
from mriad_model.reports.report_index import EVALUATION_NAME
from web.pages.reports import report_names
from web.rendering import page
from web.site import MaybeId, Site, site_of

PAGE_SIZE: Final = 40
ASKED_SECONDS: Final = 0.3
WAITING: Final = "settled, and waits for a run"
COUNTS_SHOWN: Final = (
    "new",
    "scored",
    "suspicious",
    "uncertain",
    "not_scorable",
    "rejected",
    "warnings",
    "sent",
    "given_up",
)
router = APIRouter()


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One run of the list."""

    run: Run
    end: RunEnd | None
    report: str | None  # the name of its file
    unscored: int  # scans without a score, among those not scorable

    @property
    def status(self) -> str:
        """How it ended."""
        return "under way, or was killed" if self.end is None else self.end.status.value

    @property
    def counts(self) -> dict[str, Any]:
        """What it counted, in the order that readers ask for it."""
        return {name: self._counted[name] for name in COUNTS_SHOWN if self._counted.get(name)}

    @property
    def has_sent(self) -> bool:
        """Whether it sent, or tried to."""
        return "unsent" in self._counted

    @property
    def unsent(self) -> str | None:
        """What it could not send, and why; None: nothing, or it sent nothing."""
        return unsent_of(self._counted)

    @property
    def _counted(self) -> dict[str, Any]:
        return {} if self.end is None else json.loads(self.end.counts)


@router.get("/runs")
def runs(request: Request, before: MaybeId = None) -> HTMLResponse:
    """Runs, newest first."""
    site = site_of(request)
    lines = _lines(site, before)
    return page(
        request,
        "runs.html.j2",
        lines=lines,
        prefect=site.prefect if site.prefect and _answers(site.prefect) else None,
        before=before,
        older=lines[-1].run.id if len(lines) == PAGE_SIZE else None,
        unsent=next((line for line in lines if line.has_sent), None) if before is None else None,
        has_index=(site.home / "reports" / "index.html").is_file(),
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


def _lines(site: Site, before: int | None) -> list[ListedRun]:
    found = newest_runs(site.engine, PAGE_SIZE, before)
    ids = [run.id or 0 for run, _ in found]
    pages, failed = report_names(site.engine, ids), count_unscored(site.engine, ids)
    return [
        ListedRun(
            run, end, pages.get(run.id or 0) or _evaluation(site, run), failed.get(run.id or 0, 0)
        )
        for run, end in found
    ]


def _evaluation(site: Site, run: Run) -> str | None:
    """The name of an evaluation's page, which has no row in the record."""
    name = f"{EVALUATION_NAME.format(run=run.id)}.html"
    return name if (site.home / "reports" / name).is_file() else None


def _answers(address: str) -> bool:
    """Whether something listens at an address of this machine."""
    place = urlsplit(address)
    try:
        with socket.create_connection((place.hostname or "", place.port or 80), ASKED_SECONDS):
            return True
    except OSError:
        return False


def _reason(text: str) -> RejectionReason | None:
    if not text:
        return None
    try:
        return RejectionReason(text)
    except ValueError:
        raise SettingsError(f"reason={text!r} is no reason of a rejection") from None
