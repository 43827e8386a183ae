"""Each scan is a dot of its scanner."""

import re

import pytest

from tests.web.conftest import Pages


@pytest.mark.parametrize("query", ["", "?since=2026-11-01&words=inbox"])
def test_each_scan_is_a_dot_that_opens(pages: Pages, query: str) -> None:
    found = [pages.picture(f"{n}.png", 0.3 + n / 10, scanner=f"S{n % 2}") for n in range(6)]
    text = pages.get(f"/population{query}").text
    assert all(f'<a href="/scan/{each}"><circle' in text for each in found)
    assert ">S0</text>" in text
    chosen = pages.get(f"/population?scan={found[0]}").text
    assert chosen.count("chosen") == 1
    assert "0 scans" in pages.get("/population?words=nowhere").text


def test_the_form_s_own_address_with_all_left_blank_shows_all(pages: Pages) -> None:
    scan_id = pages.picture("a.png", 0.9)
    form = pages.get("/population").text.split('action="/population"')[1].split("</form>")[0]
    fields = dict.fromkeys(re.findall(r'name="(\w+)"', form), "")
    assert "scan" in fields
    answer = pages.get("/population", params=fields)
    assert answer.status_code == 200
    assert f'<a href="/scan/{scan_id}"><circle' in answer.text


def test_without_decisions_there_is_a_page(pages: Pages) -> None:
    assert "0 scans" in pages.get("/population").text
