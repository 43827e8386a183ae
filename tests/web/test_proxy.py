"""A proxy's user is the reviewer; a header of anybody else is nothing."""

import base64
import hashlib
import os
import re
import shutil
import socket
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from db.repository.reports.reviews import standing_reviews
from mriad_model.errors import SettingsError
from tests.support.places import REPOSITORY
from tests.support.processes.waiting import until
from tests.web.conftest import ORIGIN, Pages
from web.access import NO_ENTRY
from web.app import create_app
from web.proxy import PROXY_HEADER, UNUSABLE_NAME, TrustedProxy, plain_address
from web.site import Site

KNOWN = "k" * 64
USER = "X-Remote-User"
HERE = ("127.0.0.1", 50_000)
GIVEN = {USER: "ann", PROXY_HEADER: KNOWN}


def proxied(
    site: Site, *, client: tuple[str, int] = HERE, peers: tuple[str, ...] = ()
) -> TestClient:
    """What reaches the pages through a proxy, from an address."""
    access = replace(site.access, proxy=TrustedProxy(USER, KNOWN, peers))
    return TestClient(create_app(replace(site, access=access)), base_url=ORIGIN, client=client)


def test_the_user_of_the_proxy_gets_in_and_is_the_reviewer(pages: Pages) -> None:
    scan_id = pages.picture("a.png", 0.9)
    browser = proxied(pages.site)
    text = browser.get(f"/scan/{scan_id}", headers=GIVEN).text
    assert ">ann<" in text
    token = text.split('name="token" value="')[1].split('"')[0]
    fields = {"token": token, "answer": "normal", "reviewer": "bob"}  # whatever a form says
    answer = browser.post(
        f"/scan/{scan_id}/review",
        data=fields,
        headers={**GIVEN, "Origin": ORIGIN},
        follow_redirects=False,
    )
    assert answer.status_code == 303
    assert [each.reviewer for each in standing_reviews(pages.site.engine)] == ["ann"]
    # The form was ann's: in another's hands it saves nothing.
    forged = browser.post(
        f"/scan/{scan_id}/review", data=fields, headers={**GIVEN, USER: "eve", "Origin": ORIGIN}
    )
    assert forged.status_code == 403
    assert (
        "set-cookie"
        not in browser.post(
            "/reviewer", data=fields, headers={**GIVEN, "Origin": ORIGIN}, follow_redirects=False
        ).headers
    )


@pytest.mark.parametrize(
    "given",
    [
        {USER: "ann"},
        {USER: "ann", PROXY_HEADER: ""},
        {USER: "ann", PROXY_HEADER: KNOWN[:-1]},
        {USER: "ann", PROXY_HEADER: "ä"},
        {USER: "", PROXY_HEADER: KNOWN},
        {USER: "x" * 61, PROXY_HEADER: "guess"},
        {PROXY_HEADER: KNOWN},
    ],
)
def test_a_header_without_the_proxys_secret_or_without_a_name_lets_nobody_in(
    site: Site, given: dict[str, str]
) -> None:
    headers = [(name, value.encode()) for name, value in given.items()]
    answer = proxied(site).get("/", headers=headers)
    assert (answer.status_code, answer.text) == (403, NO_ENTRY)


@pytest.mark.parametrize("name", ["x" * 61, "a\x7f"])
def test_a_name_of_the_proxy_that_cannot_be_used_is_refused_with_its_own_line(
    pages: Pages, name: str
) -> None:
    browser = proxied(pages.site)
    browser.cookies = pages.browser.cookies  # who has signed in is no other user's stand-in
    answer = browser.get("/", headers={**GIVEN, USER: name})
    assert (answer.status_code, answer.text) == (403, UNUSABLE_NAME)


def test_a_name_that_is_no_utf8_cannot_be_used() -> None:
    raw = [(USER.lower().encode(), b"\xff"), (PROXY_HEADER.encode(), KNOWN.encode())]
    with pytest.raises(SettingsError, match="cannot be used"):
        TrustedProxy(USER, KNOWN).user_of({"client": HERE}, Headers(raw=raw))


def test_headers_given_twice_are_none(site: Site) -> None:
    twice = [(USER, "ann"), (USER, "eve"), (PROXY_HEADER, KNOWN)]
    assert proxied(site).get("/", headers=twice).status_code == 403
    twice = [(USER, "ann"), (PROXY_HEADER, KNOWN), (PROXY_HEADER, "guess")]
    assert proxied(site).get("/", headers=twice).status_code == 403


def test_a_stranger_with_the_secret_gets_in_from_the_proxys_address_alone(site: Site) -> None:
    away = ("192.0.2.7", 50_000)
    assert proxied(site, client=away).get("/", headers=GIVEN).status_code == 403
    assert (
        proxied(site, client=away, peers=("192.0.2.7",)).get("/", headers=GIVEN).status_code == 200
    )
    assert proxied(site, client=("::1", 5)).get("/", headers=GIVEN).status_code == 200


