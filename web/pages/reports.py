"""Reports as they were written, their scans linked to these pages and marked where reviewed."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from sqlalchemy import Engine

from db.repository.reports.reports import reports_of_runs
from mriad_model.reports.page import REVIEWED, SCAN_MARK
from web.site import Site, site_of
from web.worklist.review_index import NOT_REVIEWED

NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*\.(html|csv|png)")
HOME_LINK: Final = re.compile(r'<a class="pages" href="[^"<>]*">')
# A report brings its style along and runs nothing. Without an origin its links had no cookie.
POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox allow-same-origin"
)
TYPES: Final = {".csv": "text/csv; charset=utf-8", ".png": "image/png"}
GONE: Final = "There is no such report."
router = APIRouter()


@router.get("/reports/{name}")
def report(request: Request, name: str) -> Response:
    """A report, the list of them (`index.html`), or a table beside one."""
    site = site_of(request)
    folder = site.home / "reports"
    path = folder / name
    if NAME.fullmatch(name) is None or not path.is_file():
        raise HTTPException(404, GONE)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise HTTPException(404, GONE)
    headers = {"content-security-policy": POLICY}
    if path.suffix in TYPES:
        return FileResponse(path, media_type=TYPES[path.suffix], headers=headers)
    text = _linked(site, path, site.reader_of(request))
    return HTMLResponse(text, headers=headers)


def report_names(engine: Engine, run_ids: Sequence[int]) -> dict[int, str]:
    """The name of each of these runs' last report, by run; runs without one are absent."""
    found = reports_of_runs(engine, run_ids)
    return {run_id: Path(each.path).name for run_id, each in found.items()}


def _linked(site: Site, path: Path, reader: str | None) -> str:
    """A report whose scans open here, with those marked that are reviewed by now."""
    text = path.read_text("utf-8", "replace")
    site.index.refresh()
    with site.index.lock:
        said = site.index.reviews.columns(reader).verdicts

    def mark(found: re.Match[str]) -> str:
        scan_id = int(found[3][:18])
        is_reviewed = scan_id < len(said) and said[scan_id] != NOT_REVIEWED
        word = f" {REVIEWED}" if is_reviewed else ""
        link = f'<a class="scan" href="/scan/{scan_id}">{found[2] or ""}{scan_id}</a>'
        return f'{link}<span class="mark">{word}</span>'

    return HOME_LINK.sub('<a class="pages" href="/">', SCAN_MARK.sub(mark, text))
