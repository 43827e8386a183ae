"""Another threshold through stored scores, and recalibrating or activating from a page."""

import json
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from db.repository.models import activate, threshold_by_id
from mriad_model.promotion.power import METRIC, ImplantScore, to_metric
from tests.web.conftest import ORIGIN, Pages
from web.access import sign_in_token
from web.app import create_app


@pytest.fixture
def begun(pages: Pages) -> list[list[str]]:
    """The commands that pages of a site that may start some have started."""
    commands: list[list[str]] = []

    def begin(arguments: list[str], given: str) -> None:
        commands.append([*arguments, given])

    app = create_app(replace(pages.site, begin=begin))
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


def test_what_a_threshold_finds_of_implants_is_told_of_models_that_were_measured(
    pages: Pages,
) -> None:
    assert "implants found" not in pages.get("/threshold").text  # a model of before
    implants = [ImplantScore(i, "mass", 30.0, 0.1 * i, 0.0) for i in range(10)]
    dataset_id = threshold_by_id(pages.site.engine, pages.threshold_id).dataset_id
    metrics = json.dumps({METRIC: to_metric(implants)})
    model_id = pages.hand.model(dataset_id, "measured", metrics=metrics)
    activate(pages.site.engine, pages.hand.threshold(model_id, dataset_id), "measured", "me")
    assert "<b>20 %</b> of 10 implanted lesions" in pages.get("/threshold?sigmas=3.5").text  # 0.75
    listed = pages.get("/models").text
    assert "40 % <span" in listed  # above 0.5
    assert "<b>silent</b>" not in listed
    lost = pages.hand.threshold(model_id, dataset_id, k=6.0, value=0.95)
    assert lost
    assert pages.get("/models").text.count("<b>silent</b>") == 1


@pytest.mark.parametrize("sigmas", ["x", "-1", "9", "nan", "1e400"])
def test_what_is_no_threshold_is_said(pages: Pages, sigmas: str) -> None:
    assert pages.get(f"/threshold?sigmas={sigmas}").status_code == 400


def test_recalibrating_starts_the_command(pages: Pages, begun: list[list[str]]) -> None:
    answer = pages.form("/threshold/recalibrate", sigmas="2.5")
    assert (answer.status_code, begun) == (303, [["recalibrate", "--sigmas=2.5", ""]])
    assert "Recalibrating" in pages.get(answer.headers["location"]).text
    assert pages.form("/threshold/recalibrate", sigmas="99").status_code == 400
    assert len(begun) == 1


def test_activating_needs_a_threshold_and_a_reason(pages: Pages, begun: list[list[str]]) -> None:
    other = pages.hand.threshold(pages.model_id, 1, k=3.0, value=0.7)
    assert pages.form("/models/activate", threshold=other, reason=" ").status_code == 400
    assert pages.form("/models/activate", threshold="77", reason="why").status_code == 400
    assert pages.form("/models/activate", threshold="1;x", reason="why").status_code == 400
    for odd in ("a\x00b", "a\x1b[2Jb", "a\x9bb"):
        assert pages.form("/models/activate", threshold=other, reason=odd).status_code == 400
    assert begun == []
    assert pages.form("/models/activate", threshold=other, reason="--home=/x").status_code == 303
    # Not among the arguments, which all users of the machine can list.
    assert begun == [["activate", str(other), "--reason=-", "--home=/x (reader, by the pages)"]]


def test_where_no_command_may_be_started_the_page_names_it(pages: Pages) -> None:
    answer = pages.form("/threshold/recalibrate", sigmas="2.5")
    assert answer.status_code == 400
    assert "mriad recalibrate --sigmas 2.5" in answer.text
