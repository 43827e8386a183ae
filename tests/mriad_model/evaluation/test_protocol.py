"""The two protocols, told apart, on small images with a stand-in for training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mriad_model.detection.anomaly_maps import Scored
from mriad_model.detection.model import FittedModel, fit
from mriad_model.detection.scan_scores import score_scans
from mriad_model.detection.training import Epoch, TrainingSummary
from mriad_model.enums import LabelValue
from mriad_model.errors import (
    ModelFileError,
    NoScans,
    SettingsError,
    ThresholdUndefined,
    TooFewScans,
)
from mriad_model.evaluation.baselines import NUMERIC
from mriad_model.evaluation.dataset import (
    EvaluationData,
    EvaluationScan,
    evaluation_scan,
)
from mriad_model.evaluation.dataset import gather as gathered
from mriad_model.evaluation.folds import run_fold
from mriad_model.evaluation.protocol import (
    EvaluationPlan,
    EvaluationProtocol,
    require_protocol,
    select,
    split,
)
from mriad_model.evaluation.results import FoldResult, RowKind
from mriad_model.evaluation.summary import MEMORISATION, summarise
from mriad_model.heatmaps.overlay import paint
from mriad_model.preprocessing.prepared_file import BESIDE_PIXELS
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.readers.images.reading import ImageScan
from mriad_model.recipes import (
    DEFAULT,
    SEED,
    VOLUME,
    Framing,
    Intensity,
    NetworkShape,
    Preprocessing,
    Recipe,
)
from tests.support.scanned import grid_affine, scanned

SMALL = replace(SEED, preprocessing=Preprocessing(16, Framing.WHOLE, Intensity.FULL_RANGE))
HELDOUT, MEMORY = EvaluationProtocol.HELDOUT, EvaluationProtocol.SEED
BESIDE = (*BESIDE_PIXELS, "placements")


@dataclass(frozen=True, slots=True)
class FakeModel:
    """Scores a slice by how much brighter it is than the training slices."""

    mean: float
    training: TrainingSummary
    colour_low: float = 0.0
    colour_high: float = 1.0

    def score(self, batch: SliceBatch) -> Scored:
        scores = batch.images.mean(axis=(1, 2), dtype=np.float64) - self.mean
        parts = {"autoencoder": scores * 2.0, "asymmetry": scores + 1.0}
        return Scored(scores, batch.images - np.float32(self.mean), parts)


@dataclass(slots=True)
class FakeFit:
    """Remembers what it was given."""

    seen: list[tuple[SliceBatch, SliceBatch | None, Recipe]] = field(default_factory=list)

    def __call__(
        self,
        train: SliceBatch,
        validation: SliceBatch | None,
        recipe: Recipe,
        device: str,
        progress: Callable[[Epoch], None] | None,
    ) -> FakeModel:
        self.seen.append((train, validation, recipe))
        held_out = 0 if validation is None else len(validation)
        if progress is not None:
            progress(Epoch(1, 1, 0.5, None, 1))
        summary = TrainingSummary(1, 1, None, 0.1, len(train), held_out)
        return FakeModel(float(train.images.mean()), summary)


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """A labelled picture; `group` is told, not found."""

    name: str
    label: LabelValue
    group: int
    size: int
    pixels: np.ndarray

    def prepared(self, recipe: Recipe) -> EvaluationScan:
        scan = ImageScan(self.pixels, self.name)
        return evaluation_scan(self.name, self.label, self.size, scan, recipe)


def gather(images: Sequence[DrawnImage], recipe: Recipe) -> EvaluationData:
    data = gathered([each.prepared(recipe) for each in images])
    return replace(data, groups=tuple(each.group for each in images))


def image_of(number: int, label: LabelValue, group: int | None = None) -> DrawnImage:
    rng = np.random.default_rng(number)
    bright = 60 if label is LabelValue.HEALTHY else 90
    pixels = rng.integers(0, bright, (20, 24)).astype(np.uint8)
    word = "no" if label is LabelValue.HEALTHY else "yes"
    name = f"{word}/{number:03}.jpg"
    return DrawnImage(name, label, number if group is None else group, 300 + number, pixels)


def data_of(n_healthy: int = 20, n_abnormal: int = 11) -> EvaluationData:
    images = [image_of(n, LabelValue.HEALTHY) for n in range(n_healthy)]
    images += [image_of(100 + n, LabelValue.ABNORMAL) for n in range(n_abnormal)]
    return gather(images, SMALL)


def all_folds(data: EvaluationData, plan: EvaluationPlan) -> list[FoldResult]:
    return [run_fold(data, plan, at, SEED, "cpu", fit=FakeFit()) for at in plan.folds]


def test_heldout_never_lets_a_test_or_calibration_image_into_training() -> None:
    data = data_of()
    plan = EvaluationPlan(HELDOUT, repeats=2)
    chosen = select(data, HELDOUT)
    for repeat in range(2):
        tested: list[int] = []
        for fold in range(5):
            parts = split(data, chosen, plan, (repeat, fold))
            roles = [set(part) for part in (parts.train, parts.validation, parts.calibration)]
            tested += parts.test
            assert all(roles)
            assert sum(map(len, roles)) + len(parts.test) == 20
            assert set.union(*roles, set(parts.test)) == set(chosen.healthy)
        assert sorted(tested) == list(chosen.healthy)


def test_another_repeat_deals_the_folds_anew_and_trains_with_another_seed() -> None:
    data, fit = data_of(), FakeFit()
    plan = EvaluationPlan(HELDOUT, repeats=2, seed=7)
    chosen = select(data, HELDOUT)
    assert split(data, chosen, plan, (0, 0)) != split(data, chosen, plan, (1, 0))
    for at in ((0, 0), (1, 0)):
        run_fold(data, plan, at, SEED, "cpu", fit=fit)
    assert [recipe.training.seed for _, _, recipe in fit.seen] == [7, 8]


def test_heldout_counts_one_image_a_twin_group_and_says_how_many_it_folds_away() -> None:
    healthy = [image_of(n, LabelValue.HEALTHY, group=n // 2) for n in range(6)]
    odd = [image_of(50, LabelValue.HEALTHY, group=99), image_of(150, LabelValue.ABNORMAL, group=99)]
    data = gather([*healthy, *odd, image_of(160, LabelValue.ABNORMAL)], SMALL)
    chosen = select(data, HELDOUT)
    assert chosen.healthy == (0, 2, 4)
    assert chosen.abnormal == (8,)
    assert (chosen.n_folded_away, chosen.n_contradictory) == (3, 2)


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


def test_every_output_of_the_seed_protocol_says_memorisation() -> None:
    plan = EvaluationPlan(MEMORY)
    report = summarise(all_folds(data_of(), plan), resamples=20)
    assert report.memorisation
    assert report.note == MEMORISATION
    honest = summarise(all_folds(data_of(), EvaluationPlan(HELDOUT)), resamples=20)
    assert (honest.memorisation, honest.note) == (False, None)


def test_a_fold_survives_its_journey_through_json_to_the_last_bit() -> None:
    result = run_fold(
        data_of(),
        EvaluationPlan(HELDOUT),
        (0, 1),
        SEED,
        "cpu",
        fit=FakeFit(),
        paint=lambda image, anomaly, model, caption: b"\x89PNG" + caption.encode(),
    )
    assert result.pictures
    assert FoldResult.from_json(result.to_json()) == result


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"protocol": "heldout"}'])
def test_what_is_no_fold_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="no result of a fold"):
        FoldResult.from_json(text)


def test_the_summary_holds_every_row() -> None:
    data = data_of()
    report = summarise(all_folds(data, EvaluationPlan(HELDOUT, repeats=2)), resamples=50)
    kinds = {row.name: row.kind for row in report.rows}
    assert kinds["model"] is RowKind.MODEL
    assert kinds["autoencoder"] is kinds["asymmetry"] is RowKind.DETECTOR
    assert {"extension", *NUMERIC} <= set(kinds)
    confusion, auroc = report.model.metrics.confusion, report.model.metrics.values["auroc"]
    assert confusion.tn + confusion.fp == 2 * 20
    assert confusion.tp + confusion.fn == 2 * 11
    assert auroc is not None
    assert auroc > 0.9
    (entropy,) = (row for row in report.baselines if row.name == "entropy")
    assert entropy.auroc_direction_from_labels is not None
    assert entropy.auroc_direction_from_labels >= 0.5


def test_the_rival_is_the_best_untrained_method_and_takes_no_advantage_of_a_wrong_sign() -> None:
    report = summarise(all_folds(data_of(), EvaluationPlan(HELDOUT)), resamples=50)
    untrained = [
        max(row.metrics.values["auroc"] or 0, row.auroc_direction_from_labels or 0)
        for row in report.rows
        if row.kind is RowKind.BASELINE or row.name == "asymmetry"
    ]
    assert report.rival is not None
    assert report.rival.auroc == max(untrained)
    lead = (report.model.metrics.values["auroc"] or 0) - report.rival.auroc
    assert report.rival.advantage.value == pytest.approx(lead)


def test_the_order_in_which_folds_finish_does_not_matter() -> None:
    folds = all_folds(data_of(), EvaluationPlan(HELDOUT))
    assert summarise(folds, 50) == summarise(folds[::-1], 50)


def test_folds_of_different_evaluations_are_not_put_together() -> None:
    data = data_of()
    folds = all_folds(data, EvaluationPlan(HELDOUT))
    others = all_folds(data, EvaluationPlan(HELDOUT, seed=1))
    with pytest.raises(ValueError, match="different evaluations"):
        summarise([*folds[:4], others[4]])


def test_no_abnormal_image_leaves_the_rank_metrics_null() -> None:
    report = summarise(all_folds(data_of(n_abnormal=0), EvaluationPlan(HELDOUT)), resamples=20)
    values = report.model.metrics.values
    assert (values["auroc"], values["recall"], report.roc) == (None, None, None)
    assert values["specificity"] is not None


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


def test_no_images_and_no_folds_are_named() -> None:
    with pytest.raises(NoScans):
        gathered([])
    with pytest.raises(NoScans):
        summarise([])


def test_data_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    data = data_of()
    path = tmp_path / "data.safetensors"
    path.write_bytes(data.to_bytes())
    again = EvaluationData.from_file(path)
    np.testing.assert_array_equal(again.asymmetry, data.asymmetry)
    for ours, theirs in zip(again.scans, data.scans, strict=True):
        np.testing.assert_array_equal(ours.batch.images, theirs.batch.images)
        np.testing.assert_array_equal(ours.batch.masks, theirs.batch.masks)
        assert [getattr(ours, name) for name in BESIDE] == [
            getattr(theirs, name) for name in BESIDE
        ]
    assert again.features == data.features
    assert (again.names, again.labels, again.groups) == (data.names, data.labels, data.groups)


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.safetensors"
    path.write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ")
    with pytest.raises(ModelFileError, match="no evaluation data"):
        EvaluationData.from_file(path)


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
        for part in DEFAULT.detectors
    )
    small = replace(
        DEFAULT,
        preprocessing=replace(DEFAULT.preprocessing, size=32),
        detectors=parts,
        training=replace(DEFAULT.training, max_epochs=2),
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
        "extension",
        *NUMERIC,
    }
    assert [line.training.epochs for line in report.folds] == [2, 2]
    assert len(report.pictures) == 4
    assert all(
        cv2.imdecode(np.frombuffer(p.data, np.uint8), 1) is not None for p in report.pictures
    )


def test_seed_and_default_are_measured_beside_the_same_asymmetry() -> None:
    images = [image_of(n, LabelValue.HEALTHY) for n in range(3)]
    np.testing.assert_array_equal(
        gather(images, SEED).asymmetry,
        gather(images, DEFAULT).asymmetry,
    )


def test_the_seed_protocol_is_refused_for_volumes() -> None:
    require_protocol(MEMORY, SEED)
    require_protocol(HELDOUT, VOLUME)
    with pytest.raises(SettingsError, match="--protocol heldout"):
        require_protocol(MEMORY, VOLUME)


SMALL_VOLUME = replace(
    VOLUME.with_training(max_epochs=1),
    detectors=tuple(
        replace(part, network=part.network and NetworkShape((4, 8), 8)) for part in VOLUME.detectors
    ),
)


def head(seed: int, cube: bool = False) -> EvaluationScan:
    label = LabelValue.ABNORMAL if cube else LabelValue.HEALTHY
    patient = f"P-{min(seed, 6)}" if seed < 100 else None  # the last two are of one patient
    volume = scanned(*grid_affine(spacing=(4.0, 4.0, 8.0), n=(50, 60, 22)), cube=cube, seed=seed)
    name = f"{'yes' if cube else 'no'}/{seed}.nii.gz"
    return evaluation_scan(name, label, 1000 + seed, volume, SMALL_VOLUME, patient)


@pytest.fixture(scope="module")
def heads_gathered() -> EvaluationData:
    healthy = [head(seed) for seed in range(8)]
    return gathered([*healthy, *(head(seed, cube=True) for seed in range(100, 103))])


class TestVolumes:
    """A scan is N slices: volumes are evaluated as pictures are."""

    def test_scans_of_one_patient_count_once(self, heads_gathered: EvaluationData) -> None:
        of_patient = [heads_gathered.groups[n] for n in (6, 7)]
        assert of_patient[0] == of_patient[1]
        assert 7 not in select(heads_gathered, HELDOUT).healthy

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

    def test_its_data_survives_the_journey_through_a_file(
        self, heads_gathered: EvaluationData, tmp_path: Path
    ) -> None:
        path = tmp_path / "data.safetensors"
        path.write_bytes(heads_gathered.to_bytes())
        again = EvaluationData.from_file(path)
        for ours, theirs in zip(again.scans, heads_gathered.scans, strict=True):
            np.testing.assert_array_equal(ours.batch.levels, theirs.batch.levels)
            assert (ours.positions, ours.grey) == (theirs.positions, theirs.grey)
