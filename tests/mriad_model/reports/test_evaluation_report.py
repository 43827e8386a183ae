"""The page of an evaluation."""

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from mriad_model.detection.training.fit_progress import Epoch
from mriad_model.enums import LabelValue, RejectionReason, Verdict
from mriad_model.evaluation.metrics.lesion_metrics import Figure, LesionMetrics
from mriad_model.evaluation.metrics.scan_metrics import Advantage, Interval
from mriad_model.evaluation.protocol import EvaluationProtocol
from mriad_model.evaluation.results import Picture
from mriad_model.evaluation.summary import Rival
from mriad_model.heatmaps.overlay import encode
from mriad_model.recipes.built_in_recipes import DEFAULT, VOLUME
from mriad_model.rejections import RejectedItem
from mriad_model.reports.contact_sheet import contact_sheet
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
        "Area, direction from the labels",
        "0.763",
        "5 counted once per group",
        "2 excluded: their group has both labels",
        "2 truncated.",
        "max_minus_median",
        "torch 2.13.0",
    ):
        assert expected in text


def test_a_page_calls_volumes_volumes_and_pictures_pictures() -> None:
    for recipe, kind, other in ((VOLUME, "volumes", "picture"), (DEFAULT, "pictures", "volume")):
        text = Page(
            render_evaluation(replace(evaluation(), recipe=recipe.to_json()), PROVENANCE)
        ).text
        text = text[: text.index("The recipe, in full")]
        assert f"4 healthy and 6 abnormal {kind}, of 25 read" in text
        assert f"by bootstrap over {kind}" in text
        assert other not in text
        assert "images" not in text


def test_maps_of_volumes_are_measured_by_voxel_and_of_pictures_by_pixel() -> None:
    lesions = LesionMetrics("ml", 1, 1, {"pixel_average_precision": Figure(0.5, None)}, ())
    for recipe, point in ((VOLUME, "voxel"), (DEFAULT, "pixel")):
        report = replace(evaluation(), recipe=recipe.to_json(), lesions=lesions)
        text = Page(render_evaluation(report, PROVENANCE)).text
        assert f"Map's average precision by {point}, over scans with a mask" in text


def test_a_page_speaks_of_lesions_only_where_they_were_measured() -> None:
    figure = Figure(0.5, None)
    lesions = LesionMetrics("ml", 1, 1, {"pixel_average_precision": figure}, ())
    measured = replace(evaluation(), lesions=lesions, strata={"sharpness": figure})
    text = Page(render_evaluation(measured, PROVENANCE)).text
    assert "Among scans alike, and lesion by lesion" in text
    assert "A lesion is found where" in " ".join(text.split())
    none = Page(render_evaluation(replace(measured, lesions=None), PROVENANCE)).text
    assert "Among scans alike" in none
    assert "lesion" not in none[: none.index("The recipe, in full")].lower()


def test_the_asymmetry_of_the_model_is_told_from_the_one_without_training() -> None:
    model, detector, entropy = evaluation().rows
    rows = (
        model,
        replace(detector, name="asymmetry"),
        replace(entropy, name="asymmetry", auroc_direction_from_labels=None),
        entropy,
    )
    text = Page(render_evaluation(replace(evaluation(), rows=rows), PROVENANCE)).text
    assert "Left-right asymmetry, scaled by healthy scans" in text
    assert "the detector measures it by what healthy scans have" in text
    assert "the detector measures it" not in evaluation_page()
    assert text.count("Left-right asymmetry, no training") == 2  # beside the model, among them all
    assert text.count("Grey-level entropy") == 1  # among them all: it is not the strongest


def test_folds_with_few_scans_to_calibrate_are_warned_of() -> None:
    assert "threshold is drawn from 9 healthy scans, and 30 are the least" in evaluation_page()
    report = evaluation()
    enough = replace(report, folds=tuple(replace(each, n_calibration=30) for each in report.folds))
    assert "Few scans to calibrate" not in render_evaluation(enough, PROVENANCE)


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


def test_the_picture_of_a_training_says_what_loss_it_is() -> None:
    (fold,) = evaluation().folds
    report = replace(evaluation(), folds=(replace(fold, epochs=(Epoch(1, 1, 0.5, None, 1),)),))
    assert "Reconstruction loss by epoch" in render_evaluation(report, PROVENANCE)
    trained = replace(report, recipe=DEFAULT.to_json())
    text = Page(render_evaluation(trained, PROVENANCE)).text
    assert "Loss on anomalies implanted in healthy slices" in text
    assert "Reconstruction" not in text


def test_verdicts_patients_and_the_promised_rate_are_said() -> None:
    shares = {verdict: Figure(0.25, Interval(0.1, 0.4)) for verdict in Verdict}
    report = replace(
        evaluation(),
        verdicts={LabelValue.HEALTHY: shares, LabelValue.ABNORMAL: shares},
        promised=Figure(0.16, Interval(0.08, 0.3)),
        n_patients=55,
    )
    text = Page(render_evaluation(report, PROVENANCE)).text
    assert "not scorable" in text
    assert "The thresholds promise to flag 0.160 (0.08 to 0.30) of healthy scans" in text
    assert "55; scans of one stay together" in text


def test_the_page_and_its_sheet_fit_on_1200_pixels() -> None:
    assert "max-width: 75rem" in evaluation_page()
    tile = encode(np.zeros((64, 64, 3), np.uint8))
    pictures = [Picture(str(i), "healthy", float(i), False, tile) for i in range(20)]
    assert Image.open(io.BytesIO(contact_sheet(pictures))).size[0] <= 1200
