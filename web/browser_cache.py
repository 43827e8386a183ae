"""The browser's cache of patients' pictures: asked about each time they are shown.

So nothing is shown from its cache to somebody who has signed out, and what is unchanged is not sent
again. Signing out empties the cache too, in browsers that know `Clear-Site-Data`.
"""

from collections.abc import Callable
from typing import Final

from fastapi import Request
from fastapi.responses import Response

KEPT: Final = "private, no-cache"
FORGET: Final = {"clear-site-data": '"cache"'}


def kept(request: Request, tag: str, make: Callable[[], Response]) -> Response:
    """The answer of `make`; 304 where the browser has it already with this ETag (plain ASCII)."""
    quoted = f'"{tag}"'
    known = request.headers.get("if-none-match", "").split(",")
    has_it = quoted in [each.strip().removeprefix("W/") for each in known]
    answer = Response(status_code=304) if has_it else make()
    answer.headers["cache-control"] = KEPT
    answer.headers["etag"] = quoted
    return answer
