"""Where the pages are served, under which names, and by which addresses they are found."""

import socket
import sys
from pathlib import Path

import pytest

from db.engine.connect import open_record
from flows.context import child_context
from flows.service import pages
from flows.service.pages import (
    VolumeDrawer,
    base_address,
    hosts_of,
    listen_for_pages,
    served_port,
    sign_in_address,
    site_of_home,
)
from flows.settings import read_settings
from mriad_model.errors import HomeError, SettingsError
from tasks.runtime.home import prepare_home
from tests.support.waiting import until


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
    assert hosts_of(read_settings(web_bind="::1"), 80) == (*own, "[::1]:80")
    proxied = read_settings(web_hosts="MRI.example.org, second", web_https=True)
    assert hosts_of(proxied, 80) == (*own, "mri.example.org", "second")
    assert base_address(proxied, 80) == "https://mri.example.org"
    assert base_address(read_settings(), 81) == "http://127.0.0.1:81"


def test_the_address_that_is_printed_lets_in(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    open_record(home).dispose()
    place = child_context(home)
    token = sign_in_address(home, place.settings, 80).partition("token=")[2]
    access = site_of_home(place, 80).access
    session = access.sign_in(token)
    assert session is not None
    assert access.session_of(f"{access.cookie}={session}") == session


def test_where_nothing_is_served_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="no pages are served"):
        served_port(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (tmp_path / pages.PORT_FILE).write_text(f"{port}\n")
        assert served_port(tmp_path) == port


def test_a_volume_that_cannot_be_drawn_is_not_tried_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    drawer = VolumeDrawer(tmp_path)
    assert drawer.draw(1, 1, tmp_path / "view")
    until(lambda: not drawer.draw(1, 1, tmp_path / "view"))
    assert drawer.draw(2, 2, tmp_path / "another")  # one at a time, and each by itself
    until(lambda: not drawer.draw(2, 2, tmp_path / "another"))
