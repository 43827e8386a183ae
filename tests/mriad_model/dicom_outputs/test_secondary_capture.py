"""The picture beside the objects."""

import numpy as np
import pytest

from tests.support.scans.dicom_objects import PICTURE, outputs

highdicom = pytest.importorskip("highdicom")


def test_the_picture_says_research_use_only_above_the_montage(series, decisions):
    series.classic()
    captured = outputs(decisions.job())[PICTURE]
    pixels = captured.pixel_array  # (H, W, 3)
    assert pixels.shape == (captured.Rows, 200, 3)
    band = captured.Rows - 120
    assert band >= 10
    assert (pixels[:band] > 200).mean() > 0.02  # letters
    slope = np.linspace(40, 90, 200)
    np.testing.assert_allclose(pixels[band + 8 :, :, 0].mean(axis=0), slope, atol=4)
    assert captured.BurnedInAnnotation == "NO"  # nothing in it tells who the patient is
