"""anomalib's predict with pictures saved, on the slices of `make bench`.

anomalib lives in an environment of its own, build/anomalib, which --install makes by pip: about 1.5
GB. PaDiM learns from 64 drawn slices over a ResNet-18 whose weights are random, so nothing is
fetched; they do not matter for speed. Where anomalib is not there a line says so.

    python -m benchmarks.scoring.anomalib_predict [--install] [--slices 512]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

ENVIRONMENT: Final = Path(__file__).parents[2] / "build/anomalib"
ANOMALIB: Final = "2.7.0"
TORCH: Final = "2.13.0"  # as mriad's, so that both are measured on the same kernels
HEALTHY: Final = 64  # slices to learn from
SLICES: Final = 512
BATCH: Final = 32
SEED: Final = 7
SIDE: Final = 256  # pixels
A_SECOND: Final = 1e3  # ms


def line(n: int = SLICES, folder: Path | None = None) -> str:
    """What anomalib makes of n slices, of a folder or drawn anew; or why nothing."""
    if not python_of(ENVIRONMENT).exists():
        return (
            "anomalib's predict        not installed: benchmarks.scoring.anomalib_predict --install"
        )
    with tempfile.TemporaryDirectory(prefix="mriad-anomalib-") as scratch:
        if folder is None:
            from mriad_model.phantom.write import many_slices  # noqa: PLC0415 - not with anomalib

            folder = Path(scratch, "slices")
            many_slices(folder, n, SEED, SIDE)
        command = [str(python_of(ENVIRONMENT)), __file__, "--inside", str(folder), scratch, str(n)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no word"])[-1]
        return f"anomalib's predict        did not run: {why}"
    found = json.loads(done.stdout.splitlines()[-1])
    rate, cpu = found["images"] / found["seconds"], A_SECOND * found["cpu_s"] / found["images"]
    return (
        f"anomalib's predict        {rate:8.1f} images/s   (PaDiM, {found['images']} slices, "
        f"{found['pictures']} pictures saved, {cpu:.1f} ms of CPU a slice)"
    )


def install(environment: Path) -> str | None:
    """Make the environment; why it can't be made, or None."""
    venv.create(environment, with_pip=True, clear=True)
    constraints = environment / "constraints.txt"
    constraints.write_text(f"torch=={TORCH}\n")
    command = [str(python_of(environment)), "-m", "pip", "install", "--quiet", "--no-input"]
    wanted = ["-c", str(constraints), f"anomalib=={ANOMALIB}"]
    done = subprocess.run([*command, *wanted], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    python_of(environment).unlink()  # so that it does not count as installed
    errors = [each for each in done.stderr.splitlines() if each.startswith("ERROR")]
    return (errors or ["pip failed"])[-1]


def python_of(environment: Path) -> Path:
    """The Python of an environment."""
    return environment / "bin/python"


def _define_missing_operators() -> None:
    """Let torchvision be imported where its operators do not load: PaDiM uses none of them.

    PyPI's is built for CUDA, whose libraries a torch for CPUs comes without.
    """
    import torch  # noqa: PLC0415

    found = find_spec("torchvision")
    assert found is not None, "anomalib comes with it"
    assert found.origin is not None, "it is a package"
    try:
        torch.ops.load_library(Path(found.origin).with_name("_C.so"))  # type: ignore[no-untyped-call]
    except OSError:
        for name in ("nms", "qnms"):
            schema = "(Tensor boxes, Tensor scores, float iou) -> Tensor"
            torch.library.define(f"torchvision::{name}", schema)


def predict(folder: Path, work: Path, n: int) -> dict[str, float]:
    """Train on the first slices, predict the first n with pictures; runs beside anomalib alone."""
    # Nothing of mriad's, and nothing before it is known that this is anomalib's environment.
    from time import perf_counter, process_time  # noqa: PLC0415

    _define_missing_operators()
    from anomalib.data import Folder  # noqa: PLC0415
    from anomalib.engine import Engine  # noqa: PLC0415
    from anomalib.models import Padim  # noqa: PLC0415

    files = sorted(folder.iterdir())[:n]
    for name, some in (("healthy", files[:HEALTHY]), ("new", files)):
        (work / name).mkdir()
        for file in some:
            (work / name / file.name).symlink_to(file)
    learned_from = Folder(
        "drawn",
        root=work,
        normal_dir="healthy",
        train_batch_size=BATCH,
        eval_batch_size=BATCH,
        num_workers=0,
        test_split_mode="none",
        val_split_mode="from_train",
    )
    model: Any = Padim(backbone="resnet18", pre_trained=False, evaluator=False)
    out = work / "results"
    engine = Engine(default_root_dir=out, accelerator="cpu", devices=1, enable_progress_bar=False)
    engine.fit(model, datamodule=learned_from)
    began, spent = perf_counter(), process_time()
    engine.predict(model, data_path=work / "new", return_predictions=False)
    seconds, cpu_s = perf_counter() - began, process_time() - spent
    pictures = sum(path.suffix in {".png", ".jpg"} for path in out.rglob("*"))
    return {"images": len(files), "pictures": pictures, "seconds": seconds, "cpu_s": cpu_s}


def main() -> None:
    """Install if asked to; measure; one line."""
    if sys.argv[1:2] == ["--inside"]:
        folder, work, n = sys.argv[2:]
        print(json.dumps(predict(Path(folder), Path(work), int(n))))
        return
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--install", action="store_true", help="make the environment first")
    options.add_argument("--slices", type=int, default=SLICES)
    given = options.parse_args()
    if given.install and (why := install(ENVIRONMENT)) is not None:
        print(f"anomalib's predict        can't be installed here: {why}")
        return
    print(line(given.slices))


if __name__ == "__main__":
    main()
