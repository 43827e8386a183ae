"""PaDiM as a comparator: its Gaussians, with a stand-in for the pretrained network."""

import importlib.util
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mriad_model.errors import SettingsError
from mriad_model.evaluation.baselines import padim
from mriad_model.evaluation.baselines.padim import PADIM, fit_padim, is_installed
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.recipes.recipe import Recipe


class Standin(nn.Module):
    """Seeded convolutions at the sizes and widths of EfficientNet-lite0."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self._conv_stem = nn.Conv2d(3, 8, 3, 2, 1)
        self._bn0, self._swish = nn.Identity(), nn.ReLU()
        self._blocks = nn.ModuleList(
            [nn.Conv2d(8, 24, 3, 2, 1), nn.Conv2d(24, 40, 3, 2, 1), nn.Conv2d(40, 112, 3, 2, 1)]
        )


def slices(n: int, seed: int, spot: bool = False) -> SliceBatch:
    rng = np.random.default_rng(seed)
    images = (0.5 + 0.05 * rng.normal(size=(n, 224, 224))).astype(np.float32)
    if spot:
        images[:, 100:130, 60:90] = 1.0
    return SliceBatch(images, np.ones((n, 224, 224), bool))


def test_what_healthy_slices_lack_stands_out_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(padim, "_network", lambda: Standin().eval())
    model = fit_padim(slices(12, 0), slices(3, 1), PADIM)
    healthy, ill = model.score(slices(4, 2)), model.score(slices(4, 3, spot=True))
    assert ill.scores.min() > healthy.scores.max()
    assert ill.maps.shape == (4, 56, 56)
    peaks = [np.unravel_index(each.argmax(), each.shape) for each in ill.maps]
    assert all(23 <= row <= 35 and 13 <= column <= 25 for row, column in peaks)
    assert model.training.n_train == 12
    assert model.colour_low < model.colour_high


def test_without_its_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(padim, "find_spec", lambda _: None)
    assert not is_installed()
    with pytest.raises(SettingsError, match="extra features"):
        fit_padim(slices(2, 0), None, PADIM)


def test_its_recipe_travels_as_any_other() -> None:
    assert Recipe.from_json(PADIM.to_json()) == PADIM


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite_pytorch") is None, reason="extra features missing"
)
def test_the_packages_weights_fit_the_packages_network() -> None:
    network: Any = padim._network()
    levels: list[Tensor] = padim._levels(network, torch.zeros(1, 3, 224, 224))
    assert [level.shape[1] for level in levels] == [24, 40, 112]
