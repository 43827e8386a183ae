"""Who is let in, and which requests may change something."""

import html
from dataclasses import replace

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from db.repository.reports.reviews import standing_reviews
from tests.web.conftest import HOST, ORIGIN, SECRET, Pages
from web.access import HEADERS, SESSION_SECONDS, TOKEN_SECONDS, Access, proof, sign_in_token
from web.app import ROUTERS, create_app
from web.pages.images.volumes import NIIVUE
from web.pages.scan import VIEWER_POLICY
from web.site import Site

ROUTES = {
    route.path: route.methods
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
}


def test_without_a_cookie_every_page_is_403(stranger: TestClient, pages: Pages) -> None:
    scan_id = pages.picture("a.png", 0.9)
    paths = set(ROUTES)
    assert {"/", "/scan/{scan_id}", "/worklist.csv", "/reports/{name}"} <= paths
    for path in paths - {"/sign-in", "/proof/{challenge}"}:
        address = path.replace("{scan_id}", str(scan_id)).replace("{name}", "index.html")
        assert stranger.get(address).status_code == 403, path
    assert "a.png" not in stranger.get("/").text


def test_who_comes_by_a_link_from_elsewhere_asks_once_more_from_a_page_of_ours(
    pages: Pages, stranger: TestClient
) -> None:
    scan_id = pages.picture("a.png", 0.9)
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    hostile = f'/scan/{scan_id}?words="><script>'
    answer = stranger.get(hostile, headers=elsewhere)
    assert answer.status_code == 403
    assert "a.png" not in answer.text
    assert "<script" not in answer.text
    again = html.unescape(answer.text.split("url=")[1].split('"')[0])
    assert again.startswith(f"/scan/{scan_id}?words=")
    assert pages.get(again).status_code == 200  # with the cookie, which now comes along
    own = {**elsewhere, "Sec-Fetch-Site": "same-origin"}
    assert "http-equiv" not in stranger.get(again, headers=own).text  # and no further time
    post = stranger.post("/reviewer", headers={**elsewhere, "Origin": ORIGIN})
    assert "http-equiv" not in post.text


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\\\evil.example/x", "/%5C/evil.example/x"])
def test_a_link_from_elsewhere_leads_to_no_other_site(stranger: TestClient, path: str) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = stranger.get(f"{ORIGIN}{path}", headers=elsewhere)
    again = html.unescape(answer.text.split("url=")[1].split('"')[0])
    assert again == "/evil.example/x?from=elsewhere"


def test_a_token_lets_in_once(stranger: TestClient, pages: Pages) -> None:
    token = sign_in_token(SECRET)
    first = stranger.get(f"/sign-in?token={token}")
    assert first.status_code == 200
    told = first.headers["set-cookie"]
    assert "HttpOnly" in told
    assert "SameSite=strict" in told
    assert stranger.get("/").status_code == 200
    other = TestClient(stranger.app, base_url=ORIGIN)
    assert other.get(f"/sign-in?token={token}").status_code == 403
    assert other.get("/").status_code == 403


@pytest.mark.parametrize("token", ["", "x", "1.2.3", sign_in_token(b"another" * 5)])
def test_what_is_no_token_of_this_home_does_not_let_in(stranger: TestClient, token: str) -> None:
    assert stranger.get("/sign-in", params={"token": token}).status_code == 403


def test_a_form_token_or_a_session_is_no_sign_in_token(pages: Pages, stranger: TestClient) -> None:
    session = pages.site.access.new_session()
    for other in (session, pages.site.access.form_token(session)):
        assert stranger.get("/sign-in", params={"token": other}).status_code == 403


def test_who_asks_gets_a_challenge_signed_for_our_port_and_nothing_else(
    stranger: TestClient, site: Site
) -> None:
    challenge = "ab" * 32
    answer = stranger.get(f"/proof/{challenge}")
    assert answer.text == proof(SECRET, "4280", challenge) != proof(SECRET, "4281", challenge)
    assert stranger.get("/proof/short").status_code == 404
    assert stranger.get(f"/sign-in?token={answer.text}").status_code == 403


def test_an_odd_cookie_of_another_server_does_not_shut_out(site: Site) -> None:
    session = site.access.new_session()
    for odd in ('a={"x":1}', "a", 'q="', "ä=1", "a=b=c"):
        cookies = f"{odd}; {site.access.cookie}={session}"
        assert site.access.session_of(cookies) == session, odd


def test_two_homes_on_one_machine_do_not_sign_each_other_out(pages: Pages) -> None:
    """A browser keeps one jar of cookies for all ports of a host."""
    access = replace(pages.site.access, hosts=("127.0.0.1:4281",), secret=b"of the other home" * 2)
    neighbour = TestClient(
        create_app(replace(pages.site, access=access)),
        base_url="http://127.0.0.1:4281",
        cookies=pages.browser.cookies,
    )
    assert neighbour.get("/").status_code == 403
    signed_in = neighbour.get(f"/sign-in?token={sign_in_token(access.secret)}")
    for name, value in signed_in.cookies.items():
        pages.browser.cookies.set(name, value, domain="127.0.0.1")
    assert len(pages.browser.cookies) == 2
    assert neighbour.get("/").status_code == 200
    assert pages.get("/").status_code == 200


def test_tokens_and_sessions_end(site: Site) -> None:
    now = [1_000_000.0]
    access = replace(site.access, clock=lambda: now[0])
    token = sign_in_token(SECRET, now[0])
    session = access.new_session()
    cookie = f"{access.cookie}={session}"
    assert access.session_of(cookie) == session
    now[0] += TOKEN_SECONDS + 1
    assert access.sign_in(token) is None
    now[0] += SESSION_SECONDS
    assert access.session_of(cookie) is None


def test_the_file_of_used_tokens_is_private_and_forgets_old_ones(site: Site) -> None:
    now = [1_000_000.0]
    access = replace(site.access, clock=lambda: now[0])
    assert access.sign_in(sign_in_token(SECRET, now[0]))
    assert access.used.stat().st_mode & 0o777 == 0o600
    now[0] += 2 * TOKEN_SECONDS
    last = sign_in_token(SECRET, now[0])
    assert access.sign_in(last)
    assert access.used.read_text() == f"{last}\n"


def test_another_host_name_is_refused(pages: Pages) -> None:
    assert pages.get("/", headers={"Host": "evil.example:4280"}).status_code == 400
    assert pages.get("/", headers={"Host": "localhost:4280"}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", None])
def test_a_review_from_another_page_is_refused(pages: Pages, origin: str | None) -> None:
    scan_id = pages.picture("a.png", 0.9)
    session = pages.browser.cookies[pages.site.access.cookie]
    answer = pages.browser.post(
        f"/scan/{scan_id}/review",
        data={"token": pages.site.access.form_token(session), "answer": "normal"},
        headers={} if origin is None else {"Origin": origin},
    )
    assert answer.status_code == 403
    assert standing_reviews(pages.site.engine) == []


def test_every_form_needs_its_token(pages: Pages) -> None:
    scan_id = pages.picture("a.png", 0.9)
    posts = [path for path, methods in ROUTES.items() if "POST" in methods]
    assert len(posts) >= 4
    for path in posts:
        for token in ("", "x", pages.site.access.form_token("another session")):
            answer = pages.browser.post(
                path.replace("{scan_id}", str(scan_id)),
                data={"token": token, "answer": "normal", "threshold": "1", "reason": "r"},
                headers={"Origin": ORIGIN},
            )
            assert answer.status_code == 403, path
    assert standing_reviews(pages.site.engine) == []


def test_pages_run_no_code_of_theirs_and_ask_no_other_host(pages: Pages) -> None:
    pages.picture("a.png", 0.9)
    for address in ("/", "/scan/3", "/runs", "/models", "/rejections"):
        answer = pages.get(address)
        assert answer.status_code == 200
        expected = HEADERS["content-security-policy"]
        if address.startswith("/scan/") and NIIVUE.is_file():
            expected = VIEWER_POLICY  # pictures and a font that the viewer of volumes brings along
        assert answer.headers["content-security-policy"] == expected
        assert answer.headers["cache-control"] == "no-store"
        for inline in ("<style", " style=", "javascript:", "onclick", "http://", "https://"):
            assert inline not in answer.text.replace('rel="noreferrer"', ""), (address, inline)
        assert answer.text.count("<script") == answer.text.count('<script src="') > 0


def test_signing_out_forgets_the_cookie(pages: Pages) -> None:
    answer = pages.form("/sign-out")
    assert answer.status_code == 200
    assert answer.headers["clear-site-data"] == '"cache"'
    assert pages.get("/").status_code == 403


def test_cookies_are_of_one_port(site: Site) -> None:
    assert site.access.cookie == f"mriad-{HOST.rpartition(':')[2]}"
    proxied = Access(SECRET, (HOST, "mri.example.org"), site.home / "web.used", secure=True)
    browser = TestClient(
        create_app(replace(site, access=proxied)), base_url="https://mri.example.org"
    )
    told = browser.get(f"/sign-in?token={sign_in_token(SECRET)}").headers["set-cookie"]
    assert "Secure" in told
