"""The list of reports: every page in the folder, the newest first, by its title."""

import os
from pathlib import Path

import pytest

from tasks.reports.report_index import write_report_index
from tasks.runtime.home import note_pages_address, pages_address, prepare_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return prepare_home(tmp_path / "home")


def report(home: Path, name: str, title: str, moment: int) -> None:
    path = home / "reports" / name
    path.write_text(f"<!doctype html><title>{title}</title>")
    os.utime(path, (moment, moment))


def test_all_pages_are_listed_the_newest_first(home: Path) -> None:
    report(home, "score-run-1.html", "mriad: 1 suspicious of 9 scans", 1_700_000_000)
    report(home, "week-to-2023-11-20-run-2.html", "mriad: a week &amp; more", 1_700_500_000)
    (home / "reports" / "score-run-1.csv").touch()
    write_report_index(home)
    write_report_index(home)  # does not list itself
    text = (home / "reports" / "index.html").read_text()
    assert text.count("<tr><td>") == 2
    assert text.index("week-to-2023-11-20-run-2.html") < text.index("score-run-1.html")
    assert "1 suspicious of 9 scans" in text
    assert "a week &amp; more" in text
    assert "2023-11-14" in text
    assert (home / "reports" / "index.html").stat().st_mode & 0o777 == 0o600


def test_what_is_no_report_of_ours_is_listed_as_text(home: Path) -> None:
    report(home, "x.html", "<script>alert(1)</script>", 1_700_000_000)
    (home / "reports" / "bare.html").write_bytes(b"\xff\xfe no title")
    write_report_index(home)
    text = (home / "reports" / "index.html").read_text()
    assert "<script>" not in text
    assert "bare.html" in text


def test_without_reports_there_is_a_list(home: Path) -> None:
    write_report_index(home)
    assert "None yet." in (home / "reports" / "index.html").read_text()


def test_pages_that_were_served_are_linked(home: Path) -> None:
    assert pages_address(home) is None
    note_pages_address(home, "https://mri.example.org")
    write_report_index(home)
    text = (home / "reports" / "index.html").read_text()
    assert 'href="https://mri.example.org/"' in text
    for damaged in ('https://a"><script>', "javascript:alert(1)", ""):
        note_pages_address(home, damaged)
        assert pages_address(home) is None
