import numpy as np
import pytest

from mriad_model.detection.maps.anomaly_maps import (
    SliceLevels,
    anchored,
    combine,
    slice_scores,
    standard_of,
    standardised,
)
from mriad_model.preprocessing.foreground import interiors
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from mriad_model.recipes.recipe import Levels, Scoring, SliceScoreMethod

KIND = "asymmetry"
ALL = np.ones((1, 32, 32), np.bool_)


def test_an_interior_is_the_mask_less_its_edge():
    mask = np.zeros((1, 32, 32), np.bool_)
    mask[0, 4:28, 4:28] = True

    inside = interiors(mask, 3)

    assert inside.sum() == (24 - 6) ** 2
    assert inside[0, 7:25, 7:25].all()


def test_an_edge_at_the_border_of_the_square_is_taken_off_too():
    assert interiors(ALL, 3).sum() == 26**2


def test_a_mask_too_small_to_erode_is_kept_and_an_empty_one_is_all():
    thin = np.zeros((2, 32, 32), np.bool_)
    thin[0, 5:7] = True

    inside = interiors(thin, 4)

    np.testing.assert_array_equal(inside[0], thin[0])
    assert inside[1].all()


def test_the_peak_above_the_median_is_the_score():
    maps = np.zeros((1, 32, 32), np.float32)
    maps[0, :20] = 2.0
    maps[0, 3, 3] = 9.0

    assert slice_scores(maps, ALL, SliceScoreMethod.MAX_MINUS_MEDIAN) == [7.0]
    assert slice_scores(maps, ALL, SliceScoreMethod.MEAN) == [pytest.approx(maps.mean())]


def test_the_peak_alone_may_be_the_score():
    maps = np.full((1, 32, 32), 2.0, np.float32)
    maps[0, 3, 3] = 9.0

    assert slice_scores(maps, ALL, SliceScoreMethod.MAX) == [9.0]


@pytest.mark.parametrize("method", [SliceScoreMethod.MAX, SliceScoreMethod.MEAN])
@pytest.mark.parametrize("broken", [np.s_[0, 3, 3], np.s_[0]])
def test_a_map_that_is_no_number_somewhere_gives_no_score(method, broken):
    maps = np.full((1, 32, 32), 2.0, np.float32)
    maps[broken] = np.nan

    assert np.isnan(slice_scores(maps, ALL, method)).all()


def test_what_lies_outside_does_not_enter_the_score():
    maps = np.zeros((1, 32, 32), np.float32)
    inside = ALL.copy()
    inside[0, 3, 3] = False
    maps[0, 3, 3] = 9.0

    assert slice_scores(maps, inside, SliceScoreMethod.MAX_MINUS_MEDIAN) == [0.0]


def test_where_much_is_usual_the_same_finding_counts_less():
    healthy = np.full((3, 32, 32), 0.1, np.float32)
    healthy[:, :, 12:20] = 1.0
    inside = np.repeat(ALL, 3, axis=0)
    standards = {KIND: standard_of(healthy, inside, AUTOENCODER.scoring)}

    (relative,) = standardised({KIND: np.ones((1, 32, 32), np.float32)}, standards).values()

    assert relative[0, 16, 16] < 0.6 * relative[0, 16, 2]


def test_at_levels_where_much_is_usual_the_same_finding_counts_less():
    below_top = np.array([0, 10, 20, 30], np.float32)
    healthy = np.full((4, 32, 32), 0.1, np.float32)
    healthy[2:] = 1.0
    heights = SliceLevels(Levels(number=4, step=10.0, sigma=5.0), below_top)
    standard = standard_of(healthy, np.repeat(ALL, 4, axis=0), AUTOENCODER.scoring, heights)

    found = np.ones((3, 32, 32), np.float32)
    elsewhere = SliceLevels(heights.levels, np.array([1, 29, 90], np.float32))
    (relative,) = standardised({KIND: found}, {KIND: standard}, elsewhere).values()

    assert standard.usual.shape == (4, 32, 32)
    assert relative[1].max() < 0.6 * relative[0].min()
    np.testing.assert_array_equal(relative[1], relative[2])  # below the last level


def test_what_is_not_relative_is_usual_alike_everywhere():
    healthy = np.random.default_rng(0).random((4, 32, 32), np.float32)
    inside = np.repeat(ALL, 4, axis=0)
    heights = SliceLevels(Levels(number=3, step=10.0, sigma=5.0), np.zeros(4, np.float32))

    flat = standard_of(healthy, inside, AUTOENCODER.scoring, relative=False)
    levelled = standard_of(healthy, inside, AUTOENCODER.scoring, heights, relative=False)

    assert (flat.usual == 1).all()
    assert flat.usual.dtype == levelled.usual.dtype == np.float32
    assert levelled.usual.shape == (3, 32, 32)


def test_a_score_of_one_detector_is_the_peak_of_the_map_of_all():
    maps = np.random.default_rng(0).random((3, 32, 32), np.float32)
    inside = np.repeat(ALL, 3, axis=0)
    inside[:, :8] = False
    scores = np.array([5.0, 0.25, 40.0])

    moved = anchored(maps, scores, inside)

    assert slice_scores(moved, inside, SliceScoreMethod.MAX) == pytest.approx(scores)
    assert moved.min() == 0
    assert not moved[~inside].any()
    for before, after in zip(maps[:, 8:], moved[:, 8:], strict=True):
        assert before.argmax() == after.argmax()


def test_the_standard_is_alike_on_both_sides():
    healthy = np.random.default_rng(0).random((4, 32, 32), np.float32)

    standard = standard_of(healthy, np.repeat(ALL, 4, axis=0), AUTOENCODER.scoring)

    np.testing.assert_allclose(standard.usual, standard.usual[:, ::-1], rtol=1e-5)


@pytest.mark.parametrize("n", [1, 3])
def test_healthy_maps_without_spread_still_set_a_standard(n):
    nothing = np.zeros((n, 32, 32), np.float32)

    standard = standard_of(nothing, np.repeat(ALL, n, axis=0), AUTOENCODER.scoring)

    assert standard.sd == 1.0
    assert (standard.usual == 1.0).all()


def test_detectors_count_alike_whatever_their_scale():
    rng = np.random.default_rng(0)
    healthy = rng.random((6, 32, 32), np.float32)
    inside = np.repeat(ALL, 6, axis=0)
    scoring = Scoring(SliceScoreMethod.MAX_MINUS_MEDIAN, erosion=0, standardise=True)
    one, other = "autoencoder", "asymmetry"
    maps = {one: healthy, other: 1000 * healthy}
    standards = {kind: standard_of(found, inside, scoring) for kind, found in maps.items()}
    relative = standardised(maps, standards)

    both = combine(relative, standards, inside)
    alone = combine({one: relative[one]}, standards, inside)

    np.testing.assert_allclose(both, 2 * alone, atol=1e-3)
