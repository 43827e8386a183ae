"""Runs: what each came to, and what could not be sent."""

import json
import socket
from dataclasses import replace
from typing import Any

from starlette.testclient import TestClient

from db.entities import RunEnd
from db.repository.runs import end_run
from mriad_model.enums import RunStatus
from tests.support.record.hand import NOON
from tests.web.conftest import ORIGIN, Pages
from web.app import create_app

WHY = "dicom://PACS@127.0.0.1:104 does not answer: connection refused"
SAID = f"3 of 5 DICOM outputs not sent yet: {WHY}"


def ended(pages: Pages, name: str, **counts: Any) -> None:
    row = RunEnd(pages.hand.run(name), RunStatus.COMPLETED, json.dumps(counts), NOON)
    end_run(pages.site.engine, row)


def test_what_could_not_be_sent_stands_on_top_until_it_is(pages: Pages) -> None:
    ended(pages, "first", scored=5)
    ended(pages, "second", sent=2, unsent=3, outputs=5, not_sent=WHY)
    ended(pages, "third", scored=1)  # sends nothing
    text = pages.get("/runs").text
    top, line = text.split(SAID)[:2]
    assert 'role="alert"' in top.rpartition("<p")[2]
    assert "2 sent" in line
    assert text.count(SAID) == 2  # on top, and in the line of its run
    ended(pages, "fourth", sent=3, unsent=0, outputs=5)
    text = pages.get("/runs").text
    assert 'role="alert"' not in text
    assert text.count(SAID) == 1


def test_prefects_pages_are_offered_only_while_they_answer(pages: Pages) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        app = create_app(replace(pages.site, prefect=address))
        browser = TestClient(app, base_url=ORIGIN, cookies=pages.browser.cookies)
        assert address in browser.get("/runs").text
    assert address not in browser.get("/runs").text


def test_an_evaluations_page_is_linked_from_its_run(pages: Pages) -> None:
    run_id = pages.hand.run()
    name = f"/reports/evaluation-run-{run_id}.html"
    assert name not in pages.get("/runs").text
    (pages.site.home / "reports").mkdir(exist_ok=True)
    (pages.site.home / f"reports/evaluation-run-{run_id}.html").write_text("figures")
    assert name in pages.get("/runs").text
    assert pages.get(name).status_code == 200
