"""Engines for the network of `default`: CPU time a slice, and how far scores move.

    python -m benchmarks.scoring.engines [--slices 64]

torch in float32, as scoring has it, and in bfloat16; OpenVINO and ONNX Runtime where they are
installed (`pip install openvino onnxruntime onnx onnxscript` into an environment of their own). One
thread each. Scores move by the largest difference, over the spread of the scores.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from time import process_time

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.__main__ import say
from mriad_model.detection.maps.midline import turned_upright
from mriad_model.detection.networks.batches import BATCH
from mriad_model.detection.networks.implant_network import ImplantNetwork, inputs_of_both, places_of
from mriad_model.detection.training.pretraining import pretrained_network
from mriad_model.phantom.write import many_slices
from mriad_model.preprocessing.slices import prepare, stack
from mriad_model.readers.images.reading import read_image
from mriad_model.recipes.built_in_recipes import DEFAULT

Engine = Callable[[Tensor], NDArray[np.float32]]
ROUNDS = 3
SEED = 7


class Logits(nn.Module):
    """The network from its laid-out inputs (16, 13, 64, 64) on, as engines convert it."""

    def __init__(self, network: ImplantNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits, (16, 1, 64, 64)."""
        return self.network.logits(inputs)


def main() -> None:
    """Print a line an engine."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--slices", type=int, default=64)
    n = options.parse_args().slices // BATCH * BATCH
    torch.set_num_threads(1)
    network = pretrained_network().eval().requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    inputs = drawn_inputs(n)
    before, base = measure(torch_engine(network), inputs)
    say(f"torch, float32     {1000 * base / n:6.2f} ms a slice")
    for name, make in {
        "torch, bfloat16": bfloat16_engine,
        "OpenVINO, float32": openvino_engine,
        "ONNX Runtime": onnx_engine,
    }.items():
        try:
            engine = make(network)
        except ModuleNotFoundError as error:
            say(f"{name:<18} not installed ({error.name})")
            continue
        found, seconds = measure(engine, inputs)
        away = np.abs(found - before).max() / before.std()
        say(
            f"{name:<18} {1000 * seconds / n:6.2f} ms a slice, {base / seconds:.2f} x as fast; "
            f"scores move by {away:.1e} of their spread"
        )


def drawn_inputs(n: int) -> list[Tensor]:
    """Batches of what the network sees of drawn heads, 256 x 256."""
    with tempfile.TemporaryDirectory(prefix="mriad-bench-") as scratch:
        many_slices(Path(scratch), n, SEED)
        slices = [
            prepare(read_image(path).pixels, DEFAULT.preprocessing)
            for path in sorted(Path(scratch).iterdir())
        ]
    batch, found = stack(slices), []
    for start in range(0, n, BATCH):
        piece = batch.take(range(start, start + BATCH))
        turned = turned_upright(torch.from_numpy(piece.images), torch.from_numpy(piece.masks))
        places = torch.from_numpy(places_of(turned.masks.numpy()))
        found.append(inputs_of_both(turned.images, places)[0])
    return found


def measure(engine: Engine, inputs: list[Tensor]) -> tuple[NDArray[np.float64], float]:
    """The largest logit of each slice, (N,), and the least CPU seconds of a few rounds."""
    engine(inputs[0])
    best = np.inf
    for _ in range(ROUNDS):
        began = process_time()
        found = [engine(each) for each in inputs]
        best = min(best, process_time() - began)
    peaks = np.concatenate([each.max(axis=(1, 2, 3)) for each in found])
    return peaks.astype(np.float64), best


def torch_engine(network: ImplantNetwork) -> Engine:
    """As scoring has it."""

    def run(inputs: Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(network.logits(inputs).numpy(), np.float32)

    return run


def bfloat16_engine(network: ImplantNetwork) -> Engine:
    """Convolutions in bfloat16, which newer processors do in hardware."""

    def run(inputs: Tensor) -> NDArray[np.float32]:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            return np.asarray(network.logits(inputs).float().numpy(), np.float32)

    return run


def openvino_engine(network: ImplantNetwork) -> Engine:
    """OpenVINO in float32 on the calling thread's core. Raises ModuleNotFoundError."""
    import openvino  # noqa: PLC0415 - not among mriad's libraries

    example = torch.zeros(BATCH, 13, 64, 64)
    converted = openvino.convert_model(Logits(network), example_input=example)
    converted.reshape({0: list(example.shape)})
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    compiled = openvino.compile_model(converted, "CPU", hints)
    return lambda inputs: np.asarray(compiled([inputs.contiguous().numpy()])[0], np.float32)


def onnx_engine(network: ImplantNetwork) -> Engine:
    """ONNX Runtime on one thread. Raises ModuleNotFoundError."""
    import onnxruntime  # noqa: PLC0415 - not among mriad's libraries

    if find_spec("onnxscript") is None:
        raise ModuleNotFoundError("no onnxscript", name="onnxscript")
    example = torch.zeros(BATCH, 13, 64, 64)
    with tempfile.TemporaryDirectory(prefix="mriad-bench-") as scratch:
        path = Path(scratch) / "network.onnx"
        torch.onnx.export(Logits(network), (example,), path, dynamo=False, input_names=["inputs"])
        written = path.read_bytes()
    how = onnxruntime.SessionOptions()
    how.intra_op_num_threads = how.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(written, how, providers=["CPUExecutionProvider"])
    return lambda inputs: np.asarray(
        session.run(None, {"inputs": inputs.contiguous().numpy()})[0], np.float32
    )


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
