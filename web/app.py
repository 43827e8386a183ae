"""The application: pages behind the gate, errors as plain pages, static files."""

from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from mriad_model.errors import MriadError, NotInRecord, SettingsError
from web.access import SignIn
from web.pages import (
    compare,
    models,
    population,
    reports,
    review,
    runs,
    scan,
    sign_in,
    threshold,
    trends,
    worklist,
)
from web.pages.images import pictures, volumes
from web.rendering import page
from web.site import Site

NO_ID: Final = "{name}={given!r}: give a whole number from 1 on."
NOT_FOUND: Final = "Not found"
NOT_DONE: Final = "Not done"
LONGEST_GIVEN: Final = 40  # characters that are repeated
STATIC: Final = Path(__file__).with_name("static")
ROUTERS: Final = tuple(
    each.router
    for each in (
        worklist,
        scan,
        review,
        pictures,
        volumes,
        runs,
        reports,
        models,
        compare,
        threshold,
        trends,
        population,
        sign_in,
    )
)


def create_app(site: Site) -> SignIn:
    """The pages of a site (ASGI 3)."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = site
    for each in ROUTERS:
        app.include_router(each)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_exception_handler(MriadError, _error_page)
    app.add_exception_handler(HTTPException, _failed)
    app.add_exception_handler(RequestValidationError, _misspelt)
    return SignIn(app, site.access)


def _error_page(request: Request, error: Exception) -> HTMLResponse:
    status = 404 if isinstance(error, NotInRecord) else 400
    status = status if isinstance(error, NotInRecord | SettingsError) else 409
    return _plain_page(request, str(error), status)


def _failed(request: Request, error: Exception) -> HTMLResponse:
    assert isinstance(error, HTTPException)
    text = "There is no such page." if error.status_code == 404 else str(error.detail)
    return _plain_page(request, text, error.status_code)


def _misspelt(request: Request, error: Exception) -> HTMLResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    text = NO_ID.format(name=first["loc"][-1], given=str(first.get("input"))[:LONGEST_GIVEN])
    return _plain_page(request, text, 404 if first["loc"][0] == "path" else 400)


def _plain_page(request: Request, text: str, status: int) -> HTMLResponse:
    if getattr(request.state, "session", None) is None:
        return HTMLResponse(status_code=status)
    return page(
        request,
        "message.html.j2",
        status,
        title=NOT_FOUND if status == 404 else NOT_DONE,
        text=text,
    )
