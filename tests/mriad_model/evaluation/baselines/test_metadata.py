"""Baselines that need no model."""

import csv
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mriad_model.evaluation.baselines.metadata import (
    NUMERIC,
    FileFeatures,
    baseline_scores,
    file_features,
    rarity_scores,
    signed_distances,
)
from mriad_model.evaluation.metrics.roc import FoldScores
from mriad_model.evaluation.metrics.scan_metrics import measure
from tests.support.places import SHARED

KAGGLE = SHARED / "kaggle253"

PLAIN = FileFeatures(".jpg", 1000, 0.1, 1.0, 5.0, 50.0, 100.0)


def test_features_are_measured_as_their_names_say() -> None:
    pixels = np.zeros((10, 20), np.uint8)
    pixels[:, ::2] = 255
    found = file_features("no/N 1.JPG", 400, pixels)
    assert (found.extension, found.size_bytes, found.bytes_per_pixel) == (".JPG", 400, 2.0)
    assert found.aspect_ratio == 2.0
    assert found.entropy == pytest.approx(1.0)
    assert found.mean_intensity == 127.5
    assert found.sharpness > 10_000


def test_a_constant_image_has_neither_entropy_nor_sharpness() -> None:
    found = file_features("scan", 1, np.full((8, 8), 7, np.uint8))
    assert (found.extension, found.entropy, found.sharpness) == ("", 0.0, 0.0)


def test_sixteen_bits_of_the_same_picture_have_the_same_grey_levels() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    deep = grey.astype(np.uint16) * 257
    assert file_features("a.png", 9, deep) == file_features("a.png", 9, grey)


def test_distance_is_counted_both_ways_in_training_sigmas() -> None:
    assert signed_distances([1.0, 3.0], [2.0, 5.0, -1.0]) == [0.0, 3.0, -3.0]


def test_training_values_that_are_all_alike_still_give_finite_scores() -> None:
    assert signed_distances([0.1] * 30, [0.1, 2.1]) == pytest.approx([0.0, 2.0])


def test_a_rare_extension_scores_above_a_common_one_and_an_unseen_one_above_both() -> None:
    common, rare, unseen = rarity_scores([".jpg"] * 9 + [".JPG"], [".jpg", ".JPG", ".exe"])
    assert 0 < common < rare < unseen < np.inf


def test_the_signed_distance_keeps_the_direction() -> None:
    assert signed_distances([1.0, 3.0], [2.0, 5.0, -1.0]) == [0.0, 3.0, -3.0]


def test_every_baseline_scores_every_image_and_the_odd_one_highest() -> None:
    training = [replace(PLAIN, size_bytes=1000 + i, entropy=5 + 0.1 * i) for i in range(5)]
    odd = FileFeatures(".JPG", 9000, 3.0, 2.5, 1.0, 200.0, 9000.0)
    scores = baseline_scores(training, [*training, odd])
    assert tuple(scores) == ("extension", *NUMERIC)
    for values in scores.values():
        assert len(values) == 6
        assert values[-1] > max(values[:-1])


@pytest.mark.skipif(not KAGGLE.is_dir(), reason="shared/data/kaggle253 is absent")
def test_entropy_and_aspect_alone_tell_the_real_classes_apart() -> None:
    with (SHARED / "kaggle253-groups.csv").open() as table:
        first = {row["near_duplicate_group"]: row for row in list(csv.DictReader(table))[::-1]}
    features, healthy = [], []
    for row in sorted(first.values(), key=lambda row: row["file"]):
        data = (KAGGLE / row["file"]).read_bytes()
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        features.append(file_features(row["file"], len(data), pixels))
        healthy.append(row["label"] == "healthy")
    train = [image for image, fine in zip(features, healthy, strict=True) if fine]
    for name, least in (("entropy", 0.6), ("aspect_ratio", 0.6), ("extension", 0.62)):
        scores = np.array(baseline_scores(train, features)[name])
        told = np.array(healthy)
        fold = FoldScores(
            0,
            0,
            tuple(np.flatnonzero(told).tolist()),
            tuple(scores[told].tolist()),
            tuple(np.flatnonzero(~told).tolist()),
            tuple(scores[~told].tolist()),
            0.0,
            0.0,
            1.0,
            10,
        )
        assert (measure([fold], resamples=10).values["auroc"] or 0.0) > least, name
