from dataclasses import replace

import pytest
import torch

from mriad_model.detection.networks.implant_network import SIDE, new_network
from mriad_model.detection.training.drawn_heads import upright_source
from mriad_model.detection.training.implant_training import (
    ROUND,
    Batch,
    ImplantSchedule,
    implant_loss,
    train_on_implants,
)
from mriad_model.errors import TrainingDiverged
from mriad_model.implants.kinds import PLAIN
from tests.support.scans.drawn_slices import ellipses

SHORT = ImplantSchedule(steps=12, mixture=PLAIN, learning_rate=2e-3, batch_size=2, seed=4)
CPU = torch.device("cpu")


def trained(schedule=SHORT, held_out=True, progress=None):
    slices = upright_source(ellipses(5, SIDE), 1.0)
    unseen = upright_source(ellipses(3, SIDE, seed=1), 1.0) if held_out else None
    network = new_network(torch.Generator().manual_seed(0))
    return train_on_implants(network, [slices], unseen, schedule, device=CPU, progress=progress)


def same(one, other):
    weights = one.state_dict(), other.state_dict()
    return all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.fixture(scope="module")
def once():
    return trained()


def test_the_same_seed_trains_the_same_bits_whatever_the_threads(once):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        again = trained()
    finally:
        torch.set_num_threads(before)
    assert same(once[0], again[0])
    assert once[1] == again[1]


def test_another_seed_trains_another_network(once):
    assert not same(once[0], trained(replace(SHORT, seed=5))[0])


def test_rounds_of_ten_steps_are_told_with_the_loss_on_held_out_slices(once):
    told = []
    _, loss = trained(progress=told.append)
    assert ROUND == 10
    assert [(epoch.number, epoch.max_epochs) for epoch in told] == [(1, 2), (2, 2)]
    assert told[-1].validation_loss == loss == once[1]


def test_without_held_out_slices_no_loss_is_told():
    assert trained(replace(SHORT, steps=1), held_out=False)[1] is None


@pytest.mark.parametrize("steps", [2, 3, 10])
def test_training_may_be_as_short_as_one_likes(steps):
    network, _ = trained(replace(SHORT, steps=steps), held_out=False)
    assert all(weight.isfinite().all() for weight in network.state_dict().values())


def test_a_loss_that_is_no_number_is_refused():
    with pytest.raises(TrainingDiverged, match="no number after step 10"):
        trained(replace(SHORT, learning_rate=float("inf")))


def test_the_loss_falls_as_logits_come_nearer_to_the_labels():
    labels = torch.zeros(2, 1, 64, 64)
    labels[0, 0, 20:30, 20:30] = 1
    masks = torch.ones(2, 1, 64, 64)
    batch = Batch(torch.zeros(2, 128, 128), torch.zeros(2, 3, 64, 64), masks, labels)
    losses = [float(implant_loss(k * (2 * labels - 1), batch)) for k in (-3, 0, 3, 9)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.01
