"""Plots: pictures come out, the same each time, and degenerate inputs draw something."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mriad_model.detection.training.fit_progress import Epoch
from mriad_model.evaluation.metrics.plots import (
    by_member,
    confusion_plot,
    roc_plot,
    score_histogram,
    training_plot,
)
from mriad_model.evaluation.metrics.scan_metrics import Confusion, Interval, RocBand


def opened(data: bytes) -> Image.Image:
    import io

    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def band() -> RocBand:
    grid = np.linspace(0, 1, 101)
    tpr = np.sqrt(grid)
    return RocBand(
        *(
            tuple(v.tolist())
            for v in (grid, tpr, np.maximum(tpr - 0.1, 0), np.minimum(tpr + 0.1, 1))
        )
    )


def drawings() -> list[bytes]:
    rng = np.random.default_rng(0)
    curve = [Epoch(n, 5, 1 / n, 1.2 / n, n) for n in range(1, 6)]
    return [
        roc_plot(band(), 0.8, Interval(0.7, 0.9), (0.2, 0.6)),
        score_histogram(rng.normal(size=50), rng.normal(3, 2, 80), 1.0),
        confusion_plot(Confusion(78, 13, 0, 154)),
        training_plot([curve, curve]),
    ]


def test_every_plot_is_a_picture_of_more_than_one_colour() -> None:
    for data in drawings():
        picture = opened(data)
        assert picture.format == "PNG"
        assert min(picture.size) > 300
        assert len(picture.convert("RGB").getcolors(1_000_000) or []) > 10


def test_the_same_figures_give_the_same_bytes() -> None:
    assert drawings() == drawings()


@pytest.mark.parametrize(
    ("healthy", "abnormal"),
    [([], []), ([0.0], []), ([], [1e9]), ([-1e9, 0.0], [np.inf]), ([1.0] * 9, [1.0] * 9)],
)
def test_a_histogram_of_missing_or_wild_scores_still_draws(
    healthy: list[float], abnormal: list[float]
) -> None:
    assert opened(score_histogram(healthy, abnormal, 1.0)).size[0] > 300


def test_a_confusion_matrix_without_images_still_draws() -> None:
    assert opened(confusion_plot(Confusion(0, 0, 0, 0))).size[0] > 300


def test_each_member_of_a_fold_has_a_line_of_its_own_from_its_first_epoch_on() -> None:
    first = [Epoch(n, 6, 1 / n, 1.2 / n, 2) for n in (1, 2)]
    second = [Epoch(n, 6, 0.5, 0.7, 3, member=1) for n in (4, 5, 6)]
    counted = [[each.number for each in line] for line in by_member([*first, *second])]
    assert counted == [[1, 2], [1, 2, 3]]
    joined = [replace(each, member=0) for each in [*first, *second]]
    assert training_plot([[*first, *second]]) != training_plot([joined])
    assert training_plot([[*first, *second]]) == training_plot([first, second])


def test_training_without_held_out_images_or_epochs_still_draws() -> None:
    assert opened(training_plot([[Epoch(1, 2, 0.5, None, 1)]])).size[0] > 300
    assert opened(training_plot([])).size[0] > 300


def test_drawing_leaves_matplotlib_without_global_figures() -> None:
    drawings()
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )
