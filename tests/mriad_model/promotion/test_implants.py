import numpy as np
import pytest

from mriad_model.enums import ScanKind
from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.render import phantom_slice, phantom_volume
from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.write import phantom_affine
from mriad_model.preprocessing.foreground import head_mask
from mriad_model.promotion.implants import implanted_slice, implanted_volume, sized_implant
from mriad_model.promotion.power import EDGES, RADII, ImplantKind
from mriad_model.readers.images.reading import ImageScan
from mriad_model.readers.volume.volumes import Origin, Volume


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return phantom_slice(5, Contrast.T1, None, 128).pixels


@pytest.mark.parametrize("kind", Lesion)
def test_a_lesion_lies_inside_the_head_and_the_rest_is_untouched(
    pixels: np.ndarray, kind: Lesion
) -> None:
    for seed in range(12):
        changed, mask = implanted_slice(pixels, kind, str(seed))
        assert changed.dtype == pixels.dtype
        assert 5 < mask.sum() < 0.4 * head_mask(pixels).sum()
        different = changed != pixels
        assert different[mask].mean() > 0.7
        assert not (different & ~head_mask(pixels)).any()
        assert different.sum() < 2.5 * mask.sum() + 150  # a soft edge, and no further


def test_a_seed_is_a_lesion_and_another_is_another(pixels: np.ndarray) -> None:
    one, again, other = (implanted_slice(pixels, Lesion.MASS, seed)[0] for seed in ("a", "a", "b"))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_contrast_runs_from_plain_to_subtle(pixels: np.ndarray) -> None:
    sizes = []
    for seed in range(40):
        changed, mask = implanted_slice(pixels, Lesion.INFARCT, str(seed))
        sizes.append(np.abs(changed.astype(float) - pixels)[mask].mean())
    assert min(sizes) < 0.4 * max(sizes)


def test_sixteen_bit_and_constant_slices_are_taken(pixels: np.ndarray) -> None:
    deep = pixels.astype(np.uint16) * 200
    changed, mask = implanted_slice(deep, Lesion.MASS, "x")
    assert changed.dtype == np.uint16
    assert changed.max() <= 65535
    assert mask.any()
    implanted_slice(np.full((64, 64), 7, np.uint8), Lesion.MASS, "x")


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_volume_gets_a_solid_lesion_of_a_few_centimetres(dtype: type) -> None:
    drawn = phantom_volume(3, Contrast.T1, None, (30, 96, 80))
    volume = Volume(
        drawn.voxels.astype(dtype), phantom_affine(drawn), Origin(ScanKind.NIFTI), "0" * 64
    )
    before = volume.voxels.copy()
    changed, mask = implanted_volume(volume, Lesion.INFARCT, "a")
    assert np.array_equal(volume.voxels, before)
    assert changed.voxels.dtype == dtype
    assert (changed.voxels != before)[mask].mean() > 0.7
    assert np.count_nonzero(mask.any(axis=(1, 2))) >= 2  # several slices deep
    litres = mask.sum() * np.prod(drawn.spacing) / 1e6
    assert 0.0003 < litres < 0.12


@pytest.mark.parametrize("kind", ImplantKind)
def test_a_sized_implant_is_of_about_that_size_and_larger_radii_give_larger_ones(
    pixels: np.ndarray, kind: ImplantKind
) -> None:
    scan = ImageScan(pixels, "0" * 64)
    medians = []
    for radii in RADII:
        sizes = []
        for seed in range(9):
            changed, size = sized_implant(scan, kind, str(seed), radii)
            assert isinstance(changed, ImageScan)
            assert not np.array_equal(changed.pixels, pixels)
            sizes.append(size)
        medians.append(np.median(sizes))
    assert medians == sorted(medians)
    assert medians[0] < EDGES[1]
    assert medians[-1] > EDGES[1]
