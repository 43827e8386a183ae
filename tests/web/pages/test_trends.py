"""Days by scanner, what reviews say of the flags, and each scan as a dot."""

import pytest

from mriad_model.evaluation.agreement import FEWEST
from tests.web.conftest import Pages

FIFTH = "2026-11-05T09:00:00.000000+00:00"


def test_a_line_a_day_and_scanner(pages: Pages) -> None:
    for number, value in enumerate((0.9, 0.8, 0.2, 0.1)):
        pages.picture(f"g{number}.png", value, scanner="GE", now=FIFTH)
    pages.picture("old.png", 0.9, scanner="Prisma")
    text = pages.get("/trends?days=7").text
    line = text.split("2026-11-05</a>")[1].split("</tr>", maxsplit=1)[0]
    assert "GE" in line
    assert '<td class="number">4</td><td class="number">2</td><td class="number">50 %</td>' in line
    assert "Prisma" in text
    assert "Prisma" not in pages.get("/trends?days=1").text
    assert pages.get("/trends?days=0").status_code == 400


def test_what_reviews_say_of_the_flags(pages: Pages) -> None:
    first, second = pages.picture("a.png", 0.9), pages.picture("b.png", 0.8)
    assert "no suspicious scan has been reviewed yet" in pages.get("/trends").text
    pages.review(first, "suspicious", reviewer="Ann")
    pages.review(second, "normal", reviewer="Ann")
    text = pages.get("/trends").text
    assert "<b>1 of 2</b> suspicious scans" in text
    assert "no scan has been reviewed by two readers yet" in text
    pages.review(first, "suspicious", reviewer="Bob")
    pages.review(second, "suspicious", reviewer="Bob")
    assert "on <b>1 of 2</b> scans that several reviewed" in pages.get("/trends").text


def test_two_readers_agree_beyond_chance_or_are_too_few(pages: Pages) -> None:
    scans = [pages.picture(f"{n}.png", 0.9) for n in range(FEWEST)]
    for number, scan_id in enumerate(scans):
        word = "suspicious" if number % 2 else "normal"
        pages.review(scan_id, word, reviewer="Ann")
        if number:
            pages.review(scan_id, "suspicious" if number == 2 else word, reviewer="Bob")
    text = pages.get("/trends").text
    assert "Ann, Bob" in text
    assert f"too few: {FEWEST} needed" in text
    assert "Blind reading is off" in text
    pages.review(scans[0], "normal", reviewer="Bob")
    line = pages.get("/trends").text.split("Ann, Bob")[1].split("</tr>", maxsplit=1)[0]
    assert '<td class="number">20</td><td class="number">95 %' in line
    assert ">0.90 <span" in line


@pytest.mark.parametrize("query", ["", "?since=2026-11-01&words=inbox"])
def test_each_scan_is_a_dot_that_opens(pages: Pages, query: str) -> None:
    found = [pages.picture(f"{n}.png", 0.3 + n / 10, scanner=f"S{n % 2}") for n in range(6)]
    text = pages.get(f"/population{query}").text
    assert all(f'<a href="/scan/{each}"><circle' in text for each in found)
    assert ">S0</text>" in text
    chosen = pages.get(f"/population?scan={found[0]}").text
    assert chosen.count("chosen") == 1
    assert "0 scans" in pages.get("/population?words=nowhere").text


def test_without_decisions_both_say_so(pages: Pages) -> None:
    assert "Nothing has been decided yet" in pages.get("/trends").text
    assert pages.get("/population").status_code == 200
