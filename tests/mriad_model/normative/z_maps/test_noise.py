import numpy as np

from mriad_model.normative.z_maps.noise import between_nodes, smooth_noise, softened


def test_noise_has_the_boxes_shape_and_repeats_by_seed():
    first, again = (smooth_noise(np.random.default_rng(3), (9, 20, 17), 15.0) for _ in range(2))
    assert first.shape == (9, 20, 17)
    assert np.array_equal(first, again)
    assert 0.3 < first.std() < 1.5


def test_noise_of_longer_waves_changes_less_from_voxel_to_voxel():
    steps = []
    for millimetres in (8.0, 60.0):
        noise = smooth_noise(np.random.default_rng(0), (40, 40, 40), millimetres)
        steps.append(np.abs(np.diff(noise, axis=2)).mean() / noise.std())
    assert steps[1] < 0.5 * steps[0]


def test_values_between_nodes_are_linear_and_reach_the_edges():
    nodes = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    found = between_nodes(nodes, (5, 5, 5))
    assert found[0, 0, 0] == 0
    assert found[-1, -1, -1] == 7
    assert found[2, 2, 2] == 3.5


def test_softening_stays_within_its_plane():
    values = np.zeros((5, 9, 9), np.float32)
    values[2, 4, 4] = 1
    found = softened(values, 1.0)
    assert found[2, 4, 5] > 0
    assert not found[[0, 1, 3, 4]].any()
