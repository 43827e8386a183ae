"""A proxy with the site's own login before the pages: the user that it names is the reviewer.

A request's header is believed only of a request that brings the proxy's secret and comes from where
the proxy is: anybody can send a header, and any user of this machine can reach our port.
"""

import hmac
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

from mriad_model.errors import SettingsError

PROXY_HEADER: Final = "x-mriad-proxy"
LONGEST_NAME: Final = 60
UNUSABLE_NAME: Final = (
    "The proxy names a user whose name cannot be used: it is longer than "
    f"{LONGEST_NAME} characters, or cannot be printed.\n"
)


@dataclass(frozen=True, slots=True)
class TrustedProxy:
    """How the proxy is recognised, and the header that names its user."""

    user_header: str
    secret: str
    peers: tuple[str, ...] = ()  # addresses that it connects from, besides this machine's own

    def user_of(self, scope: Scope, headers: Headers) -> str | None:
        """The user that the proxy names; None for a request that is not the proxy's, or names none.

        A header given twice is none: the second may be what a browser sent.

        Raises:
            SettingsError: the name is too long, or cannot be printed.
        """
        if not self._is_peer(scope):
            return None
        secrets, users = headers.getlist(PROXY_HEADER), headers.getlist(self.user_header)
        if len(secrets) != 1 or len(users) != 1:
            return None
        if not hmac.compare_digest(secrets[0].encode(), self.secret.encode()):
            return None
        try:
            name = users[0].encode("latin-1").decode().strip()  # headers come as Latin-1
        except ValueError:
            raise SettingsError(UNUSABLE_NAME) from None
        if not name.isprintable() or len(name) > LONGEST_NAME:
            raise SettingsError(UNUSABLE_NAME)
        return name or None

    def _is_peer(self, scope: Scope) -> bool:
        try:
            address = plain_address((scope.get("client") or ("",))[0])
        except ValueError:
            return False
        return ip_address(address).is_loopback or address in self.peers


def plain_address(text: str) -> str:
    """An IP address in one spelling: IPv4 also where a socket of both families says `::ffff:`.

    Raises:
        ValueError: it is not an IP address.
    """
    address = ip_address(text)
    return str(getattr(address, "ipv4_mapped", None) or address)
