"""Templates of `web/templates`, filled in: all text is escaped, and prints as itself."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment
from markupsafe import Markup

from mriad_model.enums import NOTICE, Verdict
from mriad_model.reasons import VERDICT_TEXTS, reason_text
from mriad_model.reports.page import escaping_environment
from web.site import site_of

NO_BREAK = "\u00a0"
NAVIGATION = (
    ("/", "Worklist"),
    ("/population", "Population"),
    ("/trends", "Trends"),
    ("/runs", "Runs"),
    ("/models", "Models"),
    ("/threshold", "Threshold"),
)


def page(request: Request, template: str, status: int = 200, **values: object) -> HTMLResponse:
    """A page of the site."""
    site = site_of(request)
    session = getattr(request.state, "session", None)
    text = (
        _environment()
        .get_template(template)
        .render(
            notice=NOTICE,
            navigation=NAVIGATION,
            path=request.url.path,
            token=site.access.form_token(session) if session else "",
            reviewer=site.reviewer_of(request),
            is_proxied=site.user_of(request) is not None,
            **values,
        )
    )
    return HTMLResponse(text, status)


def figure(value: float | None, digits: int = 3) -> str:
    """A number in few digits; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:.{digits}g}"  # noqa: RUF001, PLR0124


def sigmas(value: float | None, digits: int = 1) -> str:
    """A score in standard deviations above the mean of healthy ones: `+3.4`, and sigma."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return "–"  # noqa: RUF001
    return f"{value:+.{digits}f} σ".replace("-", "−")  # noqa: RUF001 - a minus sign


def percent(share: float, digits: int = 3) -> str:
    """A share in percent, three digits: `12.5 %`, on one line."""
    return f"{100 * share:.{digits}g}{NO_BREAK}%"


def interval(low: float, high: float, between: str = " to ") -> str:
    """Two shares in percent, as many decimals in both: `0.52 % to 7.13 %`."""
    decimals = next((n for n, least in ((0, 0.9995), (1, 0.09995)) if high >= least), 2)
    one, other = (f"{100 * each:.{decimals}f}{NO_BREAK}%" for each in (low, high))
    return f"{one}{between}{other}"


def minute(moment: str) -> str:
    """A recorded moment to the minute: `2026-11-23 06:21`."""
    return moment[:16].replace("T", " ")


def words(value: object) -> str:
    """A verdict, or another word of the record, as readers know it."""
    text = str(value)
    return VERDICT_TEXTS[Verdict(text)] if text in list(Verdict) else text


@cache
def _environment() -> Environment:
    filters: Mapping[str, Any] = {
        "figure": figure,
        "sigmas": sigmas,
        "minute": minute,
        "words": words,
        "reason": reason_text,
        "fixed": lambda value: f"{value:.2f}".replace("-", "−"),  # noqa: RUF001 - a minus sign
        # Markup, as `printable` makes plain spaces of no-break ones in text.
        "percent": lambda *given: Markup(percent(*given)),  # noqa: S704 - figures
        "interval": lambda *given: Markup(interval(*given)),  # noqa: S704 - figures
        "thousands": lambda n: f"{n:,}",
    }
    return escaping_environment("web", filters)
