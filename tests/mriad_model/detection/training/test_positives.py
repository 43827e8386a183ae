from dataclasses import replace

import numpy as np
import pytest
import torch

from mriad_model.detection.model import fit
from mriad_model.detection.training.implant_training import Batch, draw_batch, implant_loss
from mriad_model.detection.training.positives import Positives, joined_positives, upright_positives
from mriad_model.implants.kinds import MASSES
from mriad_model.implants.sample import draw_positive
from mriad_model.preprocessing.slices import Placement, SliceBatch, onto_square
from mriad_model.recipes.built_in_recipes import DEFAULT
from mriad_model.recipes.recipe import ImplantTraining
from tests.support.scans.drawn_slices import drawn_slices

QUICK = replace(
    DEFAULT,
    training=replace(
        DEFAULT.training, max_epochs=1, batch_size=4, implants=ImplantTraining(drawn_heads=1)
    ),
)


def positives(n=4, *, masked=True):
    """Drawn heads with a bright square, and where it is."""
    slices = drawn_slices(n, QUICK, seed=11)
    images, lesions = slices.images.copy(), np.zeros_like(slices.images)
    images[:, 50:62, 78:90] = 1.0
    if masked:
        lesions[:, 50:62, 78:90] = 1.0
    return Positives(SliceBatch(images, slices.masks), lesions, np.full(n, masked))


def test_a_lesion_takes_the_pose_of_its_slice():
    source = upright_positives(positives(), 1.0)
    plain = replace(MASSES, curves=0.0)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        image = source.lesions[0] * 0.8 + 0.1  # nothing but the lesion is bright
        sample = draw_positive(rng, image, source.masks[0], source.lesions[0], plain)
        assert 60 < sample.label.sum() < 260  # of 144 pixels
        rest = sample.mask & ~sample.label
        assert sample.image[sample.label].mean() > sample.image[rest].mean() + 0.2


def test_of_a_slice_without_a_mask_the_largest_logit_alone_is_told():
    source = upright_positives(positives(masked=False), 1.0)
    batch = draw_batch(np.random.default_rng(0), [source], MASSES, 4)
    assert batch.unmasked.all()
    assert batch.labels.sum() == 0
    logits = torch.full((4, 1, 64, 64), -3.0, requires_grad=True)
    with torch.no_grad():
        logits[:, :, 30:34, 30:34] = 1.0
    implant_loss(logits, batch).backward()
    pulled = logits.grad != 0
    assert pulled[:, :, 29:35, 29:35].any()
    assert not pulled[:, :, :20].any()  # no pixel is told that it is healthy
    assert (logits.grad <= 0).all()  # the largest is told to be larger
    told = Batch(batch.images, batch.places, batch.masks, batch.labels)
    other = torch.full((4, 1, 64, 64), -3.0, requires_grad=True)
    implant_loss(other, told).backward()
    assert (other.grad > 0).any()


def test_training_learns_from_positives_and_is_the_same_again():
    slices = drawn_slices(6, QUICK), drawn_slices(4, QUICK, seed=1)
    plain = fit(*slices, QUICK, device="cpu").to_bytes()
    for masked in (True, False):
        given = positives(masked=masked)
        one, again = (fit(*slices, QUICK, "cpu", positives=given).to_bytes() for _ in range(2))
        assert one == again != plain


def test_positives_are_joined_in_their_order():
    assert joined_positives([]) is None
    joined = joined_positives([positives(2), positives(1, masked=False)])
    assert len(joined) == len(joined.slices) == 3
    assert joined.masked.tolist() == [True, True, False]


@pytest.mark.parametrize("side", [20, 128, 300])
def test_a_mask_lies_on_the_prepared_square_where_the_picture_does(side):
    mask = np.zeros((side, side), np.bool_)
    mask[side // 4 : side // 2, side // 2 : 3 * side // 4] = True
    whole = onto_square(mask, Placement(side, side, 0, 0, side, side), 64)
    assert whole.shape == (64, 64)
    assert whole.sum() == pytest.approx(256, abs=20)
    rows, columns = np.nonzero(whole > 0.5)
    assert (rows.mean(), columns.mean()) == pytest.approx((23.5, 39.5), abs=0.7)
    tiny = np.zeros((640, 640), np.bool_)
    tiny[5, 5] = True  # a hundredth of a pixel of the square
    assert onto_square(tiny, Placement(640, 640, 0, 0, 640, 640), 64).sum() == pytest.approx(
        0.01, abs=0.005
    )
