"""STOW-RS to a DICOMweb server (DICOM PS3.18, 10.5), by httpx; one file a request."""

import json
import secrets
from typing import Any, Final

import httpx

from mriad_model.destinations import DicomWebServer
from mriad_model.errors import SettingsError
from tasks.sending.outcomes import (
    DUPLICATE,
    HAD_IT,
    TAKEN,
    DestinationUnreachable,
    SendingOutcome,
    broken,
    not_taken,
)

SECONDS: Final = 60.0
FAILED_SOP_SEQUENCE: Final = "00081198"
FAILURE_REASON: Final = "00081197"
NOT_REACHED: Final = "{to} does not answer"
NOT_LET_IN: Final = "{to} lets nobody in with these credentials (status {status})"
ELSEWHERE: Final = "{to} redirects elsewhere (status {status}): give the address that it names"
NOT_NOW: Final = "{to} cannot answer now (status {status})"
REFUSED: Final = "the server refused it, status {status}"
BROKE: Final = "the server failed over it, status {status}"
CUT_OFF: Final = "the server ended the connection over it, or did not answer in time"
UNREADABLE: Final = "the server's answer cannot be read"
NO_ADDRESS: Final = "{to} cannot be asked: give an address and credentials in ASCII"
ALREADY: Final = (DUPLICATE, 0xB00E)  # the latter of Azure's DICOM service
FAILED: Final = "the server could not store it{reason}"


class WebSender:
    """Stores files, each by a request. `transport` stands for the network in a test."""

    def __init__(
        self,
        to: DicomWebServer,
        auth: httpx.Auth | None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._to = to
        self._client = httpx.Client(
            auth=auth,
            timeout=SECONDS,
            follow_redirects=False,
            transport=transport,
            trust_env=not to.url.startswith("http:"),  # no proxy may read what is not encrypted
        )

    def store(self, data: bytes) -> SendingOutcome:
        """Store a file.

        Raises:
            DestinationUnreachable: the server does not answer, or lets nobody in.
            SettingsError: the address or the credentials cannot be used.
        """
        to = self._to
        try:
            answer = self._post(data)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise SettingsError(NO_ADDRESS.format(to=to)) from error
        except httpx.DecodingError:
            return broken(UNREADABLE)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            return broken(CUT_OFF)
        except (httpx.ReadTimeout, httpx.WriteTimeout):
            return broken(CUT_OFF)
        except httpx.RequestError as error:  # a certificate that is not trusted is one too
            raise DestinationUnreachable(NOT_REACHED.format(to=to)) from error
        return _outcome(to, answer)

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def _post(self, data: bytes) -> httpx.Response:
        boundary = secrets.token_hex(16)
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        return self._client.post(
            f"{self._to.url}/studies",
            content=head + data + f"\r\n--{boundary}--\r\n".encode(),
            headers={"Content-Type": kind, "Accept": "application/dicom+json"},
        )


def _outcome(to: DicomWebServer, answer: httpx.Response) -> SendingOutcome:
    status = answer.status_code
    if status in (401, 403, 407):
        raise DestinationUnreachable(NOT_LET_IN.format(to=to, status=status), passing=False)
    if answer.is_redirect:
        raise DestinationUnreachable(ELSEWHERE.format(to=to, status=status), passing=False)
    if status in (429, 503):
        raise DestinationUnreachable(NOT_NOW.format(to=to, status=status))
    if answer.is_server_error:
        return broken(BROKE.format(status=status))
    failed, reason = _failed(answer.content)
    if failed and reason in ALREADY:
        return HAD_IT
    if not answer.is_success:
        return not_taken(REFUSED.format(status=status))
    if failed:
        return not_taken(FAILED.format(reason="" if reason is None else f", reason 0x{reason:04X}"))
    return TAKEN


def _failed(body: bytes) -> tuple[bool, int | None]:
    """Whether an answer lists the file as failed, and the reason where it gives one."""
    try:
        found: Any = json.loads(body)
        failed = found.get(FAILED_SOP_SEQUENCE, {}).get("Value")
    except (ValueError, AttributeError, RecursionError):  # XML, or nothing at all
        return FAILED_SOP_SEQUENCE.encode() in body, None
    if not failed:
        return False, None
    try:
        reason = failed[0][FAILURE_REASON]["Value"][0]
    except (LookupError, TypeError):
        return True, None
    return True, reason if isinstance(reason, int) else None
