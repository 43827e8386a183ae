"""Two thresholds beside each other: what differs, the same scans by both, a retraining's word."""

import json

import pytest

from db.entities import Comparison
from db.repository.training.comparisons import append_comparison
from mriad_model.promotion.power import METRIC, ImplantScore, to_metric
from mriad_model.recipes.built_in_recipes import AUTOENCODER, DEFAULT
from tests.support.record.hand import NOON
from tests.web.conftest import Pages

FIGURES = {
    "n_healthy": 90,
    "n_abnormal": 0,
    "auroc_margin": 0.05,
    "rate_margin": 0.1,
    "confidence": 0.9,
    "implanted": {"current": 0.8, "candidate": 0.9, "difference": 0.1, "at_least": 0.04},
    "abnormal": None,
    "false_positives": {
        "current": 9, "candidate": 12, "n": 90, "difference": 0.03, "at_most": 0.07,
    },
}  # fmt: skip


@pytest.fixture
def other(pages: Pages) -> int:
    """A second model, trained on other scans by another recipe, and its threshold."""
    hand = pages.hand
    train, calibration = hand.scans("learned", "calibrates too")
    dataset_id = hand.dataset(train=[train], calibration=[calibration, 2])
    scores = [ImplantScore(each, "mass", 30.0, 0.9 - 0.11 * each, 0.3) for each in range(8)]
    metrics = json.dumps({METRIC: to_metric(scores), "epochs": 40})
    model_id = hand.model(dataset_id, "others", DEFAULT.to_json(), metrics)
    return hand.threshold(model_id, dataset_id, k=2.0, value=0.6)


def cell(text: str, what: str) -> list[str]:
    """The two texts of a line."""
    line = text.split(f"<td>{what}</td>")[1].split("</tr>", maxsplit=1)[0]
    return [each.split("</td>")[0] for each in line.split("<td>")[1:]]


def test_recipe_data_and_figures_stand_beside_each_other(pages: Pages, other: int) -> None:
    text = pages.get(f"/models/compare?one={pages.threshold_id}&other={other}").text
    assert cell(text, "policy") == ["sigmas 1", "sigmas 2"]
    assert cell(text, "value") == ["0.5", "0.6"]
    assert cell(text, "active") == ["yes", "no"]
    assert cell(text, "scans, calibration") == ["1", "2"]
    assert cell(text, "scans in both datasets") == ["1", "1"]
    assert cell(text, "epochs") == ["–", "40"]  # noqa: RUF001
    none, share = cell(text, "implanted lesions found")
    assert none == "–"  # noqa: RUF001
    assert share.startswith("37.5 % (")  # 0.9, 0.79 and 0.68 of eight
    assert cell(text, "name") == [AUTOENCODER.name, DEFAULT.name]
    assert "other fields of the recipes are the same" in text
    assert "No retraining has compared these two" in text
    listed = pages.get("/models").text
    assert f'value="{other}"' in listed
    never = "never compared (run 1, which made it, has no end)"
    assert f"<b>{never}</b>" in listed
    assert cell(text, "compared") == [never, never]


def test_the_same_scans_by_both_are_crossed(pages: Pages, other: int) -> None:
    scans = [pages.picture(f"{n}.png", value) for n, value in enumerate((0.9, 0.8, 0.2))]
    model_id = pages.hand.model(1, "others", DEFAULT.to_json())
    pages.hand.decide(model_id, other, dict(zip(scans, (0.9, 0.3, 0.1), strict=True)))
    text = pages.get(f"/models/compare?one={pages.threshold_id}&other={other}").text
    line = text.split("<td>suspicious</td>")[1].split("</tr>", maxsplit=1)[0]
    found = [each.split(">")[1].split("<")[0] for each in line.split("<td")[1:]]
    assert sorted(found) == ["0", "0", "1", "1"]  # one by both, one by the first alone


def test_a_retraining_that_compared_them_is_told_whichever_stands_first(
    pages: Pages, other: int
) -> None:
    row = Comparison(
        pages.threshold_id, other, 1, 1, "promoted: by far", json.dumps(FIGURES),
        pages.hand.run(), NOON,
    )  # fmt: skip
    append_comparison(pages.site.engine, row)
    for ids in ((pages.threshold_id, other), (other, pages.threshold_id)):
        text = pages.get("/models/compare?one={}&other={}".format(*ids)).text
        assert f"candidate {other} was <b>activated</b>" in text
        assert "12 of 90" in text
        assert "90 healthy scans" in text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "Choose two different thresholds."),
        ("?one=1", "Choose two different thresholds."),
        ("?one=1&other=1", "Choose two different thresholds."),
        ("?one=1&other=99", "There is no threshold 99 in the record."),
        ("?one=x", "give a whole number"),
    ],
)
def test_what_cannot_be_compared_is_said(pages: Pages, query: str, said: str) -> None:
    answer = pages.get(f"/models/compare{query}")
    assert answer.status_code == 400
    assert said in answer.text


def test_two_thresholds_of_one_model_are_said_to_be_that(pages: Pages) -> None:
    later = pages.hand.threshold(pages.model_id, 1, k=2.0, value=0.6)
    text = pages.get(f"/models/compare?one={pages.threshold_id}&other={later}").text
    assert f"Both are thresholds of model {pages.model_id}" in text
    assert "No retraining" not in text
