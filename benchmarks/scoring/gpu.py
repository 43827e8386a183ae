"""Scoring on a CUDA device beside the CPU: how far scores move, slices a second, training time.

    python -m benchmarks.scoring.gpu [--slices 2048]

One script for a machine that is at hand for ten minutes. Ends with 1 where no device is found, or
where the device gives other bits the second time.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from benchmarks.__main__ import say
from mriad_model.detection.model import FittedModel, fit
from mriad_model.phantom.write import many_slices
from mriad_model.preprocessing.slices import SliceBatch, prepare, stack
from mriad_model.readers.images.reading import read_image
from mriad_model.recipes.built_in_recipes import DEFAULT

HEALTHY, HELD_OUT, SEED = 96, 32, 7
STEPS_EPOCHS = 10  # of ten steps each
RECIPE = replace(DEFAULT.with_training(max_epochs=STEPS_EPOCHS), cross_fitting=None)
NO_DEVICE = "no CUDA device is found here: nothing was measured"


def main() -> None:
    """Train on both devices, score by the CPU's model on both; print what came of it."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--slices", type=int, default=2048)
    n: int = options.parse_args().slices
    if not torch.cuda.is_available():
        say(NO_DEVICE)
        sys.exit(1)
    say(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    slices = drawn(HEALTHY + HELD_OUT + n)
    healthy, held_out, new = (
        slices.take(range(*bounds))
        for bounds in (
            (0, HEALTHY),
            (HEALTHY, HEALTHY + HELD_OUT),
            (HEALTHY + HELD_OUT, len(slices)),
        )
    )
    fitted = {device: trained(healthy, held_out, device) for device in ("cpu", "cuda")}
    scores = {}
    for device in fitted:
        model = FittedModel.from_bytes(fitted["cpu"].to_bytes(), device)
        model.score(new.take(range(min(16, n))))  # libraries warm up
        began = perf_counter()
        scores[device] = model.score(new)
        say(f"{device}: {n / (perf_counter() - began):.0f} slices/s scored, one thread")
    again = FittedModel.from_bytes(fitted["cpu"].to_bytes(), "cuda").score(new)
    away = np.abs(scores["cuda"].scores - scores["cpu"].scores).max() / scores["cpu"].scores.std()
    maps_away = np.abs(scores["cuda"].maps - scores["cpu"].maps).max()
    say(f"scores move by {away:.1e} of their spread at most, map values by {maps_away:.1e}")
    same = np.array_equal(again.maps, scores["cuda"].maps)
    say("the device gives the same bits twice" if same else "the device gives OTHER bits twice")
    sys.exit(0 if same else 1)


def drawn(n: int) -> SliceBatch:
    """Prepared slices of drawn heads."""
    with tempfile.TemporaryDirectory(prefix="mriad-bench-") as scratch:
        many_slices(Path(scratch), n, SEED)
        paths = sorted(Path(scratch).iterdir())
        return stack([prepare(read_image(path).pixels, RECIPE.preprocessing) for path in paths])


def trained(healthy: SliceBatch, held_out: SliceBatch, device: str) -> FittedModel:
    """A model trained on a device for a moment."""
    began = perf_counter()
    model = fit(healthy, held_out, RECIPE, device)
    say(f"{device}: trained in {perf_counter() - began:.1f} s")
    return model


if __name__ == "__main__":
    main()
