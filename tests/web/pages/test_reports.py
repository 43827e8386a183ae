"""Reports: their scans open here and are marked where reviewed; nothing else is served."""

from dataclasses import replace
from pathlib import Path

import pytest

from db.entities import Report
from db.repository.reports.reports import append_report
from mriad_model.reports.page import SCAN_MARK
from mriad_model.reports.run_report import SuspiciousScan, render_score_report
from tests.support.record.hand import NOON
from tests.support.reports import night
from tests.web.conftest import Pages


@pytest.fixture
def folder(pages: Pages) -> Path:
    made = pages.site.home / "reports"
    made.mkdir(exist_ok=True)
    return made


def written(folder: Path, *scans: int, pages: str | None = None) -> str:
    """The report of a run on these scans."""
    listed = [
        SuspiciousScan(f"inbox/{each}.png", each, each, 0.9, 0.1, b"\x89PNG\r\n\x1a\n", pages=pages)
        for each in scans
    ]
    text = render_score_report(replace(night(), suspicious=listed))
    (folder / "score-run-1.html").write_text(text)
    return text


@pytest.mark.parametrize("address", [None, "http://127.0.0.1:4280"])
def test_scans_of_a_report_open_here_and_say_what_holds_now(
    pages: Pages, folder: Path, address: str | None
) -> None:
    read, waiting = pages.picture("a.png", 0.9), pages.picture("b.png", 0.8)
    text = written(folder, read, waiting, pages=address)
    assert len(SCAN_MARK.findall(text)) == 4  # picture and line of each
    assert ("127.0.0.1" in text) == (address is not None)
    pages.review(read, "normal")
    answer = pages.get("/reports/score-run-1.html")
    assert "127.0.0.1" not in answer.text
    mark = '<a class="scan" href="/scan/{0}">Scan {0}</a><span class="mark">{1}</span>'
    assert mark.format(read, " reviewed") in answer.text
    assert mark.format(waiting, "") in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]
    pages.review(read, "withdraw")
    assert mark.format(read, "") in pages.get("/reports/score-run-1.html").text


def test_runs_and_scans_link_to_the_report(pages: Pages, folder: Path) -> None:
    scan_id = pages.picture("a.png", 0.9)
    written(folder, scan_id)
    (folder / "index.html").write_text("<p>all of them</p>")
    row = Report(pages.hand.run(), "reports/score-run-1.html", None, NOON, NOON)
    append_report(pages.site.engine, row)
    assert 'href="/reports/score-run-1.html"' in pages.get("/runs").text
    assert 'href="/reports/score-run-1.html"' in pages.get(f"/scan/{scan_id}").text
    assert 'href="/reports/index.html"' in pages.get("/runs").text
    assert "all of them" in pages.get("/reports/index.html").text


def test_a_table_beside_a_report_is_served(pages: Pages, folder: Path) -> None:
    (folder / "score-run-1.csv").write_text("result,path\n")
    answer = pages.get("/reports/score-run-1.csv")
    assert answer.text == "result,path\n"
    assert answer.headers["content-type"].startswith("text/csv")


@pytest.mark.parametrize(
    "name", ["gone.html", "..%2fmriad.db", "%2e%2e%2fweb.key", ".hidden.html", "a.js", "link.html"]
)
def test_nothing_but_reports_is_served(pages: Pages, folder: Path, name: str) -> None:
    (pages.site.home / "secret.html").write_text("secret")
    (folder / "link.html").symlink_to(pages.site.home / "secret.html")
    (folder / ".hidden.html").write_text("secret")
    (folder / "a.js").write_text("secret")
    assert pages.get(f"/reports/{name}").status_code == 404
