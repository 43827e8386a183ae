"""A head as another scanner would show it."""

import nibabel as nib
import numpy as np

from benchmarks.evaluation.made_scanner import BRIGHTEST, GAIN, NOISE, on_another_scanner


def head() -> nib.Nifti1Image:
    values = np.zeros((20, 24, 17), np.float32)
    values[4:16, 4:20, 4:14] = 300
    values[8:12, 10:14, 6:10] = 100
    return nib.Nifti1Image(values, np.diag([2.0, 2.0, 2.0, 1.0]))


def test_slices_are_twice_as_thick_and_lie_where_they_lay() -> None:
    made = on_another_scanner(head(), 0)
    assert made.shape == (20, 24, 8)
    assert made.header.get_zooms() == (2.0, 2.0, 4.0)
    assert np.allclose(made.affine @ [0, 0, 0, 1], [0, 0, 1, 1])  # the middle of slices 0 and 1


def test_grey_values_go_through_a_curve_and_the_order_of_tissues_stays() -> None:
    values = on_another_scanner(head(), 0).get_fdata()
    air, dark, bright = values[1:3, 1:3, 0], values[8:12, 10:14, 3:5], values[5:7, 10:14, 3:5]
    assert air.mean() < dark.mean() < bright.mean()
    flat = np.percentile(head().get_fdata(), BRIGHTEST) / 3
    assert dark.mean() > 1.1 * GAIN * flat / 300  # brighter than a straight line would have it
    assert 0.3 * NOISE * GAIN < air.std() < NOISE * GAIN


def test_the_scanner_is_one_and_its_noise_is_another_in_each_head() -> None:
    first, again, other = (on_another_scanner(head(), seed).get_fdata() for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert 0 < np.abs(first - other).mean() < 3 * NOISE * GAIN
