"""Maps against masks: on the scan's own grid, and held to scikit-learn and to counting by hand."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from mriad_model.detection.findings import FindingLimits, map_parts
from mriad_model.detection.scan_findings import findings_of
from mriad_model.detection.scan_scores import ScanScores
from mriad_model.evaluation.dataset import EvaluationData, Grid
from mriad_model.evaluation.lesion_maps import (
    FoldLesions,
    LesionFinding,
    ScanMeasures,
    codes_of,
    lesions_of,
    measure_lesions,
    native_map,
    native_part,
)
from mriad_model.evaluation.metrics.lesion_metrics import lesion_metrics, stratified_auroc
from mriad_model.evaluation.metrics.roc import FoldScores
from mriad_model.evaluation.results import FoldResult
from mriad_model.readers.images.reading import ImageScan
from mriad_model.recipes.recipe import Plane
from tests.support.evaluations import data_of, heldout_folds

SIDE = (20, 24)  # of the drawn pictures


def masked(data: EvaluationData, masks: dict[int, np.ndarray]) -> EvaluationData:
    return replace(data, masks={item: np.packbits(mask) for item, mask in masks.items()})


def scores_of(data: EvaluationData, maps: dict[int, np.ndarray]) -> dict[int, ScanScores]:
    """Maps given on the pictures' grid, shrunk onto the prepared one by sampling."""
    found = {}
    for item, native in maps.items():
        rows = np.linspace(0, SIDE[0] - 1, 16).round().astype(int)
        columns = np.linspace(0, SIDE[1] - 1, 16).round().astype(int)
        small = native[np.ix_(rows, columns)].astype(np.float32)[None]
        found[item] = ScanScores(float(small.max()), np.array([small.max()]), (0,), small)
    return found


