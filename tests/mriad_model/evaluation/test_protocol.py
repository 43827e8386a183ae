"""The two protocols, told apart, on small images with a stand-in for training."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mriad_model.detection.anomaly_maps import Scored
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
from mriad_model.evaluation.dataset import EvaluationData, EvaluationImage, gather
from mriad_model.evaluation.folds import run_fold
from mriad_model.evaluation.protocol import EvaluationPlan, EvaluationProtocol, select, split
from mriad_model.evaluation.results import FoldResult, RowKind
from mriad_model.evaluation.summary import MEMORISATION, summarise
from mriad_model.heatmaps.overlay import paint
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.recipes import (
    DEFAULT,
    SEED,
    Framing,
    Intensity,
    NetworkShape,
    Preprocessing,
    Recipe,
)

SMALL = Preprocessing(16, Framing.WHOLE, Intensity.FULL_RANGE)
HELDOUT, MEMORY = EvaluationProtocol.HELDOUT, EvaluationProtocol.SEED


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


def image_of(number: int, label: LabelValue, group: int | None = None) -> EvaluationImage:
    rng = np.random.default_rng(number)
    bright = 60 if label is LabelValue.HEALTHY else 90
    pixels = rng.integers(0, bright, (20, 24)).astype(np.uint8)
    word = "no" if label is LabelValue.HEALTHY else "yes"
    name = f"{word}/{number:03}.jpg"
    return EvaluationImage(name, label, number if group is None else group, 300 + number, pixels)


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
    same = replace(data, images=np.ones_like(data.images))
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
        gather([], SMALL)
    with pytest.raises(NoScans):
        summarise([])


def test_data_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    data = data_of()
    path = tmp_path / "data.safetensors"
    path.write_bytes(data.to_bytes())
    again = EvaluationData.from_file(path)
    for name in ("images", "masks", "asymmetry"):
        np.testing.assert_array_equal(getattr(again, name), getattr(data, name))
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
    data = gather(images, small.preprocessing)
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
        gather(images, SEED.preprocessing).asymmetry,
        gather(images, DEFAULT.preprocessing).asymmetry,
    )
