"""Healthy labels that a mask beside the scan, or the gate, speaks against."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from db.engine.connect import open_record
from db.repository.scoring.decisions import ScoredScan, append_scored
from db.repository.scoring.warnings import warnings
from mriad_model.enums import LabelSource, LabelValue, WarningKind
from tasks.intake.doubtful_labels import (
    label_doubts,
    masked_scans,
    masks_among_scans,
    scans_in_words,
    unlike_scans,
)
from tests.support.record.hand import NOON, Hand


@pytest.fixture
def hand(tmp_path: Path) -> Hand:
    return Hand(open_record(tmp_path))


def picture(path: Path, marked: int = 0) -> Path:
    pixels = np.zeros((64, 64), np.uint8)
    pixels[:marked, :marked] = 255
    Image.fromarray(pixels).save(path)
    return path


def test_only_a_mask_that_marks_something_speaks_against_a_label(tmp_path: Path) -> None:
    paths = {n: picture(tmp_path / f"{n}.png", 40) for n in (1, 2, 3, 4)}
    picture(tmp_path / "1_mask.png", 10)
    picture(tmp_path / "2_mask.png")  # empty: there is no lesion
    (tmp_path / "3_mask.png").write_bytes(b"no picture")
    assert masked_scans(paths) == [1]


def volume(path: Path, marked: int) -> Path:
    """A NIfTI file of 3 mm voxels, of which a cube of so many a side is 1: 0.027 ml each."""
    voxels = np.zeros((64, 64, 64), np.uint8)
    voxels[:marked, :marked, :marked] = 1
    nib.save(nib.Nifti1Image(voxels, np.diag([3.0, 3.0, 3.0, 1.0])), path)
    return path


def test_a_mask_beside_a_volume_speaks_against_its_label_and_a_brains_does_not(
    tmp_path: Path,
) -> None:
    names = {1: "a.nii.gz", 2: "b.nii", 3: "C.NII.GZ", 4: "d.nii.gz", 5: "e.nii.gz", 6: "f.nii.gz"}
    paths = {n: tmp_path / name for n, name in names.items()}
    for path in paths.values():
        path.write_bytes(b"its scan, which is not read again")
    volume(tmp_path / "a_mask.nii.gz", 5)
    volume(tmp_path / "b_mask.nii.gz", 5)
    volume(tmp_path / "C_mask.nii.gz", 5)
    volume(tmp_path / "d_mask.nii.gz", 0)  # empty: there is no lesion
    volume(tmp_path / "e_mask.nii.gz", 36)  # 1,260 ml: a brain, as skull stripping leaves it
    assert masked_scans(paths) == [1, 2, 3]


def test_a_score_above_the_gates_limit_speaks_against_a_label(hand: Hand) -> None:
    model_id, _ = hand.ready()
    like, unlike, ungated = hand.scans("like", "unlike", "ungated")
    rows = [ScoredScan(like, 1.0, gate=0.9), ScoredScan(unlike, 1.0, gate=1.1)]
    append_scored(hand.engine, model_id, None, [*rows, ScoredScan(ungated, 1.0)], hand.run(), NOON)
    assert unlike_scans(hand.engine, model_id, [like, unlike, ungated, 99]) == [unlike]


def test_doubts_are_said_and_recorded_once_for_a_run(hand: Hand) -> None:
    said = label_doubts(hand.engine, hand.run(), [3], [5, 8], 1)
    assert said[0].startswith("scan 3 is labelled healthy, and the mask beside it marks a lesion")
    assert said[1].startswith("scans 5 and 8 are labelled healthy, and by the gate of model 1")
    assert label_doubts(hand.engine, hand.run(), [3], [5, 8], 1) == said
    recorded = warnings(hand.engine)
    assert [each.kind for each in recorded] == [WarningKind.LABEL] * 2
    assert [each.text for each in recorded] == [f"{text}." for text in said]
    assert label_doubts(hand.engine, hand.run(), []) == []


def test_many_scans_are_counted_and_the_first_named() -> None:
    assert scans_in_words([9, 3, 5]) == "scans 3, 5 and 9 are"
    assert scans_in_words(range(1, 9)) == "8 scans (1, 2, 3, 4, 5, ...) are"


def test_masks_that_became_scans_before_are_named_until_they_are_abnormal(
    hand: Hand, tmp_path: Path
) -> None:
    ids = hand.scans(*"abcdefgh")
    assert ids == list(range(1, 9))
    known = [(n, str(picture(tmp_path / f"{n}.png"))) for n in (1, 2)]
    masks = [(7, str(picture(tmp_path / "1_mask.png"))), (8, str(tmp_path / "9_mask.png"))]
    assert masks_among_scans(hand.engine, known) == []
    (said,) = masks_among_scans(hand.engine, [*known, *masks])
    assert said.startswith("scan 7 is by its name the mask of a picture beside it")
    hand.label(7, LabelValue.ABNORMAL, LabelSource.REVIEWER)
    assert masks_among_scans(hand.engine, [*known, *masks]) == []
