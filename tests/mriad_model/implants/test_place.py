import numpy as np

from mriad_model.implants.place import (
    COLUMNS,
    ROWS,
    SIDE,
    draw_place,
    edge,
    moved,
    smooth_noise,
    uneven_distance,
)

DEPTH = np.clip(1 - np.hypot(ROWS - 63.5, COLUMNS - 63.5) / 60, 0, 1).astype(np.float32)


def test_places_lie_in_the_head_and_sizes_in_their_range():
    image = (DEPTH > 0).astype(np.float32)
    for seed in range(50):
        place = draw_place(np.random.default_rng(seed), image, image, DEPTH, (5.0, 28.0), 0.0)
        assert DEPTH[place.centre] >= 0.08
        assert 5 <= place.radius <= 28
        assert not place.within[DEPTH == 0].any()


def test_places_on_the_midline_lie_near_it():
    sites = [
        draw_place(np.random.default_rng(seed), DEPTH, DEPTH, DEPTH, (5.0, 28.0), 1.0)
        for seed in range(50)
    ]
    assert np.abs([place.centre[1] - 63.5 for place in sites]).max() < 15


def test_an_outline_encloses_its_centre():
    for seed in range(20):
        distance = uneven_distance(np.random.default_rng(seed), (60, 70), 20.0)
        assert distance[60, 70] < 1 < distance[0, 0]


def test_an_edge_falls_from_1_to_0_over_its_ramp():
    distance = np.hypot(ROWS - 64, COLUMNS - 64) / np.float32(20)
    alpha = edge(distance, 20.0, 4.0)
    assert (alpha[64, 64], alpha[64, 64 + 17], alpha[64, 64 + 20], alpha[64, 64 + 23]) == (
        1,
        1,
        0.5,
        0,
    )


def test_noise_varies_as_fast_as_it_is_asked_to():
    coarse, fine = (smooth_noise(np.random.default_rng(0), cells) for cells in (4, 40))
    assert coarse.shape == fine.shape == (SIDE, SIDE)
    assert np.abs(np.diff(fine)).mean() > 4 * np.abs(np.diff(coarse)).mean()


def test_a_pixel_is_taken_from_where_it_is_said_to_come_from():
    np.testing.assert_allclose(moved(DEPTH, ROWS + 3, COLUMNS)[:100], DEPTH[3:103], atol=1e-6)
