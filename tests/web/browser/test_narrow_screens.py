"""On a telephone no verdict is out of sight: what a table has does not end at the screen's edge."""

from dataclasses import replace
from typing import Any, Final

import pytest

from mriad_model.enums import DecisionReason, LabelValue, Verdict
from mriad_model.evaluation.metrics.lesion_metrics import Figure
from mriad_model.evaluation.metrics.scan_metrics import Interval
from mriad_model.reports.evaluation_report import render_evaluation
from mriad_model.reports.weekly_report import render_week
from tests.support.reports import PROVENANCE, evaluation, week
from tests.web.conftest import Pages

SIZE: Final = {"width": 390, "height": 844}
BEYOND: Final = """([heading, width]) =>
  [...document.querySelectorAll('thead th')].filter((each) => each.textContent === heading)
    .map((each) => each.getBoundingClientRect().right <= width && each.offsetWidth > 0)"""
SHARE: Final = Figure(0.25, Interval(0.125, 0.375))


def is_seen(tab: Any, heading: str) -> bool:
    found = tab.evaluate(BEYOND, [heading, SIZE["width"]])
    return bool(found) and all(found)


@pytest.mark.parametrize("kind", ["week", "evaluation"])
def test_a_reports_verdicts_are_seen(chromium: Any, kind: str) -> None:
    shares = dict.fromkeys(Verdict, SHARE)
    verdicts = {LabelValue.HEALTHY: shares, LabelValue.ABNORMAL: shares}
    page = (
        render_week(week())
        if kind == "week"
        else render_evaluation(replace(evaluation(), verdicts=verdicts), PROVENANCE)
    )
    names = ("Uncertain", "Not scorable") if kind == "week" else ("uncertain", "not scorable")
    tab = chromium.new_page(viewport=SIZE)
    tab.set_content(page)
    assert [name for name in names if not is_seen(tab, name)] == []
    tab.close()


def test_the_trends_of_verdicts_are_seen(served: Pages, tab: Any) -> None:
    served.picture("a.png", 0.9, scanner="GE Signa")
    unlike = DecisionReason.UNLIKE_LEARNED
    served.picture("b.png", 2.0, verdict=Verdict.NOT_SCORABLE, reason=unlike, scanner="GE Signa")
    tab.set_viewport_size(SIZE)
    tab.goto(f"{served.address}/trends")
    assert "1 not scorable" in tab.inner_text("table")
    assert is_seen(tab, "Other verdicts")
    assert tab.evaluate("document.documentElement.scrollWidth") == SIZE["width"]


def test_a_scan_of_the_worklist_is_judged_without_moving_it(served: Pages, tab: Any) -> None:
    served.picture("a.png", 0.9, scanner="GE Signa")
    tab.set_viewport_size(SIZE)
    tab.goto(served.address)
    assert tab.evaluate("document.documentElement.scrollWidth") == SIZE["width"]
    for what in (".what a", ".chip", ".number b", "button[value=abnormal]"):
        box = tab.locator(f".scans tbody {what}").first.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= SIZE["width"]
