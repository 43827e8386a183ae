import json
from hashlib import sha256
from importlib.resources import files

import pytest
import torch
from safetensors import safe_open

from mriad_model.detection.networks.implant_network import bare_network
from mriad_model.detection.training import pretraining
from mriad_model.detection.training.pretraining import (
    METADATA_KEY,
    WEIGHTS,
    Pretraining,
    pretrain,
    pretrained_network,
)
from mriad_model.errors import ModelFileError

SHORT = Pretraining(heads=2, stages=(("broad", 2), ("masses", 3)), batch_size=2)


def test_a_short_run_twice_gives_the_same_bytes(tmp_path):
    data = pretrain(SHORT)
    assert sha256(pretrain(SHORT)).digest() == sha256(data).digest()
    path = tmp_path / "weights"
    path.write_bytes(data)
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()[METADATA_KEY])["stages"] == [["broad", 2], ["masses", 3]]
        assert set(file.keys()) == set(bare_network().state_dict())


def test_the_weights_of_the_repository_are_those_of_the_plan():
    path = files("mriad_model.detection.training") / WEIGHTS
    with safe_open(str(path), framework="pt") as file:
        about = json.loads(file.metadata()[METADATA_KEY])
    assert about == json.loads(json.dumps(pretraining.asdict(Pretraining())))
    weights = pretrained_network().state_dict()
    assert all(tensor.isfinite().all() for tensor in weights.values())
    assert not torch.equal(weights["out.weight"], torch.zeros_like(weights["out.weight"]))


def test_other_weights_than_those_known_by_their_hash_are_refused(monkeypatch):
    monkeypatch.setattr(pretraining, "SHA256", "0" * 64)
    with pytest.raises(ModelFileError, match="pretrained weights"):
        pretrained_network()


def test_the_command_writes_its_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining, "Pretraining", lambda: SHORT)
    pretraining.main([str(tmp_path / "weights.safetensors")])
    assert (tmp_path / "weights.safetensors").read_bytes() == pretrain(SHORT)
