"""The notebook's way: one image at a time, and a three-panel matplotlib figure saved for each.

python -m benchmarks.scoring.seed_notebook FOLDER OUT N
"""

import json
import sys
from pathlib import Path
from time import perf_counter

import cv2
import matplotlib as mpl
import numpy as np
import torch

mpl.use("Agg")

from matplotlib import pyplot as plt

from mriad_model.detection.networks.autoencoder_network import build_network
from mriad_model.recipes.built_in_recipes import SEED


def run(folder: Path, out: Path, n: int) -> None:
    """Read, reconstruct, draw and save, image by image."""
    shape = SEED.detectors[0].network
    assert shape is not None
    network = build_network(shape, 128, torch.Generator().manual_seed(0)).eval()
    for path in sorted(folder.iterdir())[:n]:
        gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert gray is not None
        image = cv2.resize(gray, (128, 128)).astype(np.float32) / 255
        with torch.no_grad():
            found = network(torch.from_numpy(image)[None, None])[0, 0].numpy()
        error = (image - found) ** 2
        figure, axes = plt.subplots(1, 3, figsize=(12, 4))
        for axis, title, picture, colours in zip(
            axes,
            ("Original", "Reconstruction", "Error heatmap"),
            (image, found, error),
            ("gray", "gray", "hot"),
            strict=True,
        ):
            drawn = axis.imshow(picture, cmap=colours)
            axis.set_title(title)
            axis.axis("off")
        figure.colorbar(drawn, ax=axes[-1])
        figure.tight_layout()
        figure.savefig(out / f"{path.stem}.png")
        plt.close(figure)


def main() -> None:
    """Run once; print seconds as JSON."""
    folder, out, n = sys.argv[1:]
    started = perf_counter()
    run(Path(folder), Path(out), int(n))
    print(json.dumps({"images": int(n), "seconds": perf_counter() - started}))


if __name__ == "__main__":
    main()
