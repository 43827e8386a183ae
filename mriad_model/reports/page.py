"""What all report pages share: provenance, tables, units of time, pictures, escaping.

Templates escape all text, and characters that do not print as themselves become escapes, so no file
name can change a page. Pictures are `data:` addresses; the page's policy forbids all others.
"""

import base64
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from mriad_model.enums import NOTICE
from mriad_model.plain_text import length_of_time, printable
from mriad_model.rejections import RejectedItem

MOST_ROWS = 1000  # lines in any one table; the record holds the rest


@dataclass(frozen=True, slots=True)
class Provenance:
    """What ran, with what, when."""

    created_at: str  # UTC ISO-8601
    source: str  # the folder or file that was read
    software_version: str
    git_sha: str | None
    libraries: Mapping[str, str]
    device: str
    seconds: float
    run_id: int | None = None
    command: str | None = None
    head: str | None = None  # of the record, as the page was written
    pages: str | None = None  # the address of the reader's pages; None: none were served yet


# A scan as a page names it: a link to its page where one is known, and whether it was reviewed.
# The reader's pages find these again, to say what holds now (`web/pages/reports.py`).
SCAN_MARK = re.compile(
    r'<(a|b) class="scan"(?: href="[^"<>]*")?>(Scan )?(\d+)</\1><span class="mark">[^<>]*</span>'
)
REVIEWED = "reviewed"


def by_reason(rejections: Sequence[RejectedItem]) -> list[tuple[str, int]]:
    """How many files were rejected for each reason, most frequent first."""
    counts: Counter[str] = Counter()
    for line in rejections:
        counts[line.reason.value] += line.n_files
    return counts.most_common()


def capped(lines: Sequence[Any], most: int = MOST_ROWS) -> dict[str, Any]:
    """The first lines of a table that may be long, and how many more there are."""
    return {"lines": lines[:most], "n": len(lines), "more": max(0, len(lines) - most)}


def to_the_second(moment: str) -> str:
    """A recorded moment as a person reads it: `2026-11-23 06:21:20 UTC`."""
    return f"{moment[:19].replace('T', ' ')} UTC"


def address(data: bytes) -> Markup:
    """A picture as a `data:` address. Its letters are safe by their alphabet."""
    return Markup(f"data:{_media_type(data)};base64,{base64.b64encode(data).decode('ascii')}")  # noqa: S704


def _media_type(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return "image/png"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return "image/jpeg"


def render(name: str, **values: object) -> str:
    """A template of `mriad_model/reports/templates`, filled in."""
    return _environment().get_template(name).render(notice=NOTICE, **values)


def _plain(value: object) -> object:
    """A value as it is filled in; markup is of this package, and stays."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def escaping_environment(package: str, filters: Mapping[str, Any]) -> Environment:
    """The templates of a package, which escape all text that they are filled with."""
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_plain,
    )
    environment.filters |= filters
    return environment


@cache
def _environment() -> Environment:
    filters = {"moment": to_the_second, "duration": length_of_time}
    return escaping_environment("mriad_model.reports", filters)
