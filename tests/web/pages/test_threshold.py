"""Another threshold through stored scores, and recalibrating or activating from a page."""

import json
import re
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from db.repository.scoring.decisions import ScoredScan, append_scored
from db.repository.training.models import activate, dataset_roles, threshold_by_id
from mriad_model.enums import Policy, Role, Verdict
from mriad_model.promotion.power import METRIC, ImplantScore, to_metric
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from mriad_model.recipes.decision_recipes import UncertainRecipe
from mriad_model.recipes.recipe import Recipe
from tasks.calibration.thresholds import propose
from tests.support.record.hand import NOON
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


@pytest.fixture
def drawn(pages: Pages) -> Pages:
    """Pages whose active model has calibration scores of mean 0.4 and spread 0.1."""
    draw(pages, replace(AUTOENCODER, uncertain=None))
    return pages


def draw(pages: Pages, recipe: Recipe, metrics: str = "{}") -> None:
    hand, engine = pages.hand, pages.site.engine
    train, *healthy = hand.scans("taught too", "low", "high")
    dataset_id = hand.dataset(train=[train], calibration=healthy)
    pages.model_id = hand.model(dataset_id, "drawn", recipe.to_json(), metrics)
    pages.threshold_id = hand.threshold(pages.model_id, dataset_id)
    activate(engine, pages.threshold_id, "drawn", "me")
    hand.decide(pages.model_id, None, dict(zip(healthy, (0.3, 0.5), strict=True)))


def test_another_threshold_is_weighed_by_stored_scores(drawn: Pages) -> None:
    for name, value in (("a.png", 0.45), ("b.png", 0.6), ("c.png", 0.9)):
        scan_id = drawn.picture(name, value)
    drawn.review(scan_id, "abnormal")
    text = drawn.get("/threshold?sigmas=3").text  # 0.4 + 3 * 0.1
    assert "<b>1</b> of 3 decided scans, 33.3\u00a0%" in text
    assert "<b>0</b> suspicious, <b>0</b> uncertain, <b>1</b> normal" in text
    assert "<b>1 of 1</b> scans that people call abnormal" in text
    assert "<b>0\u00a0%</b> of healthy calibration scans" in text
    text = drawn.get("/threshold?sigmas=0.4").text
    assert "<b>1</b> suspicious, <b>0</b> uncertain, <b>0</b> normal" in text
    assert "<b>50\u00a0%</b> of healthy calibration scans" in text
    assert "+1.00" in drawn.get("/threshold").text  # the active one, 0.5


def test_what_would_turn_is_what_a_recalibration_would_turn(pages: Pages) -> None:
    """By the uncertain band, the folds' spread and the gate; none that is not scorable counts."""
    draw(pages, replace(AUTOENCODER, uncertain=UncertainRecipe(), calibrate_by_group=False))
    figures = (
        (0.1, 0.2, None), (0.48, 0.2, None), (0.58, 0.95, None), (0.6, 0.3, 0.2), (0.75, 0.4, 0.1),
        (0.9, 0.5, None), (1.2, 0.99, 0.01), (3.0, 26.0, None), (0.2, 1.5, None),
    )  # fmt: skip
    rows = [
        ScoredScan(scan_id, value, verdict=Verdict.NORMAL, p_value=0.25, gate=gate, spread=spread)
        for scan_id, (value, gate, spread) in zip(
            pages.hand.scans(*(f"s{n}" for n in range(len(figures)))), figures, strict=True
        )
    ]
    engine = pages.site.engine
    append_scored(
        engine, pages.model_id, pages.threshold_id, rows, run_id=pages.hand.run(), now=NOON
    )
    turned = set()
    for k in (0.5, 1.0, 2.0, 3.0, 4.0, 6.0):
        would = propose(engine, Policy.SIGMAS, k)
        text = pages.get(f"/threshold?sigmas={k}").text
        assert "of 7 decided scans" in text
        assert "2 not scorable are counted nowhere" in text
        found = re.findall(r"<b>(\d+)</b> (?:suspicious|uncertain|normal)", text)
        flips = would.flips
        assert [int(each) for each in found] == [
            flips.to_suspicious,
            flips.to_uncertain,
            flips.to_normal,
        ], k
        turned.add(tuple(found))
    assert len(turned) > 3


def test_too_few_calibration_scores_are_said(pages: Pages) -> None:
    assert "no spread of healthy scores" in pages.get("/threshold").text


def test_what_a_threshold_finds_of_implants_is_told_of_models_that_were_measured(
    drawn: Pages,
) -> None:
    pages = drawn
    assert "implants found" not in pages.get("/threshold").text  # a model of before
    implants = [ImplantScore(i, "mass", 30.0, 0.1 * i, 0.0) for i in range(10)]
    dataset_id = threshold_by_id(pages.site.engine, pages.threshold_id).dataset_id
    metrics = json.dumps({METRIC: to_metric(implants)})
    roles = dataset_roles(pages.site.engine, dataset_id)
    healthy = [each for each, role in roles.items() if role is Role.CALIBRATION]
    model_id = pages.hand.model(dataset_id, "measured", AUTOENCODER.to_json(), metrics)
    pages.hand.decide(model_id, None, dict(zip(healthy, (0.3, 0.5), strict=True)))
    activate(pages.site.engine, pages.hand.threshold(model_id, dataset_id), "measured", "me")
    assert (
        "<b>20\u00a0%</b> of 10 implanted lesions" in pages.get("/threshold?sigmas=3.5").text
    )  # 0.75
    listed = pages.get("/models").text
    assert "40\u00a0% <span" in listed  # above 0.5
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
    same = pages.form("/threshold/recalibrate", sigmas="1")
    assert (same.status_code, len(begun)) == (400, 1)
    assert "is that already, and active" in same.text


def test_the_active_threshold_is_not_offered_to_be_drawn_again(
    drawn: Pages, begun: list[list[str]]
) -> None:
    text = drawn.get("/threshold?sigmas=1").text
    assert "This is the active threshold." in text
    assert "recalibrate to" not in text
    assert "recalibrate to" in drawn.get("/threshold?sigmas=2").text


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