def box(top: int, left: int, side: int) -> np.ndarray:
    mask = np.zeros(SIDE, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_map_values_keep_their_order_as_codes() -> None:
    rng = np.random.default_rng(0)
    values = np.sort(rng.normal(0, 10 ** rng.uniform(-6, 6, 5000)).astype(np.float32))
    codes = codes_of(values).astype(int)
    assert (np.diff(codes) >= 0).all()
    assert codes_of(np.float32([-0.0])) == codes_of(np.float32([0.0]))
    apart = np.flatnonzero(np.diff(values) > 0.01 * np.abs(values[1:]))
    assert (np.diff(codes)[apart] > 0).all()


def test_near_parts_of_a_mask_are_one_lesion() -> None:
    mask = box(2, 2, 4) | box(2, 9, 4) | box(12, 18, 4) | box(19, 0, 1)
    labels, kept = lesions_of(mask, Grid(SIDE), 4)
    assert len(kept) == 2
    assert labels[3, 3] == labels[3, 10] != labels[13, 19]
    specks, kept = lesions_of(box(0, 0, 1), Grid(SIDE), 4)
    assert specks[0, 0] == kept[0]


LIMITS = FindingLimits(peak=4.0, edge=2.8, least=0.003)


def test_a_fold_counts_what_is_found_and_what_is_false() -> None:
    data = data_of(8, 3)
    masks = {8: box(4, 4, 6), 9: box(10, 14, 6), 10: box(4, 4, 6)}
    data = masked(data, masks)
    quiet = np.zeros(SIDE)
    maps = {i: quiet + 0.1 * i for i in range(8)}
    maps[2] = 5.0 * box(2, 2, 5) + 5.0 * box(12, 15, 5)  # a test scan with two false findings
    maps[8] = 5.0 * box(4, 4, 6)
    maps[9] = 5.0 * box(2, 2, 5)  # misses the lesion, and finds something else
    maps[10] = 4.2 * box(4, 4, 6)  # a finding, and the scan is not above the threshold
    scored = scores_of(data, maps)
    parts = ((2, 3), (8, 9, 10), (8, 9, 10))
    found = measure_lesions(data, scored, Plane.AXIAL, parts, 4.5, lambda: LIMITS)
    assert found is not None
    assert (found.unit, found.limits) == ("% of the head", LIMITS)
    assert [each.false_at_one_false for each in found.healthy] == [2, 0]
    first, second, third = found.abnormal
    assert (first.found_at_threshold, second.found_at_threshold) == (True, False)
    assert (third.found_at_threshold, third.found_at_one_false) == (False, True)
    assert [lesion.at_threshold for lesion in first.lesions] == [True]
    assert [lesion.at_threshold for lesion in second.lesions] == [False]
    assert [lesion.at_one_false for lesion in third.lesions] == [True]
    assert (first.false_at_threshold, second.false_at_threshold) == (0, 1)
    assert first.dice == pytest.approx(1.0, abs=0.25)
    assert second.dice == 0.0
    assert dict(found.sizes)[8] == pytest.approx(100 * 36 / (20 * 24))
    unseen = measure_lesions(data, scored, Plane.AXIAL, parts, 4.5, lambda: LIMITS, {2, 8})
    assert unseen is not None  # no output tells findings of what is not scorable
    assert [each.false_at_one_false for each in unseen.healthy] == [0, 0]
    assert (unseen.abnormal[0].found_at_one_false, unseen.abnormal[0].dice) == (False, 0.0)
    result = replace(heldout_folds()[0], lesions=found)
    assert FoldResult.from_json(result.to_json()) == result


def test_findings_are_those_that_users_see() -> None:
    """Hysteresis, faces alone, a least share of the head: as `scan_findings` tells them."""
    data = masked(data_of(4, 1), {4: box(4, 4, 6)})
    small = np.zeros((1, 16, 16), np.float32)
    small[0, 2:6, 2:6], small[0, 3, 3] = 3.0, 5.0  # one part: reaches 5, ends at 3
    small[0, 6:10, 6:10], small[0, 7, 7] = 3.0, 5.0  # touches it at a corner: another
    small[0, 12:15, 12:15] = 3.5  # never above the higher limit
    scored = {i: ScanScores(5.0, np.array([5.0]), (0,), small) for i in (2, 4)}
    parts = ((2,), (4,), (4,))
    found = measure_lesions(data, scored, Plane.AXIAL, parts, 4.5, lambda: LIMITS)
    seen = findings_of(
        ImageScan(np.zeros(SIDE, np.uint8), "0"), data.scans[2], scored[2], Plane.AXIAL, LIMITS
    )
    assert found is not None
    assert found.healthy[0].false_at_one_false == len(seen) == 2


def test_a_finding_covers_on_the_scan_own_grid_what_its_map_covers() -> None:
    data = data_of(1, 0)
    small = np.zeros((1, 16, 16), np.float32)
    small[0, 4:8, 8:12] = 5.0
    scored = ScanScores(5.0, np.array([5.0]), (0,), small)
    (part,) = map_parts(small, 1 / 256, LIMITS)
    laid = native_part(part, data.scans[0], data.grids[0], Plane.AXIAL)
    rows, columns = np.nonzero(laid)
    assert (rows.min(), rows.max()) == (5, 9)  # of 20: rows 4 to 7 of 16
    assert (columns.min(), columns.max()) == (12, 17)  # of 24: columns 8 to 11 of 16
    anomaly = native_map(scored, data.scans[0], data.grids[0], Plane.AXIAL)
    assert (laid == (anomaly >= 2.5)).all()


def test_a_fold_without_masks_measures_no_lesions() -> None:
    data = data_of(4, 1)
    parts = ((2,), (4,), (4,))
    assert measure_lesions(data, {}, Plane.AXIAL, parts, 1.0, lambda: LIMITS) is None


def of_pixels(item: int, values: np.ndarray, truth: np.ndarray) -> ScanMeasures:
    codes = codes_of(values.astype(np.float32))
    used = np.unique(codes)
    counts = [[((codes == c) & (truth == t)).sum() for c in used] for t in (False, True)]
    return ScanMeasures(
        item,
        item,
        0,
        0,
        True,
        True,
        dice=0.5,
        lesions=(LesionFinding(2.0, True, True), LesionFinding(20.0, False, True)),
        codes=used.astype("<u2").tobytes(),
        counts=np.array(counts, "<u4").tobytes(),
    )


def fold(healthy: list[float], abnormal: list[float]) -> FoldScores:
    ids = tuple(range(100, 100 + len(abnormal)))
    return FoldScores(
        0, 0, tuple(range(len(healthy))), tuple(healthy), ids, tuple(abnormal), 0.5, 0.0, 1.0, 9
    )


def test_pixel_precision_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    truth = [rng.random(4000) < 0.1 for _ in range(3)]
    values = [(rng.normal(size=4000) + 1.5 * t).astype(np.float32) for t in truth]
    ill = [of_pixels(100 + i, v, t) for i, (v, t) in enumerate(zip(values, truth, strict=True))]
    healthy = tuple(ScanMeasures(i, i, i % 2, 1) for i in range(4))
    lesions = FoldLesions("ml", 1.0, LIMITS, healthy, tuple(ill), ((100, 2.0), (101, 30.0)))
    found = lesion_metrics([lesions], [fold([0.1, 0.2, 0.3, 0.4], [0.9, 0.25, 0.8])], 50)
    assert found is not None
    expected = average_precision_score(np.concatenate(truth), np.concatenate(values))
    assert found.figures["pixel_average_precision"].value == pytest.approx(expected, abs=2e-3)
    assert found.figures["found_by_count_at_threshold"].value == 0.5
    assert found.figures["found_by_volume_at_threshold"].value == pytest.approx(2 / 22)
    assert found.figures["found_by_volume_at_one_false"].value == 1.0
    assert found.figures["false_findings_at_threshold"].value == 0.5
    assert found.figures["dice"].value == 0.5
    small, middling = found.by_size
    assert (small.low, small.high, small.n_lesions, small.n_scans) == (0.0, 3.0, 3, 1)
    assert small.found_at_threshold.value == 1.0
    assert middling.found_at_threshold.value == 0.0
    assert small.auroc.value == 1.0
    assert middling.auroc.value == 0.5
    interval = found.figures["pixel_average_precision"].interval
    assert interval is not None
    assert interval.low < expected < interval.high


def test_strata_take_away_what_another_difference_gave() -> None:
    rng = np.random.default_rng(7)
    source = np.r_[rng.normal(0, 1, 200), rng.normal(1.5, 1, 200)]
    scores = source + 0.3 * rng.normal(size=400)  # nothing but the source
    of = fold(scores[:200].tolist(), scores[200:].tolist())
    values = dict(zip((*of.healthy_ids, *of.abnormal_ids), source.tolist(), strict=True))
    whole = roc_auc_score([0] * 200 + [1] * 200, scores)
    found = stratified_auroc([of], values, 50)
    assert found is not None
    assert found.value is not None
    assert whole > 0.8
    assert found.value < whole - 0.05
    assert stratified_auroc([of], {0: 1.0}, 50) is None
