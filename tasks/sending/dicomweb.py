"""STOW-RS to a DICOMweb server (DICOM PS3.18, 10.5), by httpx; one file a request."""

import json
import secrets
from collections.abc import Generator, Iterable
from typing import Final

import httpx

from mriad_model.destinations import DicomWebServer
from tasks.sending.outcomes import DestinationUnreachable, Outcome

SECONDS: Final = 60.0
FAILED_SOP_SEQUENCE: Final = "00081198"
FAILURE_REASON: Final = "00081197"
NOT_REACHED: Final = "{to} does not answer"
NOT_LET_IN: Final = "{to} lets nobody in with these credentials (status {status})"
ELSEWHERE: Final = "{to} redirects elsewhere (status {status}): give the address that it names"
NOT_NOW: Final = "{to} cannot answer now (status {status})"
REFUSED: Final = "the server refused it, status {status}"
FAILED: Final = "the server could not store it{reason}"


def store_files(
    to: DicomWebServer,
    auth: httpx.Auth | None,
    data: Iterable[bytes],
    transport: httpx.BaseTransport | None = None,
) -> Generator[Outcome, None, None]:
    """Store files; what comes of each, in order. `transport` stands for the network in a test.

    Raises:
        DestinationUnreachable: the server does not answer, or lets nobody in.
    """
    with httpx.Client(
        auth=auth,
        timeout=SECONDS,
        follow_redirects=False,
        transport=transport,
        trust_env=not to.url.startswith("http:"),  # no proxy may read what is not encrypted
    ) as client:
        for each in data:
            yield _stored(client, to, each)


def _stored(client: httpx.Client, to: DicomWebServer, data: bytes) -> Outcome:
    boundary = secrets.token_hex(16)
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    try:
        answer = client.post(
            f"{to.url}/studies",
            content=head + data + f"\r\n--{boundary}--\r\n".encode(),
            headers={"Content-Type": kind, "Accept": "application/dicom+json"},
        )
    except httpx.TransportError as error:  # a certificate that is not trusted is one too
        raise DestinationUnreachable(NOT_REACHED.format(to=to)) from error
    status = answer.status_code
    if status in (401, 403, 407):
        raise DestinationUnreachable(NOT_LET_IN.format(to=to, status=status))
    if answer.is_redirect:
        raise DestinationUnreachable(ELSEWHERE.format(to=to, status=status))
    if status == 429 or answer.is_server_error:
        raise DestinationUnreachable(NOT_NOW.format(to=to, status=status))
    if not answer.is_success:
        return REFUSED.format(status=status)
    return _failed(answer.content)


def _failed(body: bytes) -> Outcome:
    """Why a server that answered well stored nothing; None where it stored the file."""
    try:
        failed = json.loads(body).get(FAILED_SOP_SEQUENCE, {}).get("Value")
    except (ValueError, AttributeError):  # XML, or nothing at all
        return FAILED.format(reason="") if FAILED_SOP_SEQUENCE.encode() in body else None
    if not failed:
        return None
    codes = failed[0].get(FAILURE_REASON, {}).get("Value") or [None]
    known = isinstance(codes[0], int)
    return FAILED.format(reason=f", reason 0x{codes[0]:04X}" if known else "")
