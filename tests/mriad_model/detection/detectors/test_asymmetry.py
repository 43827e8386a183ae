import math

import pytest
import torch

from mriad_model.detection.detectors.asymmetry import Asymmetry
from mriad_model.detection.maps.midline import find_midline, reflect


def drawn_heads(degrees, shift, size=128):
    """One head symmetric about a line turned by `degrees`, moved by `shift` half sides in x."""
    y, x = torch.meshgrid(*[(torch.arange(size) + 0.5) * 2 / size - 1] * 2, indexing="ij")
    turn = math.radians(degrees)
    x = x - shift
    across = x * math.cos(turn) + y * math.sin(turn)
    along = -x * math.sin(turn) + y * math.cos(turn)
    head = (across / 0.55) ** 2 + (along / 0.75) ** 2 < 1
    spots = torch.exp(-((across.abs() - 0.25) ** 2 + (along - 0.3) ** 2) / 0.02)
    return (head * (0.4 + 0.5 * spots))[None].float()


@pytest.mark.parametrize("degrees", [-13.0, 0.0, 5.0, 17.0])
@pytest.mark.parametrize("shift", [-0.1, 0.0, 0.06])
def test_the_midline_is_found(degrees, shift):
    angle, offset = find_midline(drawn_heads(degrees, shift))

    assert math.degrees(angle) == pytest.approx(degrees, abs=1.5)
    assert offset == pytest.approx(shift * math.cos(math.radians(degrees)), abs=0.02)


def test_a_reflection_about_the_midline_is_an_involution():
    images = drawn_heads(8.0, 0.05)
    line = torch.tensor([math.radians(8.0)]), torch.tensor([0.05 * math.cos(math.radians(8.0))])

    twice = reflect(reflect(images, *line), *line)

    assert (twice - images).abs().mean() < 0.01


def test_a_spot_on_one_side_stands_out():
    images = drawn_heads(6.0, 0.04)
    images[0, 70:78, 40:48] = 1.0

    maps = (images - Asymmetry().expected(images)).abs()

    assert maps[0, 70:78, 40:48].mean() > 8 * maps[0].mean()


def test_a_spot_shows_on_its_own_side_only():
    images = drawn_heads(0.0, 0.0, size=64)
    images[0, 35:39, 20:24] = 1.0

    maps = (images - Asymmetry().expected(images)).abs()

    assert maps[0, 35:39, 20:24].mean() > 0.3
    assert maps[0, 35:39, 40:44].mean() < 0.05


def test_a_hole_shows_on_its_own_side_only():
    images = drawn_heads(0.0, 0.0, size=64)
    images[0, 18:22, 20:24] = 0.05

    maps = (images - Asymmetry().expected(images)).abs()

    assert maps[0, 18:22, 20:24].mean() > 0.2
    assert maps[0, 18:22, 40:44].mean() < 0.05


def test_a_black_slice_has_no_asymmetry():
    assert not Asymmetry().expected(torch.zeros(2, 64, 64)).any()
