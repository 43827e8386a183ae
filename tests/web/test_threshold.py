"""Another threshold through stored scores, and recalibrating or activating from a page."""

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from tests.web.conftest import ORIGIN, Pages
from web.access import sign_in_token
from web.app import create_app


@pytest.fixture
def begun(pages: Pages) -> list[list[str]]:
    """The commands that pages of a site that may start some have started."""
    commands: list[list[str]] = []
    app = create_app(replace(pages.site, begin=commands.append))
    pages.browser = TestClient(app, base_url=ORIGIN)
    pages.browser.get(f"/sign-in?token={sign_in_token(pages.site.access.secret)}")
    return commands


def test_another_threshold_is_weighed_by_stored_scores(pages: Pages) -> None:
    pages.hand.decide(pages.model_id, None, {2: 0.65})  # the calibration scan
    for name, value in (("a.png", 0.45), ("b.png", 0.6), ("c.png", 0.9)):
        scan_id = pages.picture(name, value)
    pages.review(scan_id, "abnormal")
    text = pages.get("/threshold?sigmas=3").text  # 0.4 + 3 * 0.1
    assert "<b>1</b> of 3 decided scans, 33.3 %" in text
    assert "<b>0</b> up, <b>1</b> down" in text
    assert "<b>1 of 1</b> scans that people call abnormal" in text
    assert "<b>0 %</b> of healthy calibration scans" in text
    text = pages.get("/threshold?sigmas=0").text
    assert "<b>1</b> up, <b>0</b> down" in text
    assert "<b>100 %</b> of healthy calibration scans" in text
    assert "+1.00" in pages.get("/threshold").text  # the active one, 0.5


@pytest.mark.parametrize("sigmas", ["x", "-1", "9", "nan", "1e400"])
def test_what_is_no_threshold_is_said(pages: Pages, sigmas: str) -> None:
    assert pages.get(f"/threshold?sigmas={sigmas}").status_code == 400


def test_recalibrating_starts_the_command(pages: Pages, begun: list[list[str]]) -> None:
    answer = pages.form("/threshold/recalibrate", sigmas="2.5")
    assert (answer.status_code, begun) == (303, [["recalibrate", "--sigmas=2.5"]])
    assert "Recalibrating" in pages.get(answer.headers["location"]).text
    assert pages.form("/threshold/recalibrate", sigmas="99").status_code == 400
    assert len(begun) == 1


def test_activating_needs_a_threshold_and_a_reason(pages: Pages, begun: list[list[str]]) -> None:
    other = pages.hand.threshold(pages.model_id, 1, k=3.0, value=0.7)
    assert pages.form("/models/activate", threshold=other, reason=" ").status_code == 400
    assert pages.form("/models/activate", threshold="77", reason="why").status_code == 400
    assert pages.form("/models/activate", threshold="1;x", reason="why").status_code == 400
    assert begun == []
    assert pages.form("/models/activate", threshold=other, reason="--home=/x").status_code == 303
    assert begun == [["activate", str(other), "--reason=--home=/x (reader, by the pages)"]]


def test_where_no_command_may_be_started_the_page_names_it(pages: Pages) -> None:
    answer = pages.form("/threshold/recalibrate", sigmas="2.5")
    assert answer.status_code == 400
    assert "mriad recalibrate --sigmas 2.5" in answer.text
