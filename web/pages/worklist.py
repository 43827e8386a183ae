"""The worklist: scans that wait for a reader, worst first; and any other list, by its address."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from sqlalchemy import Engine

from db.repository.reports.unscored import n_unscored, unscored_scans
from db.repository.training.models import current_threshold
from mriad_model.enums import NOTICE
from mriad_model.plain_text import as_csv_cell
from web.rendering import page
from web.site import site_of
from web.worklist.query import FLAGGED, PAGE_SIZE, SORTS, WorklistQuery, query_from
from web.worklist.query_result import QueryResult, select_scans
from web.worklist.worklist_row import COLUMNS, rows_of

AT_ONCE: Final = 500  # rows of a download
router = APIRouter()


@router.get("/")
def worklist(request: Request) -> HTMLResponse:
    """The first page."""
    site = site_of(request)
    query = query_of(request)
    reader = site.reader_of(request)
    found = select_scans(site.index, site.engine, query, reader, counted=True)
    with site.index.lock:
        nothing_scored = not site.index.decided.any()
    first = (query.page - 1) * PAGE_SIZE
    rows = rows_of(site.engine, found.decisions[first : first + PAGE_SIZE].tolist(), reader)
    return page(
        request,
        "worklist.html.j2",
        query=query,
        rows=rows,
        n=len(found.scans),
        first=first,
        pages=-(-len(found.scans) // PAGE_SIZE),
        facets=found.facets,
        sorts=SORTS,
        plain=WorklistQuery(),
        flagged=FLAGGED,
        blind=site.blind,
        nothing_scored=nothing_scored,
        has_model=current_threshold(site.engine) is not None,
        unscored=unscored_scans(site.engine, limit=PAGE_SIZE),
        n_unscored=n_unscored(site.engine),
    )


@router.get("/worklist.csv")
def as_csv(request: Request) -> StreamingResponse:
    """All rows of a query as CSV."""
    site = site_of(request)
    reader = site.reader_of(request)
    found = select_scans(site.index, site.engine, query_of(request), reader)
    return _download(
        _csv_lines(site.engine, found, reader), "text/csv; charset=utf-8", "worklist.csv"
    )


@router.get("/worklist.json")
def as_json(request: Request) -> StreamingResponse:
    """All rows of a query as one JSON document."""
    site = site_of(request)
    query = query_of(request)
    reader = site.reader_of(request)
    found = select_scans(site.index, site.engine, query, reader)
    lines = _json_lines(site.engine, found, query, reader)
    return _download(lines, "application/json", "worklist.json")


def query_of(request: Request) -> WorklistQuery:
    """The query in a request's address. SettingsError where a value cannot be used."""
    return query_from(request.query_params.multi_items())


def _csv_lines(engine: Engine, found: QueryResult, reader: str | None) -> Iterator[str]:
    yield ",".join(COLUMNS) + "\r\n"
    for start in range(0, len(found.decisions), AT_ONCE):
        text = io.StringIO()
        writer = csv.writer(text)
        for row in rows_of(engine, found.decisions[start : start + AT_ONCE].tolist(), reader):
            values = {**row.document(), "tags": " ".join(row.tags)}
            writer.writerow([as_csv_cell(values[name]) for name in COLUMNS])
        yield text.getvalue()


def _json_lines(
    engine: Engine, found: QueryResult, query: WorklistQuery, reader: str | None
) -> Iterator[str]:
    head = {"notice": NOTICE, "query": query.address(), "n": len(found.scans)}
    yield json.dumps(head)[:-1] + ', "scans": ['
    for start in range(0, len(found.decisions), AT_ONCE):
        rows = rows_of(engine, found.decisions[start : start + AT_ONCE].tolist(), reader)
        yield ("," if start else "") + ",".join(json.dumps(row.document()) for row in rows)
    yield "]}\n"


def _download(lines: Iterator[str], media_type: str, name: str) -> StreamingResponse:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines, media_type=media_type, headers=headers)
