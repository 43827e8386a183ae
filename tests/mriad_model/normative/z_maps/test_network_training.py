from dataclasses import replace

import numpy as np
import pytest
import torch

from mriad_model.normative.framed_head import FramedHead, head_in_frame
from mriad_model.normative.norm import OF_NETWORK, norm_of
from mriad_model.normative.registration.mean_heads import T1, drawn_template
from mriad_model.normative.z_maps.network_training import (
    HealthyHead,
    ZMapTraining,
    sample,
    train_network,
)

SHORT = ZMapTraining(steps=3, heads=1, planes=4, with_lesion=2, kept=2)


@pytest.fixture(scope="module")
def heads():
    template = drawn_template(T1)
    rng = np.random.default_rng(0)
    framed = []
    for _ in range(3):
        grey = template.mean * (1 + 0.05 * rng.standard_normal(template.mean.shape))
        framed.append(FramedHead(grey.astype(np.float32), head_in_frame(template.mean)))
    norm = norm_of((each.grey for each in framed), template.brain > 0.5, OF_NETWORK)
    return [HealthyHead.of(each) for each in framed], norm


def weights(heads, how: ZMapTraining) -> dict[str, torch.Tensor]:
    torch.set_num_threads(1)
    return train_network(*heads, how).state_dict()


def test_the_same_seed_gives_the_same_weights_and_another_others(heads):
    first, again = weights(heads, SHORT), weights(heads, SHORT)
    other = weights(heads, replace(SHORT, seed=1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_the_loss_falls(heads):
    losses: list[float] = []
    how = replace(SHORT, steps=16, replays=7)
    torch.set_num_threads(1)
    train_network(*heads, how, lambda _, loss: losses.append(loss))
    assert len(losses) == how.steps
    assert np.mean(losses[-4:]) < np.mean(losses[:4])


def test_a_healthy_sample_has_no_lesion_and_another_has_one_in_the_head(heads):
    healthy = sample(np.random.default_rng(0), heads[0], replace(SHORT, implanted=0.0))
    assert not healthy.lesion.any()
    found = 0
    for seed in range(6):
        ill = sample(np.random.default_rng(seed), heads[0], replace(SHORT, implanted=1.0))
        assert not ill.lesion[~ill.inside].any()
        assert ill.grey.min() >= 0
        assert ill.grey.max() <= 1
        found += ill.lesion.any()
    assert found >= 4


def test_a_lesion_is_told_where_the_head_changed(heads):
    plain = replace(SHORT, implanted=0.0, deformed=0.0)
    for seed in range(4):
        ill = sample(np.random.default_rng(seed), heads[0], replace(plain, implanted=1.0))
        assert np.count_nonzero(ill.lesion) < 0.3 * np.count_nonzero(ill.inside)
    again = sample(np.random.default_rng(0), heads[0], plain)
    assert np.array_equal(again.grey, sample(np.random.default_rng(0), heads[0], plain).grey)
