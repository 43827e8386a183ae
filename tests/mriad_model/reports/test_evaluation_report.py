"""The page of an evaluation."""

from dataclasses import replace

from mriad_model.enums import RejectionReason
from mriad_model.evaluation.metrics import Advantage, Interval
from mriad_model.evaluation.protocol import EvaluationProtocol
from mriad_model.evaluation.summary import Rival
from mriad_model.rejections import RejectedItem
from mriad_model.reports.evaluation_report import render_evaluation
from tests.support.reports import PROVENANCE, Page, evaluation, evaluation_page


def test_memorisation_is_shouted_in_the_seed_protocol_and_only_there() -> None:
    banner = "MEMORISATION: train, threshold and test are the same images"
    assert banner in render_evaluation(evaluation(EvaluationProtocol.SEED), PROVENANCE)
    assert "MEMORISATION" not in evaluation_page()


def test_an_evaluation_shows_rows_folds_rejections_and_recipe() -> None:
    lines = [RejectedItem("no/x.jpg", RejectionReason.TRUNCATED, "ends early")] * 2
    text = Page(render_evaluation(evaluation(), PROVENANCE, lines)).text
    for expected in (
        "Autoencoder alone",
        "Grey-level entropy",
        "area with the direction taken from the labels: 0.763",
        "5 counted once per group",
        "2 excluded: their group has both labels",
        "2 truncated.",
        "max_minus_median",
        "torch 2.13.0",
    ):
        assert expected in text


def test_a_lead_that_could_be_chance_is_said_to_be_none() -> None:
    for low, unsure in ((-0.02, True), (0.02, False)):
        rival = Rival("entropy", True, 0.763, Advantage(0.05, Interval(low, 0.12)))
        text = Page(render_evaluation(replace(evaluation(), rival=rival), PROVENANCE)).text
        assert "with its direction taken from the labels" in text
        assert ("neither is shown to be better" in text) == unsure


def test_an_evaluation_without_abnormal_images_says_so_and_has_no_roc() -> None:
    html = render_evaluation(evaluation(abnormal=0), PROVENANCE)
    assert "n/a" in html
    assert "ROC curve" not in html
