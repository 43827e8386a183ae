import numpy as np

from mriad_model.detection.training.drawn_heads import drawn_heads


def test_heads_are_drawn_twice_in_their_range_and_upright():
    source = drawn_heads(2)
    assert source.images.shape == source.masks.shape == (4, 128, 128)
    assert 0 <= source.images.min() <= source.images.max() <= 1
    for image, mask in zip(source.images, source.masks, strict=True):
        assert 0.2 < mask.mean() < 0.9
        assert np.corrcoef(image[mask], image[:, ::-1][mask])[0, 1] > 0.5


def test_fewer_heads_are_the_first_of_more():
    np.testing.assert_array_equal(drawn_heads(1).images, drawn_heads(2).images[:2])
