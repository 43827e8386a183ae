"""Shares of pictures new to a gate that it finds not scorable."""

from importlib.resources import files

import numpy as np

from benchmarks.evaluation.gate_shares import (
    CHOSEN_ON,
    CROPS,
    NOISE,
    OTHER,
    PictureSet,
    noise,
    photographs,
)
from benchmarks.evaluation.gate_shares import not_scorable_shares as shares_of
from mriad_model.phantom.render import phantom_slice
from mriad_model.phantom.scanner import Contrast
from mriad_model.preprocessing.slices import prepare, stack
from mriad_model.recipes.built_in_recipes import DEFAULT


def test_photographs_come_with_the_libraries_and_noise_is_drawn() -> None:
    names = *CHOSEN_ON, *OTHER
    crops = list(photographs(files(package).joinpath(name).read_bytes() for package, name in names))
    assert len(crops) == CROPS * len(names)
    assert all(each.ndim == 2 and min(each.shape) > 50 and each.std() > 1 for each in crops)
    assert len(list(noise())) == NOISE


def test_noise_is_not_scorable_by_a_gate_of_drawn_heads_and_few_new_heads_are() -> None:
    heads = [phantom_slice(i, Contrast.FLAIR, None, 96).pixels for i in range(30)]
    own = PictureSet(
        stack([prepare(each, DEFAULT.preprocessing) for each in heads]),
        np.arange(30) >= 28,
        np.arange(30),
        np.arange(30) == 29,
    )
    strange = stack([prepare(each, DEFAULT.preprocessing) for each in list(noise())[:6]])
    found = shares_of(own, {"noise": strange}, 2)
    assert found["noise"] == 1.0
    assert found["own healthy pictures"] <= 0.25
    assert set(found) == {"own healthy pictures", "own abnormal pictures", "noise"}
