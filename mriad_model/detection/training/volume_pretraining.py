"""What volumes are measured by before a site has shown any: made of drawn heads, of no patient.

    python -m mriad_model.detection.training.volume_pretraining

draws heads, and writes the mean heads that scans are registered to and the weights of the network
that weighs z-maps. The same version on the same machine writes the same bytes. Where the mean heads
come out otherwise, their hash goes to `SHA256` in `mriad_model.normative.registration.mean_heads`,
and the command is run again to train the network; the hash of its file goes to
`mriad_model.normative.z_maps.network`.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Final

import numpy as np
import torch
from safetensors.torch import save

from mriad_model.detection.networks.devices import repeatable
from mriad_model.files import write_atomically
from mriad_model.normative.framed_head import framed_head
from mriad_model.normative.norm import OF_NETWORK, Norm, norm_of
from mriad_model.normative.registration.affine import (
    COARSE,
    FINE,
    Search,
    halved,
    refine,
    register,
    vertex,
)
from mriad_model.normative.registration.frame import Floats, Matrix, SliceStack, evened
from mriad_model.normative.registration.mean_heads import (
    FLAIR,
    PATH,
    T1,
    drawn_template,
    drawn_templates,
    to_file,
)
from mriad_model.normative.registration.resampling import onto_frame
from mriad_model.normative.registration.template import Template, levelled
from mriad_model.normative.z_maps.network import WEIGHTS
from mriad_model.normative.z_maps.network_training import HealthyHead, ZMapTraining, train_network
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.scanner import BRAIN, Contrast, Tissue

SEED: Final = 81_000_000  # of the first head; tests and demonstrations draw others
DRAWN_SHAPE: Final = (60, 128, 128)  # slices of 3 mm, pixels of 1.7 to 2 mm
N_MEAN: Final = 12  # heads in a mean
N_HEADS: Final = 40  # heads that the network is trained on
METADATA_KEY: Final = "mriad"
EVERY: Final = 50  # steps between two lines of progress
ROUNDS: Final = 2  # of registering them to their mean
VERTEX: Final = (0.0, 17.0, 77.0)  # mm: where a drawn head's lies in the frame, about
WINDOW: Final = (1.0, 99.5)  # percentiles of the head that become 0 and 1
AIR: Final = 0.1  # of the 99th percentile


@dataclass(frozen=True, slots=True, eq=False)
class DrawnStack:
    """A drawn head."""

    head: SliceStack
    brain: SliceStack  # 1 where its brain or the fluid around it is


def drawn_stack(number: int, contrast: Contrast) -> DrawnStack:
    """The head of a number; the same person in both contrasts."""
    drawn = phantom_volume(SEED + number, contrast, None, DRAWN_SHAPE)
    voxels = drawn.voxels.astype(np.float32)
    seen = voxels[voxels > AIR * np.percentile(voxels, 99)]
    low, high = np.percentile(seen, WINDOW)
    grey = np.clip((voxels - np.float32(low)) / np.float32(high - low), 0, 1)
    inside = np.isin(drawn.labels, [*map(int, BRAIN), int(Tissue.CSF)])
    step, pixel, _ = drawn.spacing
    heights = np.arange(len(voxels), dtype=np.float64) * step
    return DrawnStack(
        SliceStack(grey, pixel, heights), SliceStack(inside.astype(np.float32), pixel, heights)
    )


def mean_heads(
    t1: Sequence[DrawnStack], flair: Sequence[DrawnStack]
) -> tuple[dict[str, Floats], Floats]:
    """The symmetric mean of heads in each contrast, (52, 64, 64) each, and their brains' share.

    The same people are in both, so one registration of each serves both.
    """
    matrices = [_about(each.head) for each in t1]
    for _ in range(ROUNDS):
        template = _mean(t1, matrices)
        matrices = [_registered(each.head, template) for each in t1]
    found = {T1: _mean(t1, matrices), FLAIR: _mean(flair, matrices)}
    return {name: each.mean for name, each in found.items()}, found[T1].brain


def _about(stack: SliceStack) -> Matrix:
    """Vertex upon vertex."""
    return np.hstack([np.eye(3), (vertex(halved(stack)) - np.array(VERTEX))[:, None]])


def _registered(stack: SliceStack, template: Template) -> Matrix:
    search = Search(stack, template)
    return search.matched(search.matched(_about(stack), COARSE).matrix, FINE).matrix


def _mean(stacks: Sequence[DrawnStack], matrices: Sequence[Matrix]) -> Template:
    heads, brains = (
        np.mean([onto_frame(evened(part), at) for part, at in zip(parts, matrices, strict=True)], 0)
        for parts in ([each.head for each in stacks], [each.brain for each in stacks])
    )
    mean, brain = ((each + each[..., ::-1]) / 2 for each in (heads, brains))
    return Template(levelled(mean.astype(np.float32), brain), brain.astype(np.float32))


def healthy_heads(stacks: Sequence[SliceStack]) -> tuple[list[HealthyHead], Norm]:
    """T1-weighted drawn heads in the frame, and their norm."""
    template = drawn_template(T1)
    framed = []
    for stack in stacks:
        found = refine(stack, template, register(stack, drawn_templates(None)))
        framed.append(framed_head(stack, template, found))
    norm = norm_of((each.grey for each in framed), template.brain > 0.5, OF_NETWORK)
    return [HealthyHead.of(each) for each in framed], norm


def trained(
    stacks: Sequence[SliceStack], how: ZMapTraining, tell: Callable[[int, float], None]
) -> bytes:
    """The file of a network trained on drawn heads: weights, provenance, their hash."""
    heads, norm = healthy_heads(stacks)
    with repeatable(torch.device("cpu")):
        network = train_network(heads, norm, how, tell)
    weights = {name: each.contiguous() for name, each in network.state_dict().items()}
    about = {
        "training": asdict(how),
        "heads": {"number": len(stacks), "seed": SEED, "shape": DRAWN_SHAPE},
        "sha256": hash_of(weights),
    }
    return save(weights, {METADATA_KEY: json.dumps(about, sort_keys=True)})


def hash_of(weights: Mapping[str, torch.Tensor]) -> str:
    """The sha256 of weights, in the order of their names."""
    digest = sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].numpy().tobytes())
    return digest.hexdigest()


def main() -> None:
    """Draw, train, and write the files that are shipped."""
    started, losses = time.process_time(), list[float]()

    def tell(step: int, loss: float) -> None:
        losses.append(loss)
        if step % EVERY == 0:
            mean = sum(losses[-EVERY:]) / EVERY
            seconds = time.process_time() - started
            print(f"step {step}: loss {mean:.3f}, {seconds:.0f} s of CPU", flush=True)  # noqa: T201

    t1 = [drawn_stack(number, Contrast.T1) for number in range(N_HEADS)]
    flair = [drawn_stack(number, Contrast.FLAIR) for number in range(N_MEAN)]
    write_atomically(PATH, to_file(*mean_heads(t1[:N_MEAN], flair)))
    drawn_template.cache_clear()
    write_atomically(WEIGHTS, trained([each.head for each in t1], ZMapTraining(), tell))


if __name__ == "__main__":
    main()
