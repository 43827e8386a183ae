"""Pretraining on drawn heads: the weights that every fine-tuning starts from, from no patient.

    python -m mriad_model.detection.training.pretraining FILE

draws the heads, trains in one go and writes the weights with what they are made by. The file in
the repository is `pretrained/drawn_heads.safetensors`, read by `pretrained_network`. It took 5,700
steps and 20 minutes on one core. The length was chosen on no image: on drawn heads, the loss of
masses fell to 1.52, from 1.74 after 2,500 steps of half as many samples.
"""

import argparse
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Final

import safetensors.torch
import torch

from mriad_model.detection.networks.implant_network import (
    ImplantNetwork,
    new_network,
    stored_network,
)
from mriad_model.detection.training.drawn_heads import drawn_heads
from mriad_model.detection.training.fit_progress import Epoch
from mriad_model.detection.training.implant_training import ImplantSchedule, train_on_implants
from mriad_model.errors import ModelFileError
from mriad_model.files import write_atomically
from mriad_model.implants.kinds import BROAD, MASSES, PLAIN, Mixture

METADATA_KEY: Final = "mriad-pretraining"
WEIGHTS: Final = "pretrained/drawn_heads.safetensors"  # beside this module
SHA256: Final = "784ecbff9418a4dc32da5bbbb2e7daf3e1c57715372f211d47eecc5ac0390a7a"  # of that file
MIXTURES: Final[dict[str, Mixture]] = {"broad": BROAD, "plain": PLAIN, "masses": MASSES}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pretraining:
    """One run. Each stage has its own mixture of implants and its own learning rate cycle."""

    heads: int = 260  # each drawn twice, T1- and FLAIR-like
    stages: tuple[tuple[str, int], ...] = (("broad", 900), ("plain", 2400), ("masses", 2400))
    learning_rate: float = 3e-3
    batch_size: int = 16
    seed: int = 0


def pretrain(plan: Pretraining) -> bytes:
    """The weights after all stages, as a safetensors file. The same plan gives the same bytes."""
    device, source = torch.device("cpu"), drawn_heads(plan.heads)
    network = new_network(torch.Generator().manual_seed(plan.seed))
    for number, (name, steps) in enumerate(plan.stages):
        schedule = ImplantSchedule(
            steps, MIXTURES[name], plan.learning_rate, plan.batch_size, plan.seed + number
        )
        network, _ = train_on_implants(
            network, [source], None, schedule, device=device, progress=_tell
        )
    about = json.dumps(asdict(plan), sort_keys=True)
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    return safetensors.torch.save(tensors, {METADATA_KEY: about})


def pretrained_network() -> ImplantNetwork:
    """The network with the weights of the repository. Raises ModelFileError where they differ."""
    data = (files(__package__) / WEIGHTS).read_bytes()
    found = sha256(data).hexdigest()
    if found != SHA256:
        raise ModelFileError(
            f"the pretrained weights {WEIGHTS} have the hash {found[:16]}, not {SHA256[:16]}: "
            "check the installation, or make them anew: "
            "python -m mriad_model.detection.training.pretraining"
        )
    return stored_network(safetensors.torch.load(data))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the pretraining as it stands above and write its weights."""
    parser = argparse.ArgumentParser(description="Pretrain the implant network on drawn heads.")
    parser.add_argument("file", type=Path, help="where to write the weights (safetensors)")
    path = parser.parse_args(arguments).file
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    plan, started = Pretraining(), time.perf_counter()
    data = pretrain(plan)
    write_atomically(path, data)
    steps = sum(steps for _, steps in plan.stages)
    seconds = time.perf_counter() - started
    log.info("%d steps in %.0f s, sha256 %s", steps, seconds, sha256(data).hexdigest())


def _tell(epoch: Epoch) -> None:
    if epoch.number % 10 == 0:
        log.info("round %d of %d: loss %.4f", epoch.number, epoch.max_epochs, epoch.train_loss)


if __name__ == "__main__":
    main()
