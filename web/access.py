"""Access: a one-time token in an address, then a cookie. Other users of this machine get none.

Both are signed (HMAC-SHA256) with a key of this run of the server, derived from the home's secret,
which only its owner can read: a token that another program collected on our port while the server
was stopped is not valid. A request must name a host of ours (against DNS rebinding), and one that
changes something must come from a page of ours, by its Origin and by a token of the session.
Users that a trusted proxy names (`web.proxy`) need neither token nor cookie.
"""

import fcntl
import hashlib
import hmac
import html
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mriad_model.errors import SettingsError
from web.proxy import TrustedProxy

TOKEN_SECONDS: Final = 3600.0
SESSION_SECONDS: Final = 7 * 24 * 3600.0
PROOF_PATH: Final = "/proof/"  # and a challenge: who asks, knows us by the answer
OPEN_PATHS: Final = ("/sign-in", PROOF_PATH, "/static/")  # no cookie is asked for
STATE_CHANGES: Final = ("POST", "PUT", "PATCH", "DELETE")
HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Not `no-referrer`: a browser would then send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
NO_ENTRY: Final = (
    "Not signed in. Open the address that `mriad up` or `mriad web` printed; "
    "`mriad web --address` prints a new one.\n"
)
FROM_ELSEWHERE: Final = "from=elsewhere"
AGAIN: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>mriad</title>'
    '<meta http-equiv="refresh" content="0; url={address}"></head><body><p>{text}</p></body></html>'
)
OTHER_HOST: Final = "This server does not answer to that host name.\n"
OTHER_PAGE: Final = "Only pages of this server may change something here.\n"


@dataclass(frozen=True, slots=True)
class Access:
    """Makes and checks tokens, cookies and the tokens of forms."""

    secret: bytes  # of this run of the server
    hosts: tuple[str, ...]  # as a browser names us: name:port
    used: Path  # a file of the sign-in tokens that were used
    secure: bool = False  # pages go over HTTPS, through a proxy
    proxy: TrustedProxy | None = None  # who else may say who has logged in
    clock: Callable[[], float] = field(default=time.time)

    @property
    def cookie(self) -> str:
        """The cookie's name: cookies of a host are sent to all of its ports."""
        return f"mriad-{self._port}"

    @property
    def _port(self) -> str:
        return self.hosts[0].rpartition(":")[2]

    @property
    def origins(self) -> tuple[str, ...]:
        """What a browser calls our pages."""
        return tuple(f"{scheme}://{host}" for host in self.hosts for scheme in ("http", "https"))

    def sign_in(self, token: str) -> str | None:
        """A session for a one-time token; None where the token is invalid, too old, or was used."""
        if not self._is_signed("sign in", token):
            return None
        return self.new_session() if self._is_first_use(token) else None

    def new_session(self) -> str:
        """The text of a session cookie."""
        return self._signed("session", self.clock() + SESSION_SECONDS)

    def session_of(self, cookies: str | None) -> str | None:
        """The session that a Cookie header holds; None where nobody is signed in."""
        # Not by `http.cookies`, which drops all where another server's cookie is odd.
        found = cookie_parser(cookies or "").get(self.cookie, "")
        return found if self._is_signed("session", found) else None

    def proof(self, challenge: str) -> str:
        """The answer to a challenge, by which `mriad web --address` knows us from a stranger."""
        return proof(self.secret, self._port, challenge)

    def form_token(self, session: str) -> str:
        """What a form of this session must bring along."""
        return _mac(self.secret, "form", session)

    def is_form_token(self, session: str, token: str) -> bool:
        """Whether a form was made for this session."""
        return hmac.compare_digest(self.form_token(session).encode(), token.encode())

    def _signed(self, purpose: str, expires: float) -> str:
        return signed(self.secret, purpose, expires)

    def _is_signed(self, purpose: str, text: str) -> bool:
        body, _, mac = text.rpartition(".")
        if not hmac.compare_digest(mac.encode(), _mac(self.secret, purpose, body).encode()):
            return False
        return int(body.partition(".")[0], 16) > self.clock()  # ours, so it is a number

    def _is_first_use(self, token: str) -> bool:
        """Note that a token was used; False where it was before. Old ones are forgotten."""
        descriptor = os.open(self.used, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            known = [line for line in file.read().split() if self._is_signed("sign in", line)]
            if token in known:
                return False
            file.seek(0)
            file.truncate()
            file.write("".join(f"{each}\n" for each in (*known, token)))
        return True


def secret_of_start(secret: bytes, start: str) -> bytes:
    """The signing key of one run of the server, from the home's secret and a random text."""
    return bytes.fromhex(_mac(secret, "start", start))


def proof(secret: bytes, port: str, challenge: str) -> str:
    """A challenge signed for a port: nobody can pass it on from another."""
    return _mac(secret, "proof", f"{port}: {challenge}")


def sign_in_token(secret: bytes, now: float | None = None) -> str:
    """A token that signs in once, within an hour."""
    return signed(secret, "sign in", (time.time() if now is None else now) + TOKEN_SECONDS)


def signed(secret: bytes, purpose: str, expires: float) -> str:
    """`EXPIRES.RANDOM.MAC`: good for one purpose until a moment (seconds since 1970, in hex)."""
    body = f"{int(expires):x}.{secrets.token_hex(16)}"
    return f"{body}.{_mac(secret, purpose, body)}"


def _mac(secret: bytes, purpose: str, text: str) -> str:
    return hmac.new(secret, f"mriad pages: {purpose}: {text}".encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class SignIn:
    """Middleware before all pages (ASGI 3): checks each request, sets each answer's headers."""

    app: ASGIApp
    access: Access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; there are no websockets."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    given.setdefault(name, value)
                given.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, guarded)
            return
        await self.app(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self.access.hosts:
            return PlainTextResponse(OTHER_HOST, 400)
        origin = headers.get("origin")
        changes = scope["method"] in STATE_CHANGES
        if (origin is None and changes) or origin not in (None, *self.access.origins):
            return PlainTextResponse(OTHER_PAGE, 403)
        if scope["path"].startswith(OPEN_PATHS):
            return None
        proxy = self.access.proxy
        try:
            user = proxy.user_of(scope, headers) if proxy else None
        except SettingsError as error:
            return PlainTextResponse(str(error), 403)
        session = f"user {user}" if user else self.access.session_of(headers.get("cookie"))
        if session is None:
            return _no_entry(scope, headers)
        scope.setdefault("state", {}).update(session=session, user=user)
        return None


def _no_entry(scope: Scope, headers: Headers) -> Response:
    """403; where somebody came by a link from elsewhere, with the same page once more.

    A browser sends no SameSite=Strict cookie along with a click on another site's page, or on a
    report that was opened as a file; it does with a request of a page of ours, such as this one.
    """
    came = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode")
    if scope["method"] != "GET" or came != ("cross-site", "navigate"):
        return PlainTextResponse(NO_ENTRY, 403)
    query = scope["query_string"].decode("latin-1")
    path = quote("/" + scope["path"].lstrip("/\\"))  # `//host/` would be another site's address
    address = f"{path}?{query}{'&' if query else ''}{FROM_ELSEWHERE}"
    return HTMLResponse(AGAIN.format(address=html.escape(address), text=NO_ENTRY), 403)
