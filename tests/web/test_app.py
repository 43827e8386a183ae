"""Errors are plain pages of one line."""

import pytest

from tests.web.conftest import Pages


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("/scan/abc", "scan_id=&#39;abc&#39;: give a whole number"),
        ("/scan/0", "scan_id=&#39;0&#39;: give a whole number"),
        ("/models/compare?one=x", "one=&#39;x&#39;: give a whole number"),
        ("/population?scan=1.5", "scan=&#39;1.5&#39;: give a whole number"),
        (f"/runs?before={10**40}", "before=&#39;1000"),
    ],
)
def test_an_id_that_is_none_is_told_on_a_plain_page(pages: Pages, address: str, told: str) -> None:
    answer = pages.get(address)
    assert answer.status_code == (404 if address.startswith("/scan/") else 400)
    assert answer.headers["content-type"].startswith("text/html")
    assert told in answer.text
    assert "To the worklist" in answer.text


def test_a_page_that_is_not_there_is_headed_not_found(pages: Pages) -> None:
    for address in ("/nowhere", "/scan/999"):
        text = pages.get(address).text
        assert "<h1>Not found</h1>" in text
        assert "Not done" not in text
    assert "<h1>Not done</h1>" in pages.get("/population?scan=x").text
