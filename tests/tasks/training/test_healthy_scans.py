"""Which healthy scans a recipe can learn, and what the record alone shows to be too few."""

from pathlib import Path

import pytest

from db.engine.connect import open_record
from db.repository.intake.scans import register_scans
from mriad_model.enums import Policy, ScanKind
from mriad_model.errors import TooFewScans
from mriad_model.recipes.built_in_recipes import DEFAULT, SEED, VOLUME
from tasks.training.healthy_scans import require_trainable, suited_scans
from tests.support.record.hand import Hand


@pytest.fixture
def hand(tmp_path: Path) -> Hand:
    return Hand(open_record(tmp_path))


def healthy_pictures(hand: Hand, n: int) -> None:
    for scan_id in hand.scans(*map(str, range(n))):
        hand.label(scan_id)


def healthy_volumes(hand: Hand, **grid: object) -> None:
    rows = [
        hand.series(f"{'x' * n}", [f"{n}.nii"], kind=ScanKind.NIFTI, **grid) for n in range(1, 6)
    ]
    for each in register_scans(hand.engine, rows):
        hand.label(each.scan_id)


def test_volumes_of_another_contrast_are_not_called_of_another_kind(hand: Hand) -> None:
    healthy_volumes(hand, contrast="T1w")
    assert len(suited_scans(hand.engine, VOLUME)) == 5
    with pytest.raises(TooFewScans, match="for contrast FLAIR, and there are 5 T1w"):
        suited_scans(hand.engine, VOLUME.with_contrast(["FLAIR"]))


def test_volumes_of_too_coarse_a_grid_say_so(hand: Hand) -> None:
    sagittal = [0, 0, 6, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]
    healthy_volumes(hand, affine=sagittal, spacing=[1, 1, 6])
    with pytest.raises(TooFewScans, match="its voxels are 6 mm long"):
        suited_scans(hand.engine, VOLUME)


def test_a_rate_is_refused_where_even_all_scans_could_not_keep_it(hand: Hand) -> None:
    healthy_pictures(hand, 30)
    require_trainable(hand.engine, DEFAULT, Policy.RATE, 0.05)  # cross-fitted: all 30 calibrate
    with pytest.raises(TooFewScans, match=r"takes 19 .* and there are 6"):
        require_trainable(hand.engine, SEED, Policy.RATE, 0.05)


def test_a_model_is_not_adapted_to_its_own_scans(hand: Hand) -> None:
    healthy_pictures(hand, 8)
    model_id = hand.model(hand.dataset(train=list(range(1, 9))), recipe=DEFAULT.to_json())
    with pytest.raises(TooFewScans, match=f"none of the 8 .* is new to model {model_id}"):
        require_trainable(hand.engine, DEFAULT, Policy.SIGMAS, 1.0, model_id)
