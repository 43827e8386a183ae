"""Where DICOM outputs are sent: a DICOM node (C-STORE) or a DICOMweb server (STOW-RS)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from mriad_model.errors import SettingsError

DICOM_PORT: Final = 104  # DICOM PS3.8, 9.1.1
AE_TITLE: Final = re.compile(r"[!-\[\]-~]{1,16}")  # DICOM PS3.5, 6.2, AE; without blanks
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# RFC 1123, 2.1; with the underscores of networks of one's own. One that is not ASCII has an `xn--`.
LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
HOST: Final = re.compile(rf"(?=.{{1,253}}$){LABEL}(\.{LABEL})*")
UNPRINTED: Final = re.compile(r"[\x00-\x20\x7f]")
FORMS: Final = "write dicom://AETITLE@HOST:PORT or https://HOST/PATH"
NOT_SENT: Final = "{n:,} of {of:,} DICOM outputs not sent yet: {why}"
NO_HOST: Final = "no name of a host: letters, digits and hyphens between dots, or an IP address"


@dataclass(frozen=True, slots=True)
class DicomNode:
    """An application entity that takes C-STORE."""

    ae_title: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"dicom://{self.ae_title}@{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class DicomWebServer:
    """The base address of a DICOMweb server: what comes before `/studies`."""

    url: str

    def __str__(self) -> str:
        return self.url


Destination = DicomNode | DicomWebServer


def unsent_of(counts: Mapping[str, Any]) -> str | None:
    """`3 of 5 DICOM outputs not sent yet: ...`, by what a run counted; None where all are sent."""
    if "not_sent" not in counts or "unsent" not in counts:
        return None
    return NOT_SENT.format(n=counts["unsent"], of=counts["outputs"], why=counts["not_sent"])


def destination_of(text: str) -> Destination:
    """The destination that an address names. Its text, `str(...)`, is the same for the same place.

    Raises:
        SettingsError: it is no such address, holds a password, or would send names unencrypted.
    """
    try:
        parts = urlsplit(text.strip())
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise SettingsError(f"no address: {FORMS}") from error
    if not host or port == 0 or parts.query or parts.fragment or UNPRINTED.search(text.strip()):
        raise SettingsError(f"no address: {FORMS}")
    ipv6 = "[" in parts.netloc  # urlsplit has checked it, but for those of a later version
    if (ipv6 and ":" not in host) or not (ipv6 or HOST.fullmatch(host)):
        raise SettingsError(NO_HOST)
    if parts.password is not None or (parts.username is not None and parts.scheme != "dicom"):
        raise SettingsError("an address holds no user or password: name a file with them instead")
    if parts.scheme == "dicom":
        title = parts.username or ""
        if not AE_TITLE.fullmatch(title) or parts.path.strip("/"):
            raise SettingsError("no address of a DICOM node: write dicom://AETITLE@HOST:PORT")
        return DicomNode(title, host, port or DICOM_PORT)
    if parts.scheme == "http" and host not in LOOPBACK:
        raise SettingsError("http would send patients' names unencrypted: write https")
    if parts.scheme not in ("http", "https"):
        raise SettingsError(f"no address: {FORMS}")
    shown = f"[{host}]" if ":" in host else host
    where = shown if port in (None, DEFAULT_PORTS[parts.scheme]) else f"{shown}:{port}"
    return DicomWebServer(f"{parts.scheme}://{where}{parts.path.rstrip('/')}")
