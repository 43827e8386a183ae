"""The list of reports: `reports/index.html`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mriad_model.reports.page import capped, render

EVALUATION_NAME: Final = "evaluation-run-{run}"  # of the page of an evaluation, without its ending


@dataclass(frozen=True, slots=True)
class ReportEntry:
    """One report of the list."""

    name: str  # of its file, in the same folder
    title: str
    written_at: str  # UTC ISO-8601


def render_report_index(entries: Sequence[ReportEntry], pages: str | None) -> str:
    """The HTML page that lists reports, newest first; `pages`: where the reader's pages are."""
    newest = sorted(entries, key=lambda each: (each.written_at, each.name), reverse=True)
    return render("report_index.html.j2", entries=capped(newest), pages=pages)
