import json
import struct
from dataclasses import asdict

import numpy as np
import pytest
from safetensors.torch import load

from mriad_model.detection.training.volume_pretraining import (
    METADATA_KEY,
    N_HEADS,
    hash_of,
    mean_heads,
    trained,
)
from mriad_model.normative.registration.mean_heads import FLAIR, T1
from mriad_model.normative.z_maps.network import WEIGHTS
from mriad_model.normative.z_maps.network_training import ZMapTraining
from mriad_model.phantom.scanner import Contrast
from tests.support.scans.stacks import another


@pytest.fixture(scope="module")
def means():
    t1, flair = ([another(n, contrast) for n in range(2)] for contrast in Contrast)
    return mean_heads(t1, flair)


def test_mean_heads_are_symmetric_and_of_one_frame(means):
    heads, brain = means
    assert set(heads) == {T1, FLAIR}
    for mean in (*heads.values(), brain):
        assert np.array_equal(mean, mean[..., ::-1])
    edge = np.corrcoef(heads[T1][20:40].ravel(), heads[FLAIR][20:40].ravel())[0, 1]
    assert edge > 0.8


def test_a_brain_fills_about_a_litre_and_a_half(means):
    _, brain = means
    millilitres = brain.sum() * 3.0 * 3.5 * 3.5 / 1000
    assert 1200 < millilitres < 2200


def test_a_drawn_stack_is_a_head_and_its_brain():
    drawn = another()
    inside = drawn.brain.images > 0
    assert drawn.head.images[inside].mean() > 2 * drawn.head.images[~inside].mean()
    assert drawn.head.images.min() == 0
    assert drawn.head.images.max() == 1


def test_a_short_training_run_again_gives_the_same_file_with_its_hash():
    stacks = [another(n).head for n in range(2)]
    how = ZMapTraining(steps=2, heads=1, planes=4, with_lesion=2)

    first, again = (trained(stacks, how, lambda *_: None) for _ in range(2))

    assert first == again
    assert told(first)["sha256"] == hash_of(load(first))


def test_the_shipped_network_is_the_one_that_its_file_tells_of():
    data = WEIGHTS.read_bytes()
    assert told(data)["sha256"] == hash_of(load(data))
    assert told(data)["training"] == asdict(ZMapTraining())
    assert told(data)["heads"]["number"] == N_HEADS


def told(data: bytes) -> dict:
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(json.loads(data[8 : 8 + length])["__metadata__"][METADATA_KEY])
