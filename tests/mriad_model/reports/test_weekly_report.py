"""The page of a week."""

from mriad_model.enums import NOTICE
from mriad_model.reports.changes import (
    Changes,
)
from mriad_model.reports.weekly_report import ReviewTally, render_week
from tests.support.reports import Page, week


def test_a_week_tells_its_runs_flags_warnings_comparisons_and_reviews() -> None:
    page = Page(render_week(week()))
    text = " ".join(page.text.split())
    assert "2 suspicious of 39 scans decided in the days to 2026-11-23" in text
    assert "2026-11-20314038" in text.replace(" ", "")  # the day's runs, failures, new, scored
    assert "threshold 4 activated" in text
    assert "New model 3 not activated, 2026-11-20 03:00:00 UTC" in text
    assert "22 healthy scans and 3 abnormal ones that neither was trained on" in text
    cells = text.replace(" ", "")
    assert "healthyscans0.7000.800atleast−0.125atleast−0.050maybeworsethanallowed" in cells  # noqa: RUF001
    assert "abnormalscans0.8000.900atleast−0.300atleast−0.050toofewtodecide" in cells  # noqa: RUF001
    assert "flagged2of223of22atmost+2.7%atmost+10.0%withinthemargin" in cells
    assert "Drawnlesionsflagged31.0%46.0%−15.0%–forinformationonly" in cells  # noqa: RUF001
    assert "5 decisions reviewed: 3 agreed with, 2 suspicious ones called normal" in text
    assert "running or interrupted" in text
    assert "1 min 2 s" in text
    assert "Scores have drifted." in text
    assert "No model is active." in text
    assert "a.html" in page.addresses
    assert "script" not in page.tags
    assert NOTICE in text


def test_a_week_in_which_nothing_happened_says_so() -> None:
    quiet = week(
        days=[], scans=0, n_suspicious=0, runs=[], suspicious=[], warnings=[], changes=Changes(),
        reviews=ReviewTally(),
    )  # fmt: skip
    text = " ".join(Page(render_week(quiet)).text.split())
    assert "No runs." in text
    assert "No decision was reviewed" in text
    assert "no new model was trained" in text
