"""One fold: trained, calibrated and tested, of pictures and of volumes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mriad_model.detection.detectors import DETECTORS
from mriad_model.detection.model import FittedModel, fit
from mriad_model.detection.scan_scores import score_scans
from mriad_model.detection.training.fit_progress import Epoch, FitProgress, HeadsLaid
from mriad_model.enums import LabelValue
from mriad_model.errors import (
    ThresholdUndefined,
    TooFewScans,
)
from mriad_model.evaluation.baselines.metadata import NUMERIC
from mriad_model.evaluation.dataset import (
    EvaluationData,
    EvaluationScan,
    ScanSource,
    evaluation_scan,
)
from mriad_model.evaluation.dataset import gather as gathered
from mriad_model.evaluation.folds import run_fold
from mriad_model.evaluation.protocol import (
    EvaluationPlan,
    EvaluationProtocol,
    select,
    split,
)
from mriad_model.evaluation.results import FoldResult
from mriad_model.evaluation.summary import summarise
from mriad_model.heatmaps.overlay import paint
from mriad_model.recipes.built_in_recipes import AUTOENCODER, SEED, VOLUME_AUTOENCODER
from mriad_model.recipes.recipe import CrossFitting, DetectorRecipe, NetworkShape
from tests.support.evaluations import (
    HELDOUT,
    MEMORY,
    SMALL,
    DrawnImage,
    FakeFit,
    data_of,
    gather,
    image_of,
)
from tests.support.memory import KIND, SEEN, Memory
from tests.support.scans.scanned import grid_affine, scanned


def test_another_repeat_deals_the_folds_anew_and_trains_with_another_seed() -> None:
    data, fit = data_of(), FakeFit()
    plan = EvaluationPlan(HELDOUT, repeats=2, seed=7)
    chosen = select(data, HELDOUT)
    assert split(data, chosen, plan, (0, 0)) != split(data, chosen, plan, (1, 0))
    for at in ((0, 0), (1, 0)):
        run_fold(data, plan, at, SEED, "cpu", fit=fit)
    assert [recipe.training.seed for _, _, recipe in fit.seen] == [7, 8]


def test_the_seed_protocol_counts_files_and_trains_on_what_it_tests() -> None:
    data, fit = (
        gather([image_of(n, LabelValue.HEALTHY, group=0) for n in range(4)], SMALL),
        FakeFit(),
    )
    result = run_fold(data, EvaluationPlan(MEMORY), (0, 0), SEED, "cpu", fit=fit)
    ((train, validation, _),) = fit.seen
    assert len(train) == 4
    assert validation is None
    assert (result.n_train, result.n_calibration, result.n_folded_away) == (4, 4, 0)
    assert result.rows[0].scores.healthy_ids == (0, 1, 2, 3)


def test_a_model_that_scores_all_alike_has_no_threshold_but_a_constant_baseline_has() -> None:
    data = data_of()
    one = data.scans[0]
    same = replace(data, scans=(one,) * len(data))
    with pytest.raises(ThresholdUndefined):
        run_fold(same, EvaluationPlan(HELDOUT), (0, 0), SEED, "cpu", fit=FakeFit())
    result = run_fold(data, EvaluationPlan(HELDOUT), (0, 0), SEED, "cpu", fit=FakeFit())
    extension = next(row for row in result.rows if row.name == "extension")
    assert set(extension.scores.healthy_scores) == {extension.scores.threshold_value}


@pytest.mark.parametrize(("n", "protocol"), [(1, MEMORY), (0, MEMORY), (1, HELDOUT), (4, HELDOUT)])
def test_too_few_healthy_images_are_named(n: int, protocol: EvaluationProtocol) -> None:
    with pytest.raises(TooFewScans):
        run_fold(data_of(n), EvaluationPlan(protocol), (0, 0), SEED, "cpu", fit=FakeFit())


def test_pictures_are_dealt_before_anything_is_known_and_none_comes_twice() -> None:
    data, plan = data_of(), EvaluationPlan(HELDOUT, repeats=2, n_pictures=10)
    folds = [
        run_fold(data, plan, at, SEED, "cpu", fit=FakeFit(), paint=lambda *_: b"picture")
        for at in plan.folds
    ]
    names = [picture.name for fold in folds for picture in fold.pictures]
    assert len(names) == len(set(names)) == 10
    assert sum(name.startswith("no/") for name in names) == 5


def test_real_training_fills_every_row_and_picture_of_a_page() -> None:
    parts = tuple(
        replace(part, network=part.network and NetworkShape((4, 8), 8))
        for part in AUTOENCODER.detectors
    )
    small = replace(
        AUTOENCODER,
        preprocessing=replace(AUTOENCODER.preprocessing, size=32),
        detectors=parts,
        training=replace(AUTOENCODER.training, max_epochs=2),
    )
    images = [image_of(n, LabelValue.HEALTHY) for n in range(12)]
    images += [image_of(100 + n, LabelValue.ABNORMAL) for n in range(4)]
    data = gather(images, small)
    plan = EvaluationPlan(HELDOUT, n_folds=2, n_pictures=4)
    folds = [run_fold(data, plan, at, small, "cpu", paint=paint) for at in plan.folds]
    assert run_fold(data, plan, (0, 0), small, "cpu", paint=paint).rows == folds[0].rows
    report = summarise([FoldResult.from_json(fold.to_json()) for fold in folds], resamples=20)
    assert {row.name for row in report.rows} == {
        "model",
        "autoencoder",
        "asymmetry",
        "brightness",
        "extension",
        *NUMERIC,
    }
    assert [line.training.epochs for line in report.folds] == [2, 2]
    assert len(report.pictures) == 4
    assert all(
        cv2.imdecode(np.frombuffer(p.data, np.uint8), 1) is not None for p in report.pictures
    )


SMALL_VOLUME = replace(
    VOLUME_AUTOENCODER.with_training(max_epochs=1),
    detectors=tuple(
        replace(part, network=part.network and NetworkShape((4, 8), 8))
        for part in VOLUME_AUTOENCODER.detectors
    ),
)


def head(seed: int, cube: bool = False) -> EvaluationScan:
    label = LabelValue.ABNORMAL if cube else LabelValue.HEALTHY
    patient = f"P-{min(seed, 6)}" if seed < 100 else None  # the last two are of one patient
    volume = scanned(*grid_affine(spacing=(4.0, 4.0, 8.0), n=(50, 60, 22)), cube=cube, seed=seed)
    name = f"{'yes' if cube else 'no'}/{seed}.nii.gz"
    return evaluation_scan(ScanSource(name, label, 1000 + seed, patient), volume, SMALL_VOLUME)


@pytest.fixture(scope="module")
def heads_gathered() -> EvaluationData:
    healthy = [head(seed) for seed in range(8)]
    return gathered([*healthy, *(head(seed, cube=True) for seed in range(100, 103))])


class TestVolumes:
    """A scan is N slices: volumes are evaluated as pictures are."""

    def test_scans_of_one_patient_all_count_and_stay_together(
        self, heads_gathered: EvaluationData
    ) -> None:
        of_patient = [heads_gathered.groups[n] for n in (6, 7)]
        assert of_patient[0] == of_patient[1]
        chosen = select(heads_gathered, HELDOUT)
        assert {6, 7} <= set(chosen.healthy)
        # Drawn heads are all alike; of these, only the last two are of one group.
        data = replace(heads_gathered, groups=(*range(7), 6, 8, 9, 10))
        plan = EvaluationPlan(HELDOUT, n_folds=3)
        for at in plan.folds:
            parts = split(data, chosen, plan, at)
            roles = [parts.train, parts.validation, parts.calibration, parts.test]
            assert sum(bool({6, 7} & set(role)) for role in roles) == 1

    def test_a_scan_has_the_score_that_scoring_gives_it(
        self, heads_gathered: EvaluationData
    ) -> None:
        models: list[FittedModel] = []

        def remembered(*given: Any) -> FittedModel:
            models.append(fit(*given))
            return models[0]

        data = replace(heads_gathered, groups=tuple(range(len(heads_gathered))))
        plan = EvaluationPlan(HELDOUT, n_folds=2, n_pictures=4)
        result = run_fold(data, plan, (0, 0), SMALL_VOLUME, "cpu", fit=remembered, paint=paint)
        scores = result.rows[0].scores
        expected = score_scans(models[0], [data.scans[i] for i in scores.abnormal_ids])
        assert scores.abnormal_scores == tuple(each.score for each in expected)
        slices = data.training_slices(range(result.n_train), SMALL_VOLUME)
        assert models[0].training.n_train == len(slices)
        assert {row.name for row in result.rows} >= {"model", "autoencoder", "asymmetry"}
        assert len(result.pictures) == 2

    def test_heads_that_training_counts_are_told_and_kept_as_no_epochs(
        self, heads_gathered: EvaluationData
    ) -> None:
        """Heads laid upon a mean head have no loss, and the fold's result is written as JSON."""

        def laid(*given: Any) -> FittedModel:
            given[-1](HeadsLaid(1, 3))
            return fit(*given)

        told: list[FitProgress] = []
        data = replace(heads_gathered, groups=tuple(range(len(heads_gathered))))
        plan = EvaluationPlan(HELDOUT, n_folds=2)
        result = run_fold(data, plan, (0, 0), SMALL_VOLUME, "cpu", progress=told.append, fit=laid)
        assert told[0] == HeadsLaid(1, 3)
        assert [type(step) for step in told] == [HeadsLaid, Epoch]
        assert FoldResult.from_json(result.to_json()).epochs == tuple(told[1:])

    @pytest.mark.parametrize("flagging", [True, False])
    def test_a_missed_volume_is_shown_at_its_lesion(
        self, heads_gathered: EvaluationData, flagging: bool
    ) -> None:
        plan = EvaluationPlan(HELDOUT, n_folds=2, n_pictures=4, k=-1e6 if flagging else 1e6)
        models: list[FittedModel] = []

        def remembered(*given: Any) -> FittedModel:
            models.append(fit(*given))
            return models[0]

        masks, at_lesion, drawn = {}, {}, []
        for item in (8, 9, 10):
            positions = heads_gathered.scans[item].positions
            at_lesion[item] = len(positions) - 2
            mask = np.zeros(heads_gathered.grids[item].shape, bool)
            mask[positions[1], 8, 8] = True  # a speck elsewhere
            mask[positions[at_lesion[item]], 4:12, 4:12] = True
            masks[item] = np.packbits(mask)
        data = replace(heads_gathered, groups=tuple(range(len(heads_gathered))), masks=masks)

        def kept(image: np.ndarray, *_: object) -> bytes:
            drawn.append(image)
            return b"picture"

        result = run_fold(data, plan, (0, 0), SMALL_VOLUME, "cpu", fit=remembered, paint=kept)
        shown = dict(
            zip([each.name for each in result.pictures + result.extremes], drawn, strict=True)
        )
        for item in result.rows[0].scores.abnormal_ids:
            scan = data.scans[item]
            (scored,) = score_scans(models[0], [scan])
            worst = int(scored.slice_scores.argmax())
            assert worst != at_lesion[item]
            wanted = worst if flagging else at_lesion[item]
            if data.names[item] in shown:
                np.testing.assert_array_equal(shown[data.names[item]], scan.batch.images[wanted])
        assert any(name in shown for name in data.names[8:])

    def test_its_data_survives_the_journey_through_a_file(
        self, heads_gathered: EvaluationData, tmp_path: Path
    ) -> None:
        path = tmp_path / "data.safetensors"
        heads_gathered.write(path)
        again = EvaluationData.from_file(path)
        for ours, theirs in zip(again.scans, heads_gathered.scans, strict=True):
            np.testing.assert_array_equal(ours.batch.levels, theirs.batch.levels)
            assert (ours.positions, ours.grey) == (theirs.positions, theirs.grey)