@pytest.mark.parametrize(
    ("client", "status"),
    [("::ffff:10.0.0.5", 200), ("::ffff:127.0.0.1", 200), ("::ffff:10.0.0.6", 403)],
)
def test_a_peer_on_a_socket_of_both_families_is_known_by_its_ipv4_address(
    site: Site, client: str, status: int
) -> None:
    browser = proxied(site, client=(client, 5), peers=(plain_address("::ffff:10.0.0.5"),))
    assert browser.get("/", headers=GIVEN).status_code == status


def test_where_no_header_is_set_one_is_ignored(pages: Pages) -> None:
    stranger = TestClient(pages.browser.app, base_url=ORIGIN, client=HERE)
    assert stranger.get("/", headers=GIVEN).status_code == 403
    scan_id = pages.picture("a.png", 0.9)
    assert ">ann<" not in pages.get(f"/scan/{scan_id}", headers=GIVEN).text


def test_who_has_signed_in_by_an_address_is_no_user_of_a_forged_header(pages: Pages) -> None:
    browser = proxied(pages.site)
    browser.cookies = pages.browser.cookies
    text = browser.get("/", headers={USER: "ann", PROXY_HEADER: "guess"}).text
    assert ">reader<" in text
    assert "ann" not in text.split("<main")[0]


def test_the_proxy_passes_hosts_and_origins_of_ours_alone(site: Site) -> None:
    browser = proxied(site)
    assert browser.get("/", headers={**GIVEN, "Host": "evil.example"}).status_code == 400
    answer = browser.post("/reviewer", headers={**GIVEN, "Origin": "http://evil.example"})
    assert answer.status_code == 403


def test_a_name_may_have_any_letters(site: Site) -> None:
    headers = [(USER, "Jürgen Ŝmit".encode()), (PROXY_HEADER, KNOWN.encode())]
    assert ">Jürgen Ŝmit<" in proxied(site).get("/", headers=headers).text


RECIPE = REPOSITORY / "docs" / "service.md"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def recipe(folder: Path, port: int, pages_port: int) -> Path:
    """The handbook's nginx configuration for ports of this machine, without HTTPS."""
    (block,) = re.findall(r"```\n# /etc/nginx/\S+\n(.*?)```", RECIPE.read_text(), re.DOTALL)
    (command,) = re.findall(r"printf '(.*?)'", RECIPE.read_text())
    (folder / "secret").write_text(command.replace("\\n", "\n") % KNOWN)
    hashed = base64.b64encode(hashlib.sha1(b"pass", usedforsecurity=False).digest()).decode()
    (folder / "users").write_text(f"ann:{{SHA}}{hashed}\n")
    for before, now in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port}"),
        ("/etc/nginx/mriad-proxy.secret", f"{folder}/secret"),
        ("/etc/nginx/mriad.users", f"{folder}/users"),
        ("127.0.0.1:4280", f"127.0.0.1:{pages_port}"),
    ):
        assert before in block
        block = block.replace(before, now)
    block = "".join(line for line in block.splitlines(True) if "ssl_cert" not in line)
    temporary = "".join(
        f"{each}_temp_path {folder}/{each};\n"
        for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    file = folder / "nginx.conf"
    file.write_text(
        f"{user}daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{block}\n}}\n"
    )
    return file


@pytest.mark.skipif(NGINX is None, reason="no nginx on this machine")
def test_the_recipe_for_nginx_names_who_signed_in_whatever_a_browser_sends(
    pages: Pages, tmp_path: Path
) -> None:
    assert NGINX is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listener = socket.create_server(("127.0.0.1", 0))
    access = replace(
        pages.site.access, proxy=TrustedProxy(USER, KNOWN), hosts=("mri.example.org",), secure=True
    )
    app = create_app(replace(pages.site, access=access))
    server = uvicorn.Server(
        uvicorn.Config(app, lifespan="off", log_level="error", proxy_headers=False)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    configuration = recipe(tmp_path, port, listener.getsockname()[1])
    nginx = subprocess.Popen([NGINX, "-c", str(configuration), "-e", str(tmp_path / "error.log")])
    try:
        base, host = f"http://127.0.0.1:{port}", {"Host": "mri.example.org"}
        with httpx.Client(base_url=base, headers=host) as ask:
            until(lambda: answers(ask))
            assert ask.get("/").status_code == 401
            text = ask.get("/", auth=("ann", "pass"), headers={USER: "mallory"}).text
        assert ">ann<" in text
        assert "mallory" not in text
        direct = httpx.get(
            f"http://127.0.0.1:{listener.getsockname()[1]}/",
            headers={"Host": "mri.example.org", USER: "ann"},
        )
        assert direct.status_code == 403
    finally:
        nginx.terminate()
        nginx.wait()
        server.should_exit = True
        thread.join()
        listener.close()


def answers(ask: httpx.Client) -> bool:
    try:
        return ask.get("/").status_code > 0
    except httpx.TransportError:
        return False
