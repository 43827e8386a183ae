"""Signing in by the printed address, and signing out."""

import re
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from web.access import NO_ENTRY, PROOF_PATH, SESSION_SECONDS
from web.browser_cache import FORGET
from web.rendering import page
from web.site import form_of, site_of

CHALLENGE: Final = re.compile("[0-9a-f]{64}")
router = APIRouter()


@router.get(PROOF_PATH + "{challenge}")
def proof(request: Request, challenge: str) -> PlainTextResponse:
    """Show that this server has the home's secret, without revealing it."""
    if not CHALLENGE.fullmatch(challenge):
        raise HTTPException(404)
    return PlainTextResponse(site_of(request).access.proof(challenge))


@router.get("/sign-in")
def sign_in(request: Request, token: str = "") -> Response:
    """Take a one-time token, set the cookie, go to the first page.

    By a page of ours and no redirect: a browser that came from elsewhere, from a mail for instance,
    does not send a SameSite=Strict cookie with a redirect.
    """
    access = site_of(request).access
    session = access.sign_in(token)
    if session is None:
        return PlainTextResponse(NO_ENTRY, 403)
    request.state.session = session
    answer = page(request, "signed_in.html.j2")
    set_cookie(request, answer, access.cookie, session)
    return answer


@router.post("/sign-out")
def sign_out(request: Request, _: Annotated[dict[str, str], Depends(form_of)]) -> HTMLResponse:
    """Forget the cookie in this browser, and the pictures that it keeps."""
    answer = HTMLResponse("Signed out. Close this page.", headers=FORGET)
    answer.delete_cookie(site_of(request).access.cookie)
    return answer


@router.post("/reviewer")
def reviewer(
    request: Request, fields: Annotated[dict[str, str], Depends(form_of)]
) -> RedirectResponse:
    """Keep the reviewer's name in this browser."""
    answer = RedirectResponse("/", 303)
    if not site_of(request).user_of(request):
        keep_reviewer(request, answer, fields.get("reviewer", ""))
    return answer


def keep_reviewer(request: Request, answer: Response, name: str) -> None:
    """Remember who reviews in this browser; a blank name is forgotten."""
    site = site_of(request)
    if name.strip():
        set_cookie(request, answer, site.reviewer_cookie, name.strip()[:200].encode().hex())
    else:
        answer.delete_cookie(site.reviewer_cookie)


def set_cookie(request: Request, answer: Response, name: str, value: str) -> None:
    """A cookie that no script reads, and that goes with requests from our own pages alone."""
    answer.set_cookie(
        name,
        value,
        max_age=int(SESSION_SECONDS),
        httponly=True,
        samesite="strict",
        secure=site_of(request).access.secure,
    )
