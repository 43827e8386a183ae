"""The list of reports, written anew whenever one is."""

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from db.timestamps import written
from mriad_model.files import write_atomically
from mriad_model.reports.report_index import ReportEntry, render_report_index
from tasks.runtime.home import pages_address

INDEX: Final = "index.html"
HEAD_BYTES: Final = 4096  # of a page: its title stands there
TITLE: Final = re.compile(r"<title>(.*?)</title>", re.DOTALL)


def write_report_index(home: Path) -> None:
    """Write `reports/index.html`."""
    page = render_report_index(list(_entries(home / "reports")), pages_address(home))
    write_atomically(home / "reports" / INDEX, page.encode())


def _entries(folder: Path) -> Iterator[ReportEntry]:
    for path in folder.glob("*.html"):
        if path.name != INDEX and path.is_file():
            moment = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            yield ReportEntry(path.name, _title(path), written(moment))


def _title(path: Path) -> str:
    with path.open("rb") as file:
        found = TITLE.search(file.read(HEAD_BYTES).decode("utf-8", "replace"))
    return html.unescape(found[1]) if found else ""
