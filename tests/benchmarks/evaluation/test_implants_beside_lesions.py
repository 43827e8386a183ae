"""Shares of lesions found by size, as implants are counted."""

from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pytest

from benchmarks.evaluation.implants_beside_lesions import (
    diameter,
    found_by_size,
    share_flagged,
)
from benchmarks.evaluation.trial_home import Decided
from mriad_model.enums import Verdict
from mriad_model.phantom.render import phantom_slice
from mriad_model.phantom.scanner import Contrast
from mriad_model.promotion.implants import HEAD_LENGTH


def test_a_volumes_lesion_is_as_wide_as_a_ball_of_its_volume(tmp_path: Path) -> None:
    x, y, z = np.mgrid[-10:11, -10:11, -10:11] * 2.0
    ball = (x * x + y * y + z * z <= 15**2).astype(np.uint8)
    nib.save(nib.Nifti1Image(ball, np.diag([2.0, 2.0, 2.0, 1.0])), tmp_path / "mask.nii.gz")
    assert diameter(tmp_path, {"mask": "mask.nii.gz"}) == pytest.approx(30, rel=0.05)


def test_a_pictures_lesion_is_measured_by_its_head(tmp_path: Path) -> None:
    head = phantom_slice(0, Contrast.FLAIR, None, 128).pixels
    lesion = np.zeros_like(head)
    cv2.circle(lesion, (64, 64), 10, 255, -1)
    for name, pixels in {"a.png": head, "a_mask.png": lesion}.items():
        cv2.imwrite(str(tmp_path / name), pixels)
    rows = np.flatnonzero((head > 30).any(axis=1))
    expected = 20 * HEAD_LENGTH / (rows[-1] - rows[0] + 1)
    found = diameter(tmp_path, {"path": "a.png", "mask": "a_mask.png"})
    assert found == pytest.approx(expected, rel=0.15)


def test_a_scan_without_a_score_is_not_found_and_sizes_are_those_of_implants() -> None:
    def decided(score: float, verdict: Verdict) -> Decided:
        return Decided(score, 2.0, verdict)

    sizes = {
        ("no", "a"): ("p", None),
        ("yes", "b"): ("p", 11.0),
        ("yes", "c"): ("q", 12.0),
        ("yes", "d"): ("q", 30.0),
    }
    found = found_by_size(
        {
            ("no", "a"): decided(1.0, Verdict.NORMAL),
            ("yes", "b"): decided(3.0, Verdict.UNCERTAIN),
            ("yes", "c"): decided(3.0, Verdict.NOT_SCORABLE),
        },
        sizes,
    )
    assert found["healthy"] == [("p", False)]
    assert found["small"] == [("p", True)]
    assert found["medium"] == [("q", False)]
    assert found["large"] == [("q", False)]
    assert len(found["lesions"]) == 3


def test_patients_are_drawn_and_not_their_scans() -> None:
    wide = share_flagged([("p", True)] * 50 + [("q", False)] * 50)
    narrow = share_flagged([(f"{i}", i % 2 == 0) for i in range(100)])
    assert wide is not None
    assert narrow is not None
    assert (wide["share"], wide["low"], wide["high"]) == (0.5, 0.0, 1.0)
    assert narrow["high"] - narrow["low"] < 0.25
    assert share_flagged([]) is None
