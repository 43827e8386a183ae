import numpy as np

from mriad_model.normative.registration.frame import SHAPE, frame_points
from mriad_model.normative.registration.mean_heads import T1, drawn_template
from mriad_model.normative.z_maps.deformation import displaced, taken

HEAD = drawn_template(T1).mean


def moves(seed: int, *, deformed: bool) -> np.ndarray:
    places = displaced(np.random.default_rng(seed), deformed=deformed)
    return np.linalg.norm(places - frame_points(), axis=1)


def test_a_misplaced_head_is_off_by_a_few_millimetres_at_most():
    for seed in range(5):
        away = moves(seed, deformed=False)
        assert 0 < away.mean() < 3
        assert away.max() < 7


def test_a_deformed_head_is_bent_more_but_stays_a_head():
    away = np.array([moves(seed, deformed=True) for seed in range(8)])
    assert away.mean() > 1.5
    assert away.max() < 40


def test_values_are_taken_from_where_the_places_say():
    points = frame_points() + np.array([3.5, 0, 0], np.float32)
    assert np.allclose(taken(HEAD, points, 1)[..., :-1], HEAD[..., 1:], atol=1e-4)


def test_cubic_splines_keep_a_head_sharper_than_linear_ones():
    places = frame_points() + np.array([1.75, 1.75, 1.5], np.float32)
    rough = [np.abs(np.diff(taken(HEAD, places, order), axis=2)).mean() for order in (1, 3)]
    assert rough[1] > rough[0]


def test_ventricles_grow_and_shrink():
    fluid = (HEAD < 0.35) & (drawn_template(T1).brain > 0.99)
    fluid[:20] = fluid[36:] = False
    dark = []
    for seed in range(24):
        places = displaced(np.random.default_rng(seed), deformed=True)
        found = taken(HEAD, places, 1)
        dark.append(np.count_nonzero((found < 0.35)[20:36, 16:48, 20:44]))
    assert max(dark) > 1.2 * min(dark)
    assert taken(HEAD, places, 1).shape == SHAPE
