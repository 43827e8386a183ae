import csv

import cv2
import numpy as np
import pytest

from mriad_model.datasets import duplicates as twins
from mriad_model.datasets.duplicates import fingerprint, twin_groups
from mriad_model.readers.images.reading import read_image
from tests.support.places import SHARED

DATA = SHARED


def head(seed, size=180):
    """A head of its own: an outline, folds and two dark ventricles that the seed places."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    wide, tall = random.uniform(0.6, 0.8), random.uniform(0.75, 0.9)
    brain = (x / wide) ** 2 + (y / tall) ** 2 < 1
    folds = cv2.GaussianBlur(random.normal(size=(size, size)), (0, 0), size / 22)
    folds /= folds.std()
    left, up = random.uniform(0.1, 0.3), random.uniform(-0.3, 0.3)
    hollow = ((x - left) / 0.12) ** 2 + ((y - up) / 0.3) ** 2 < 1
    return (brain * np.clip(120 + 35 * folds - 90 * hollow, 20, 255)).astype(np.uint8)


def grouped(*pictures):
    return twin_groups([fingerprint(picture) for picture in pictures])


def test_other_heads_are_no_twins():
    assert grouped(*(head(seed) for seed in range(30))) == list(range(30))


def framed(picture):
    return cv2.copyMakeBorder(picture, 30, 5, 12, 40, cv2.BORDER_CONSTANT)


def lettered(picture):
    large = framed(cv2.resize(picture, (400, 400)))
    return cv2.putText(large, "W 1411", (4, 428), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255)


@pytest.mark.parametrize(
    "copy",
    [
        lambda x: x,
        lambda x: cv2.resize(x, (310, 310)),
        lambda x: cv2.resize(x, (97, 97), interpolation=cv2.INTER_AREA),
        lambda x: cv2.imdecode(cv2.imencode(".jpg", x, [1, 40])[1], 0),
        lambda x: x[:, ::-1],
        lambda x: framed(x[:, ::-1]),
        lambda x: cv2.add(x, 25) * (x > 0),
        lambda x: (255 * (x / 255) ** 0.7).astype(np.uint8),
        cv2.equalizeHist,
        lambda x: cv2.addWeighted(x, 1.8, cv2.GaussianBlur(x, (0, 0), 2), -0.8, 0),
        framed,
        lettered,
        lambda x: x.astype(np.uint16) * 200,
    ],
    ids=[
        "same", "larger", "smaller", "jpeg", "mirrored", "mirrored and moved", "brighter",
        "gamma", "equalised", "sharpened", "moved", "lettered", "deeper",
    ],
)  # fmt: skip
def test_a_copy_is_a_twin(copy):
    assert grouped(head(1), head(2), np.ascontiguousarray(copy(head(1)))) == [0, 1, 0]


def test_twins_of_twins_are_one_group_numbered_by_first_appearance():
    assert grouped(head(3), head(1), head(3)[:, ::-1], head(2), head(1)) == [0, 1, 0, 2, 1]


def test_groups_do_not_depend_on_the_block_size(monkeypatch):
    pictures = [head(seed % 7) for seed in range(20)]
    expected = grouped(*pictures)
    monkeypatch.setattr(twins, "BLOCK", 3)
    assert grouped(*pictures) == expected == [seed % 7 for seed in range(20)]


def test_no_scans_make_no_groups_and_one_makes_one():
    assert twin_groups([]) == []
    assert grouped(head(0)) == [0]


def test_pictures_without_contrast_are_compared_without_a_warning():
    flat, dot = np.full((50, 60), 9, np.uint8), np.zeros((50, 60), np.uint8)
    dot[20, 30] = 255
    assert len(grouped(flat, dot, head(0))) == 3


@pytest.mark.skipif(not (DATA / "kaggle253").is_dir(), reason="shared/data/kaggle253 is absent")
def test_the_real_images_fall_into_the_known_199_groups():
    with (DATA / "kaggle253-groups.csv").open() as file:
        rows = list(csv.DictReader(file))
    groups = twin_groups(
        [fingerprint(read_image(DATA / "kaggle253" / row["file"]).pixels) for row in rows]
    )
    known = [int(row["strict_group"]) for row in rows]
    assert len(set(groups)) == 199
    assert len(set(zip(groups, known, strict=True))) == 199  # one to one
