"""The story of growth on real pictures: `python -m benchmarks.growth FOLDER [--epochs N]`.

FOLDER holds `no` (healthy) and `yes` (abnormal). A model is trained on half of the healthy
pictures; a few more come, and nothing happens; the rest comes, and a challenger meets the model
in force; then a person rolls back. Every step is a command, as a scheduler would run it, in a
home of its own. What each came to is printed as JSON.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

EPOCHS = 100
FIRST, FEW = 0.5, 10  # the share of the first model; the pictures that are too few


def main() -> None:
    """Run the story."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    given = parser.parse_args()
    if not (given.folder / "no").is_dir():
        sys.exit(f"{given.folder}: no folder `no` there; skipped")
    with tempfile.TemporaryDirectory(prefix="mriad-growth-") as scratch:
        for step, found in story(given.folder, Path(scratch), given.epochs):
            print(json.dumps({"step": step, **found}))


def story(folder: Path, scratch: Path, epochs: int) -> list[tuple[str, dict[str, Any]]]:
    """Each step's name and what the command printed, scans and notice left out."""
    home = scratch / "home"

    def mriad(*arguments: object) -> dict[str, Any]:
        command = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
        done = subprocess.run(
            [*command, "--home", str(home), "--json"], stdout=subprocess.PIPE, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return {k: v for k, v in found.items() if k not in ("notice", "rejected")}

    def healthy(name: str, files: list[Path]) -> dict[str, Any]:
        place = scratch / name
        place.mkdir()
        for file in files:
            (place / file.name).write_bytes(file.read_bytes())
        return mriad("ingest", place, "--label", "healthy")

    files = sorted((folder / "no").resolve().iterdir(), key=_draw)
    first = round(FIRST * len(files))
    return [
        ("half of the healthy pictures", healthy("first", files[:first])),
        ("abnormal pictures", mriad("ingest", folder / "yes", "--label", "abnormal")),
        ("train", mriad("train", "--epochs", epochs)),
        ("a few more", healthy("few", files[first : first + FEW])),
        ("retrain below the mark", mriad("retrain")),
        ("the rest", healthy("rest", files[first + FEW :])),
        ("retrain above the mark", mriad("retrain")),
        ("roll back", mriad("activate", 1, "--reason", "rolled back")),
        ("retrain after rolling back", mriad("retrain")),
    ]


def _draw(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
