"""Phantom heads: the same seed is the same head, lesions lie where their masks say."""

import hashlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mriad_model.datasets.duplicates import fingerprint, twin_groups
from mriad_model.errors import SettingsError
from mriad_model.phantom.anatomy import section_of
from mriad_model.phantom.head import draw_head
from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.render import (
    draw_plane,
    lesion_of,
    phantom_slice,
    phantom_volume,
    volume_levels,
)
from mriad_model.phantom.scanner import BRAIN, Contrast, Tissue, axial_grid
from mriad_model.phantom.write import many_slices, write_folder

BRAIN_LABELS = [int(tissue) for tissue in BRAIN]


def _plane(seed: int, contrast: Contrast, lesion: Lesion | None, size: int = 160):
    head = draw_head(seed)
    solid = None if lesion is None else lesion_of(seed, lesion)
    return draw_plane(head, contrast, solid, axial_grid(head.pose, head.pose.level, (size, size)))


def _mean(plane, *tissues: Tissue) -> float:
    return float(plane.signal[np.isin(plane.labels, [int(t) for t in tissues])].mean())


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    code = (
        "import hashlib; from mriad_model.phantom.lesions import Lesion;"
        "from mriad_model.phantom.render import phantom_slice;"
        "from mriad_model.phantom.scanner import Contrast;"
        "p = phantom_slice(7, Contrast.FLAIR, Lesion.MASS, 128);"
        "print(hashlib.sha256(p.pixels.tobytes() + p.lesion_mask.tobytes()).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()
    here = phantom_slice(7, Contrast.FLAIR, Lesion.MASS, 128)
    digest = hashlib.sha256(here.pixels.tobytes() + here.lesion_mask.tobytes()).hexdigest()
    assert digest == other


def test_drawing_leaves_the_global_random_state_alone() -> None:
    before = np.random.get_state()[1].copy()
    phantom_slice(3, Contrast.T1, Lesion.INFARCT, 96)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_a_slice_is_8_bit_square_and_fills_a_usual_share_of_the_picture() -> None:
    for seed in range(6):
        drawn = phantom_slice(seed, Contrast.T1, size=128)
        assert drawn.pixels.shape == drawn.lesion_mask.shape == (128, 128)
        assert drawn.pixels.dtype == np.uint8
        foreground = (drawn.pixels > drawn.pixels.max() * 0.25).mean()
        assert 0.2 < foreground < 0.75


def test_a_healthy_head_has_an_empty_mask() -> None:
    assert not phantom_slice(1, Contrast.T1, None, 96).lesion_mask.any()
    assert not phantom_volume(1, Contrast.T1, None, (6, 48, 48)).lesion_mask.any()


@pytest.mark.parametrize("lesion", list(Lesion))
def test_every_lesion_meets_its_slice_and_lies_in_the_brain(lesion: Lesion) -> None:
    for seed in range(12):
        drawn = _plane(seed, Contrast.T1, lesion)
        healthy = _plane(seed, Contrast.T1, None)
        assert drawn.lesion_mask.sum() >= 6
        within = np.isin(healthy.labels, [*BRAIN_LABELS, int(Tissue.CSF), int(Tissue.DURA)])
        assert within[drawn.lesion_mask].mean() > 0.95


@pytest.mark.parametrize(
    ("lesion", "contrast", "share", "brighter"),
    [
        (Lesion.WHITE_MATTER, Contrast.T1, 0.5, False),
        (Lesion.WHITE_MATTER, Contrast.FLAIR, 0.5, True),
        (Lesion.INFARCT, Contrast.T1, 0.5, False),
        (Lesion.MASS, Contrast.FLAIR, 0.8, True),  # its core is dark
    ],
)
def test_lesions_change_the_signal_in_the_direction_radiology_knows(
    lesion: Lesion, contrast: Contrast, share: float, brighter: bool
) -> None:
    right = 0
    for seed in range(10):
        drawn, healthy = _plane(seed, contrast, lesion), _plane(seed, contrast, None)
        tissue = np.isin(healthy.labels, BRAIN_LABELS) & drawn.lesion_mask
        change = np.quantile((drawn.signal - healthy.signal)[tissue], share)
        right += (change > 0) == brighter
    assert right >= 9


def test_an_infarct_has_a_dark_core_and_a_bright_rim_on_flair() -> None:
    drawn = _plane(4, Contrast.FLAIR, Lesion.INFARCT, 256)
    white = _mean(_plane(4, Contrast.FLAIR, None, 256), Tissue.WHITE)
    inner = cv2.erode(drawn.lesion_mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert drawn.signal[inner].min() < 0.7 * white
    assert drawn.signal[drawn.lesion_mask].max() > 1.1 * white


def test_a_mass_is_ringed_on_t1() -> None:
    found = 0
    for seed in range(8):
        drawn = _plane(seed, Contrast.T1, Lesion.MASS, 256)
        values = drawn.signal[drawn.lesion_mask]
        found += values.max() > 0.9 and values.min() < 0.6
    assert found >= 7


@pytest.mark.parametrize("seed", range(4))
def test_tissue_contrast_has_the_right_order(seed: int) -> None:
    t1, flair = _plane(seed, Contrast.T1, None), _plane(seed, Contrast.FLAIR, None)
    assert _mean(t1, Tissue.WHITE) > _mean(t1, Tissue.GREY) > _mean(t1, Tissue.CSF)
    assert _mean(flair, Tissue.GREY) > _mean(flair, Tissue.WHITE) > _mean(flair, Tissue.CSF)


def test_a_plane_of_the_volume_is_the_plane_drawn_alone() -> None:
    shape = (9, 64, 64)
    volume = phantom_volume(5, Contrast.T1, Lesion.MASS, shape)
    head = draw_head(5)
    number = 4
    grid = axial_grid(head.pose, volume_levels(shape[0])[number], shape[1:])
    alone = draw_plane(head, Contrast.T1, lesion_of(5, Lesion.MASS), grid)
    np.testing.assert_array_equal(volume.labels[number], alone.labels)
    np.testing.assert_array_equal(volume.lesion_mask[number], alone.lesion_mask)


def test_the_same_point_is_the_same_tissue_on_a_finer_grid() -> None:
    head = draw_head(2)
    coarse = axial_grid(head.pose, 12.0, (65, 65))
    fine = axial_grid(head.pose, 12.0, (129, 129))
    # The middle sample of both grids is one point of the head.
    for axis in range(3):
        assert section_of(head, coarse).points[axis][32, 32] == pytest.approx(
            section_of(head, fine).points[axis][64, 64], abs=0.05
        )


def test_a_volume_holds_air_above_and_brain_within() -> None:
    volume = phantom_volume(8, Contrast.FLAIR, None, (18, 64, 64))
    assert volume.voxels.shape == volume.labels.shape == (18, 64, 64)
    assert volume.spacing[0] == pytest.approx(10.0)
    litres = np.isin(volume.labels, BRAIN_LABELS).sum() * np.prod(volume.spacing) / 1e6
    assert 0.8 < litres < 1.9  # adults: about 1.0 to 1.6
    assert not np.isin(volume.labels[-1], BRAIN_LABELS).any()


def test_heads_are_nearly_but_not_quite_symmetric() -> None:
    for seed in range(4):
        head = draw_head(seed)
        x, _, _ = section_of(head, axial_grid(head.pose, 10.0, (96, 96))).points
        brain = np.isin(
            draw_plane(head, Contrast.T1, None, axial_grid(head.pose, 10.0, (96, 96))).labels,
            BRAIN_LABELS,
        )
        left, right = int((brain & (x < 0)).sum()), int((brain & (x > 0)).sum())
        assert left != right
        assert abs(left - right) / (left + right) < 0.08


def test_seeds_are_not_twins_under_the_rule_that_finds_them() -> None:
    prints = [fingerprint(phantom_slice(seed, Contrast.T1, None, 128).pixels) for seed in range(60)]
    assert len(set(twin_groups(prints))) == 60


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.png"))}


def test_a_folder_written_twice_is_the_same_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_folder(tmp_path / name, 3, 4, seed=9, size=64, masks=tmp_path / name / "masks")
    files = _files(tmp_path / "a")
    assert files == _files(tmp_path / "b")
    assert len(files) == 3 + 4 + 4
    assert len(set(files.values())) == len(files)
    write_folder(tmp_path / "c", 3, 4, seed=10, size=64)
    assert not set(files.values()) & set(_files(tmp_path / "c").values())


def test_masks_bear_the_names_of_the_abnormal_slices(tmp_path: Path) -> None:
    write_folder(tmp_path, 1, 3, seed=0, size=64, contrast=Contrast.FLAIR, masks=tmp_path / "masks")
    names = sorted(p.name for p in (tmp_path / "yes").iterdir())
    assert names == sorted(p.name for p in (tmp_path / "masks").iterdir())
    for name in names:
        mask: NDArray[np.uint8] = cv2.imread(str(tmp_path / "masks" / name), 0)
        assert set(np.unique(mask)) == {0, 255}


def test_many_slices_are_as_many_as_asked_for_and_distinct(tmp_path: Path) -> None:
    many_slices(tmp_path, 11, seed=2, size=48, workers=1, suffix=".png")
    assert len({p.read_bytes() for p in tmp_path.iterdir()}) == 11


def test_the_number_of_processes_leaves_the_bytes_alone(tmp_path: Path) -> None:
    for workers in (1, 2):
        many_slices(tmp_path / str(workers), 10, seed=4, size=48, workers=workers, suffix=".png")
    assert _files(tmp_path / "1") == _files(tmp_path / "2")


def test_what_cannot_be_drawn_or_written_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="32"):
        phantom_slice(0, Contrast.T1, size=8)
    with pytest.raises(SettingsError, match="gif"):
        many_slices(tmp_path, 1, seed=0, size=48, suffix=".gif")
