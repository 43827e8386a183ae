from dataclasses import replace

import cv2
import numpy as np
import pytest

from mriad_model.implants.kinds import BROAD, MASSES, Kind
from mriad_model.implants.place import SIDE, draw_place
from mriad_model.implants.sample import DRAW, draw_sample, implanted
from tests.support.scans.drawn_slices import ellipses


@pytest.fixture(scope="module")
def healthy():
    return ellipses(4, SIDE)


def depth_of(mask):
    depth = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, 3)
    return (depth / depth.max()).astype(np.float32)


def only(kind, mixture=MASSES):
    return replace(mixture, kinds={kind: 1.0}, anomalous=1.0, several=0.0)


def test_every_kind_can_be_drawn():
    assert set(DRAW) == set(Kind)
    assert {*BROAD.kinds, *MASSES.kinds} == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_nothing_outside_an_implant_is_changed_and_all_within_the_head(healthy, kind):
    image, mask = healthy.images[0], healthy.masks[0]
    rng = np.random.default_rng(1)
    for _ in range(8):
        place = draw_place(rng, image, healthy.images[1], depth_of(mask), (5.0, 28.0), 0.1)
        changed, alpha = DRAW[kind](rng, place, MASSES)
        assert (alpha >= 0).all()
        assert (alpha <= 1).all()
        assert changed.dtype == alpha.dtype == np.float32
        np.testing.assert_array_equal(changed[~mask], image[~mask])
        assert not alpha[~mask].any()
        if kind is not Kind.MASS:  # a mass also pushes what is around it
            np.testing.assert_array_equal(changed[alpha == 0], image[alpha == 0])


@pytest.mark.parametrize("kind", Kind)
def test_the_mask_of_an_implant_covers_what_is_plainly_changed(healthy, kind):
    image, mask = healthy.images[0], healthy.masks[0]
    plain = []
    for seed in range(12):
        rng = np.random.default_rng([2, seed])
        changed, label = implanted(rng, image, healthy.images, depth_of(mask), only(kind), 1)
        assert not label[~mask].any()
        if label.any():
            plain.append(np.abs(changed - image)[label].mean())
    assert len(plain) >= 4
    assert np.mean(plain) > 0.05


@pytest.mark.parametrize("kind", Kind)
def test_the_same_seed_gives_the_same_bits(healthy, kind):
    def drawn(seed):
        rng = np.random.default_rng(seed)
        return draw_sample(rng, healthy.images, healthy.masks, only(kind))

    one, two, other = drawn(7), drawn(7), drawn(8)

    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.label, two.label)
    assert not np.array_equal(one.image, other.image)


def test_samples_are_slices_in_their_range_and_some_are_healthy(healthy):
    samples = [
        draw_sample(np.random.default_rng([3, k]), healthy.images, healthy.masks, BROAD)
        for k in range(40)
    ]
    for sample in samples:
        assert sample.image.dtype == np.float32
        assert sample.image.min() >= 0
        assert sample.image.max() <= 1
        assert not sample.image[~sample.mask].any()
        assert not sample.label[~sample.mask].any()
    share = np.mean([sample.label.any() for sample in samples])
    assert 0.4 < share < 0.95


def test_a_head_without_depth_gets_no_implant():
    nothing = np.zeros((1, SIDE, SIDE), np.float32)
    sample = draw_sample(
        np.random.default_rng(0), nothing, nothing.astype(np.bool_), only(Kind.SOLID)
    )
    assert not sample.label.any()
    assert np.isfinite(sample.image).all()
