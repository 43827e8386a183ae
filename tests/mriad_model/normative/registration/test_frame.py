import numpy as np

from mriad_model.normative.registration.frame import SHAPE, SliceStack, evened, frame_points


def stack(heights) -> SliceStack:
    heights = np.asarray(heights, float)
    values = np.broadcast_to(heights[:, None, None], (len(heights), 8, 8))
    return SliceStack(values.astype(np.float32), 2.0, heights)


def test_points_run_with_the_columns_first_and_are_symmetric_about_the_midline():
    points = frame_points().reshape(*SHAPE, 3)

    assert np.array_equal(points[..., 0], -points[:, :, ::-1, 0])
    assert points[0, 0, 1, 0] > points[0, 0, 0, 0]
    assert points[0, 1, 0, 1] > points[0, 0, 0, 1]
    assert points[1, 0, 0, 2] > points[0, 0, 0, 2]


def test_even_slices_stay_as_they_are():
    thick = stack(np.arange(0, 60, 3.0))
    assert evened(thick) is thick


def test_thin_slices_are_averaged_to_two_millimetres():
    found = evened(stack(np.arange(0, 60, 1.0)))

    assert found.step == 2.0
    inner = slice(1, -1)
    assert np.allclose(found.images[inner, 0, 0], found.heights[inner], atol=1e-4)


def test_uneven_slices_become_even_and_keep_their_places():
    found = evened(stack([0, 2, 6, 8, 12, 14, 18, 20, 24]))

    assert np.allclose(np.diff(found.heights), found.step)
    inner = slice(1, -1)
    assert np.allclose(found.images[inner, 0, 0], found.heights[inner], atol=1.0)
