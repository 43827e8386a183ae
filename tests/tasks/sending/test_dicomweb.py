"""STOW-RS: what a request says, and what each answer means."""

import socket
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from mriad_model.destinations import DicomWebServer
from mriad_model.errors import SettingsError
from tasks.sending.credentials import credentials
from tasks.sending.dicomweb import WebSender
from tasks.sending.outcomes import HAD_IT, TAKEN, DestinationUnreachable, SendingOutcome

SERVER = DicomWebServer("https://pacs.example.org/dicom-web")
STORED = {"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2"]}}]}}
FAILED = {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [0xA700]}}]}}


DUPLICATE = {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [0x0111]}}]}}
NO_REASON = {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": []}}]}}


def store_files(
    to: DicomWebServer,
    auth: httpx.Auth | None,
    data: Iterable[bytes],
    transport: httpx.BaseTransport | None = None,
) -> list[SendingOutcome]:
    with closing(WebSender(to, auth, transport)) as sender:
        return [sender.store(each) for each in data]


def answering(
    *answers: httpx.Response | Exception,
) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    waiting, seen = list(answers), []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        found = waiting.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return httpx.MockTransport(answer), seen


def test_a_request_holds_the_file_as_it_is() -> None:
    transport, seen = answering(httpx.Response(200, json=STORED), httpx.Response(200))
    data = [b"\x00\r\n--DICM", b"second"]
    assert store_files(SERVER, None, data, transport) == [TAKEN, TAKEN]
    first = seen[0]
    assert (first.method, str(first.url)) == ("POST", f"{SERVER.url}/studies")
    kind = first.headers["Content-Type"]
    assert kind.startswith('multipart/related; type="application/dicom"; boundary=')
    boundary = kind.rpartition("=")[2].encode()
    part = first.content.removeprefix(b"--" + boundary + b"\r\n")
    head, _, rest = part.partition(b"\r\n\r\n")
    assert head == b"Content-Type: application/dicom"
    assert rest == data[0] + b"\r\n--" + boundary + b"--\r\n"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(202, json={**STORED, **FAILED}), "could not store it, reason 0xA700"),
        (httpx.Response(200, json=FAILED), "could not store it, reason 0xA700"),
        (httpx.Response(200, json={"00081198": {"vr": "SQ"}, **STORED}), None),
        (httpx.Response(200, text='<DicomAttribute tag="00081198">'), "could not store it"),
        (httpx.Response(200, json=[]), None),
        (httpx.Response(409, json=FAILED), "status 409"),
        (httpx.Response(202, json=NO_REASON), "could not store it"),
        (httpx.Response(415), "status 415"),
    ],
)
def test_an_answer_says_whether_the_file_was_stored(
    answer: httpx.Response, said: str | None
) -> None:
    transport, _ = answering(answer)
    (outcome,) = store_files(SERVER, None, [b"x"], transport)
    assert outcome == TAKEN if said is None else said in outcome.detail
    assert outcome.taken == (said is None)
    assert not outcome.broke


@pytest.mark.parametrize("status", [409, 202])
def test_what_the_server_has_already_is_taken(status: int) -> None:
    transport, _ = answering(httpx.Response(status, json=DUPLICATE))
    assert store_files(SERVER, None, [b"x"], transport) == [HAD_IT]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.ReadTimeout("late"), "did not answer in time"),
        (httpx.RemoteProtocolError("cut"), "ended the connection"),
        (httpx.DecodingError("no gzip"), "cannot be read"),
        (httpx.Response(500), "status 500"),
    ],
)
def test_what_breaks_over_a_file_is_that_file_s(
    answer: httpx.Response | Exception, said: str
) -> None:
    transport, _ = answering(answer, httpx.Response(200, json=STORED))
    first, second = store_files(SERVER, None, [b"x", b"y"], transport)
    assert said in first.detail
    assert (first.taken, first.broke, second) == (False, True, TAKEN)


@pytest.mark.parametrize("error", [httpx.InvalidURL("Doe^Jane"), UnicodeError("Doe^Jane")])
def test_what_cannot_be_asked_is_an_error_of_ours(error: Exception) -> None:
    transport, _ = answering(error)
    with pytest.raises(SettingsError, match="cannot be asked") as raised:
        store_files(SERVER, None, [b"x"], transport)
    assert "Doe" not in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "said", "passing"),
    [
        (httpx.ConnectError("refused"), "does not answer", True),
        (httpx.ConnectTimeout("late"), "does not answer", True),
        (httpx.Response(401), "lets nobody in", False),
        (httpx.Response(302, headers={"Location": "https://x.example.org"}), "redirects", False),
        (httpx.Response(503), "cannot answer now", True),
    ],
)
def test_where_nothing_can_be_sent_nothing_more_is_tried(
    answer: httpx.Response | Exception, said: str, passing: bool
) -> None:
    transport, seen = answering(answer)
    with pytest.raises(DestinationUnreachable, match=said) as error:
        store_files(SERVER, None, [b"x", b"y"], transport)
    assert len(seen) == 1
    assert error.value.passing == passing


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_what_is_not_encrypted_goes_through_no_proxy(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://proxy.example.org:3128")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    asked: list[str] = []

    def connect(address: tuple[str, int], *_: object, **__: object) -> None:
        asked.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(DestinationUnreachable):
        store_files(DicomWebServer(f"http://{host}:8042/x"), None, [b"x"])
    assert asked == [host.strip("[]")]


def _kept(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "credentials"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("text", "header"),
    [("ann:se:cret\n", "Basic YW5uOnNlOmNyZXQ="), ("Bearer abc.def", "Bearer abc.def")],
)
def test_credentials_of_a_file_stand_in_the_header(tmp_path: Path, text: str, header: str) -> None:
    transport, seen = answering(httpx.Response(200, json=STORED))
    list(store_files(SERVER, credentials(_kept(tmp_path, text)), [b"x"], transport))
    assert seen[0].headers["Authorization"] == header


def test_netrc_is_for_its_host_alone(tmp_path: Path) -> None:
    text = "machine pacs.example.org login ann password secret\ndefault login bob password gitpw\n"
    kept = _kept(tmp_path, text)
    other, default = (
        DicomWebServer(f"https://{host}") for host in ("other.example.org", "default")
    )
    for server, signed in ((SERVER, True), (other, False), (default, False)):
        transport, seen = answering(httpx.Response(200, json=STORED))
        store_files(server, credentials(None, kept), [b"x"], transport)
        assert ("Authorization" in seen[0].headers) == signed
    assert credentials(None, tmp_path / "none") is None


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("ann:secret", 0o644, "can be read by others"),
        ("secret", 0o600, "USER:PASSWORD or Bearer TOKEN"),
        ("ann:secret\nbob:secret", 0o600, "USER:PASSWORD or Bearer TOKEN"),
        ("Bearer secr\u00e9t secret", 0o600, "USER:PASSWORD or Bearer TOKEN"),
        ("Bearer secret\u00e9", 0o600, "USER:PASSWORD or Bearer TOKEN"),
        (":secret", 0o600, "USER:PASSWORD or Bearer TOKEN"),
    ],
)
def test_credentials_that_cannot_be_used_are_refused_and_not_shown(
    tmp_path: Path, text: str, mode: int, said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as error:
        credentials(_kept(tmp_path, text, mode))
    assert "secret" not in str(error.value)
    with pytest.raises(SettingsError, match="no such file"):
        credentials(tmp_path / "none")