CROSS_FITTED = replace(SEED, detectors=(DetectorRecipe(KIND),), cross_fitting=CrossFitting(folds=3))
N_HEALTHY, N_ABNORMAL = 20, 6


def numbered(group: int, label: LabelValue) -> DrawnImage:
    """A picture whose first pixel names its group."""
    pixels = np.random.default_rng(group).integers(60, 240, (128, 128)).astype(np.uint8)
    pixels[0, 0] = 10 + 3 * group
    word = "no" if label is LabelValue.HEALTHY else "yes"
    return DrawnImage(f"{word}/{group:03}.png", label, group, 300, pixels)


@pytest.fixture(scope="module")
def many():
    images = [numbered(group, LabelValue.HEALTHY) for group in range(N_HEALTHY)]
    images += [numbered(N_HEALTHY + n, LabelValue.ABNORMAL) for n in range(N_ABNORMAL)]
    return gather(images, CROSS_FITTED)


def test_all_that_is_not_tested_trains_and_calibrates_out_of_fold(many, monkeypatch) -> None:
    monkeypatch.setitem(DETECTORS, KIND, Memory)
    plan = EvaluationPlan(HELDOUT)
    for at in plan.folds:
        result = run_fold(many, plan, at, CROSS_FITTED, "cpu")
        assert (result.n_train, result.n_validation, result.n_calibration) == (16, 0, 16)
        scores = result.rows[0].scores
        assert len(scores.healthy_scores) == 4
        # A score of a group that any member saw would be SEEN or more, a third of it in the mean.
        assert scores.threshold_value < SEEN / 3
        assert max(*scores.healthy_scores, *scores.abnormal_scores) < SEEN / 3
    assert {len(each) for each in (result.rows[0].scores.abnormal_scores,)} == {N_ABNORMAL}


def test_above_the_mark_and_by_the_seed_protocol_roles_are_split_as_ever(many) -> None:
    plan = EvaluationPlan(HELDOUT)
    chosen = select(many, HELDOUT)
    plain = split(many, chosen, plan, (0, 0))
    assert split(many, chosen, plan, (0, 0), CrossFitting(below=16)) == plain
    crossed = split(many, chosen, plan, (0, 0), CrossFitting(below=17))
    assert crossed.test == plain.test
    assert set(crossed.folds) == set(crossed.train) == set(crossed.calibration)
    assert set(crossed.train) == {*plain.train, *plain.validation, *plain.calibration}
    memory = EvaluationPlan(MEMORY)
    all_of_them = split(many, select(many, MEMORY), memory, (0, 0), CrossFitting())
    assert all_of_them.folds == {}
