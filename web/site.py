"""What the pages are served from: a home, its record, its access rules. Made once, passed down."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import HTTPException, Query, Request
from fastapi import Path as InAddress
from pydantic import BeforeValidator, Field
from sqlalchemy import Engine

from mriad_model.plain_text import printable
from web.access import Access
from web.worklist.decision_index import DecisionIndex

LARGEST_ID: Final = 2**63 - 1  # what a database takes
RowId = Annotated[int, InAddress(ge=1, le=LARGEST_ID)]
MaybeId = Annotated[
    Annotated[int, Field(ge=1, le=LARGEST_ID)] | None,
    BeforeValidator(lambda given: given if given is None or str(given).strip() else None),
    Query(),
]  # a form sends a field that is left blank, too
MOST_FORM_BYTES: Final = 64 * 2**10
CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # none is written in a text
NOT_OURS: Final = "The form is not of this session; load its page again."


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A home's pages."""

    home: Path
    engine: Engine  # of the record: read, and reviews appended
    index: DecisionIndex
    access: Access
    reviewer: str | None  # who reviews where nobody says otherwise: the login name
    blind: bool = False  # other readers' reviews of a scan are shown once one has reviewed it
    prefect: str | None = None  # the address of Prefect's own pages
    # Starts a command of mriad in the background: arguments, and what it reads from its input.
    begin: Callable[[list[str], str], None] | None = None
    # Starts to write a volume's view (scan id, heatmap id, folder); False where it is busy.
    draw: Callable[[int, int, Path], bool] | None = None

    def reviewer_of(self, request: Request) -> str:
        """Who reviews: the proxy's user, else the name given last here, else the login name."""
        if user := self.user_of(request):
            return user
        given = request.cookies.get(self.reviewer_cookie, "")
        name = bytes.fromhex(given).decode() if _is_name(given) else self.reviewer or ""
        return printable(name)  # as the record writes it

    def user_of(self, request: Request) -> str | None:
        """The user that a trusted proxy names, who has no other name; None without one."""
        user: str | None = getattr(request.state, "user", None)
        return user

    def reader_of(self, request: Request) -> str | None:
        """The reader, where readings are blind; else None."""
        return self.reviewer_of(request) if self.blind else None

    @property
    def reviewer_cookie(self) -> str:
        """Name of the cookie that keeps the reviewer's name, as hex of UTF-8."""
        return f"{self.access.cookie}-reviewer"


def site_of(request: Request) -> Site:
    """The site that a request is answered from."""
    site: Site = request.app.state.site
    return site


async def form_of(request: Request) -> dict[str, str]:
    """A form's fields, of a form that we made for this session. A field given twice: the last.

    Raises:
        HTTPException: not a form of this session (403), too long (413), or not text (400).
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_FORM_BYTES:
            raise HTTPException(413, "The form is too long.")
    try:
        fields = dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise HTTPException(400, "That is no form.") from None
    if any(CONTROL.search(each) for each in fields.values()):
        raise HTTPException(400, "A text holds a control character.")
    access = site_of(request).access
    if not access.is_form_token(request.state.session, fields.pop("token", "")):
        raise HTTPException(403, NOT_OURS)
    return fields


def _is_name(given: str) -> bool:
    try:
        return bool(bytes.fromhex(given).decode().strip())
    except ValueError:
        return False
