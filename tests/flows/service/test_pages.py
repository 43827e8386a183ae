"""Where the pages are served, under which names, and by which addresses they are found."""

import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from db.engine.connect import open_record
from db.repository.training.models import activations, model_by_id
from flows.runtime.context import child_context
from flows.runtime.settings import read_settings
from flows.service import pages
from flows.service.pages import (
    VolumeDrawer,
    base_address,
    begin_command,
    hosts_of,
    listen_for_pages,
    note_start,
    served_port,
    sign_in_address,
    site_of_home,
)
from flows.service.server.server_secret import asked
from mriad_model.errors import HomeError, SettingsError
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from tasks.runtime.home import prepare_home
from tests.support.processes.waiting import until
from tests.support.record.hand import Hand, lay_models


def test_a_port_that_is_taken_is_another_unless_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(pages, "DEFAULT_PORT", port)
        with listen_for_pages(read_settings()) as listener:
            assert listener.getsockname()[0] == "127.0.0.1"
            assert listener.getsockname()[1] not in (0, port)
        with pytest.raises(SettingsError, match=f"port {port}"):
            listen_for_pages(read_settings(web_port=port))


def test_the_address_must_be_one() -> None:
    with pytest.raises(SettingsError, match="no IP address"):
        listen_for_pages(read_settings(web_bind="my-host"))


def test_pages_answer_to_their_own_names_and_those_that_are_set() -> None:
    own = ("127.0.0.1:80", "localhost:80")
    assert hosts_of(read_settings(), 80) == own
    assert hosts_of(read_settings(web_bind="0.0.0.0"), 80) == own
    assert hosts_of(read_settings(web_bind="::1"), 80) == ("[::1]:80", *own)
    assert hosts_of(read_settings(web_bind="::"), 80) == ("[::1]:80", *own)
    proxied = read_settings(web_hosts="MRI.example.org, second", web_https=True)
    assert hosts_of(proxied, 80) == (*own, "mri.example.org", "second")
    assert base_address(proxied, 80) == "https://mri.example.org"
    assert base_address(read_settings(), 81) == "http://127.0.0.1:81"
    assert base_address(read_settings(web_bind="10.1.2.3"), 81) == "http://10.1.2.3:81"
    assert base_address(read_settings(web_bind="::1"), 81) == "http://[::1]:81"
    assert base_address(read_settings(web_bind="0.0.0.0"), 81) == "http://127.0.0.1:81"


def test_the_address_that_is_printed_lets_in(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    open_record(home).dispose()
    place = child_context(home)
    note_start(home, 80)
    token = sign_in_address(home, place.settings, 80).partition("token=")[2]
    access = site_of_home(place, 80).access
    session = access.sign_in(token)
    assert session is not None
    cookie = f"{access.cookie}={session}"
    assert access.session_of(cookie) == session
    # What a stranger got on the port while we were stopped is good for nothing after a start.
    unused = sign_in_address(home, place.settings, 80).partition("token=")[2]
    note_start(home, 80)
    again = site_of_home(place, 80).access
    assert again.sign_in(unused) is None
    assert again.session_of(cookie) is None


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A home whose pages are served in a process of their own, and their port."""
    home = prepare_home(tmp_path / "home")
    command = [sys.executable, "-m", "flows.cli.main", "web", "--home", str(home)]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "MRIAD_WEB_PORT": str(port)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert f"http://127.0.0.1:{port};" in line
    assert "token" not in line  # it goes into a file or a journal
    yield home, port
    process.terminate()
    process.wait(20)
    process.stdout.close()


def test_an_address_is_printed_once_the_server_has_shown_that_it_is_ours(
    served: tuple[Path, int],
) -> None:
    home, port = served
    assert served_port(home, read_settings()) == port
    address = sign_in_address(home, read_settings(), port)
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert answer.status == 200
    note_start(home, port)  # that of a server which is gone since, or of another home
    with pytest.raises(HomeError, match="no pages are served"):
        served_port(home, read_settings())


class Stranger(BaseHTTPRequestHandler):
    """Another user's program on our port: it passes every challenge on to our server."""

    ours = 0

    def do_GET(self) -> None:
        body = asked("127.0.0.1", self.ours, self.path, 5.0) if self.ours else b"f" * 64
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("passes_on", [False, True])
def test_a_stranger_on_the_port_is_not_taken_for_our_server(
    served: tuple[Path, int], passes_on: bool
) -> None:
    home, port = served
    handler = type("Handler", (Stranger,), {"ours": port if passes_on else 0})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        (home / pages.PORT_FILE).write_text(f"{stranger.server_address[1]}\n")
        with pytest.raises(HomeError, match="no pages are served"):
            served_port(home, read_settings())
        stranger.shutdown()


def test_where_nothing_is_served_that_is_said(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(HomeError, match="no pages are served"):
            served_port(tmp_path, read_settings())
        with pytest.raises(HomeError, match="no pages are served"):
            sign_in_address(tmp_path, read_settings(), 80)
        (tmp_path / pages.PORT_FILE).write_text("x\n")


def test_a_reason_reaches_the_record_by_the_command_s_input(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    engine = open_record(home)
    hand = Hand(engine)
    first, _ = hand.ready()
    dataset_id = model_by_id(engine, first).dataset_id
    model_id = hand.model(dataset_id, "other", recipe=AUTOENCODER.to_json())
    threshold_id = hand.threshold(model_id, dataset_id)
    lay_models(home, "other")
    begin_command(home, ["activate", str(threshold_id), "--reason=-"], "the ä scanner moved")
    until(lambda: activations(engine)[-1].reason == "the ä scanner moved", seconds=60.0)
    engine.dispose()


def test_a_volume_that_cannot_be_drawn_is_not_tried_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    drawer = VolumeDrawer(tmp_path)
    assert drawer.draw(1, 1, tmp_path / "view")
    until(lambda: not drawer.draw(1, 1, tmp_path / "view"))
    assert drawer.draw(2, 2, tmp_path / "another")  # one at a time, and each by itself
    until(lambda: not drawer.draw(2, 2, tmp_path / "another"))
