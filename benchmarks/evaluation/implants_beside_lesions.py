"""Power beside the lesions found: `python -m benchmarks.evaluation.implants_beside_lesions SET`.

    [--data ../shared/data] [--work FOLDER]

SET is `lgg55` or `ixi`, see `figures` beside this. `mriad train` learns the healthy scans of two
thirds of the patients, and measures the model's power on implants in these. `mriad score` then
judges the last third. A JSON line: the share of implants above the threshold, and of scans with a
lesion, by the same bins of size: the diameter of a disc or a ball as large as the scan's lesions
together. One split, drawn by seed 0; intervals by patient.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import nibabel as nib
import numpy as np

from benchmarks.evaluation.figures import SETS, Row
from benchmarks.evaluation.trial_home import Decided, TrialHome
from benchmarks.evaluation.trial_scans import put, with_difference
from mriad_model.promotion.implants import millimetres_a_pixel
from mriad_model.promotion.power import EDGES, SIZES
from mriad_model.readers.images.reading import read_image

RECIPES: Final = {"lgg55": "default", "ixi": "volume"}
RESAMPLES: Final = 1000
Found = list[tuple[str, bool]]  # of scans: whose each is, and whether it is flagged


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a line of JSON for each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sets", nargs="+", choices=sorted(RECIPES), metavar="SET")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, help="a new folder to keep the homes in")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mriad-power-") as scratch:
        for name in given.sets:
            work = (given.work or Path(scratch)) / name
            print(json.dumps({"set": name, **measured(name, given.data, work)}), flush=True)


def measured(name: str, data: Path, work: Path) -> dict[str, Any]:
    """The power of a model of two thirds of a set's patients, and what it finds in the others."""
    scans, root = SETS[name].scans, data / SETS[name].folder
    assert scans is not None
    rows = scans(data)
    patients = np.random.default_rng(0).permutation(sorted({str(row["patient"]) for row in rows}))
    tested = set(patients[: len(patients) // 3].tolist())
    sizes: dict[tuple[str, str], tuple[str, float | None]] = {}
    for row in rows:
        patient, ill = str(row["patient"]), row["label"] == "yes"
        if patient in tested:
            path = _put(root, row, work / "test" / str(row["label"]))
            size = diameter(root, row) if ill else None
            sizes[path.parent.name, path.name] = patient, size
        elif not ill:
            _put(root, row, work / "learn")
    home = TrialHome(work / "home")
    home.mriad("ingest", work / "learn", "--label", "healthy")
    trained = home.mriad("train", "--recipe", RECIPES[name])
    home.mriad("score", work / "test")
    bins = found_by_size(home.decided(), sizes)
    return {
        "patients": [len(patients) - len(tested), len(tested)],
        "learned": {key: trained[key] for key in ("n_train", "n_calibration", "threshold")},
        "power": trained["power"],
        **{label: share_flagged(found) for label, found in bins.items()},
    }


def _put(root: Path, row: Row, folder: Path) -> Path:
    """A row's scan, with the difference added that it may name."""
    source, person = root / str(row["path"]), str(row["patient"])
    if source.suffix == ".png":
        return put(folder, person, source, source.name)
    if not row.get("difference"):
        return put(folder, person, source, "T1w.nii.gz")
    ill = with_difference(nib.Nifti1Image.from_filename(source), root / str(row["difference"]))
    return put(folder, person, ill, "T1w.nii.gz")


def diameter(root: Path, row: Row) -> float:
    """Millimetres across a disc, or a ball, as large as the lesions of a scan together."""
    mask = root / str(row["mask"])
    if mask.suffix == ".png":
        drawn = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)
        assert drawn is not None, mask
        side = millimetres_a_pixel(read_image(root / str(row["path"])).pixels)
        return 2 * side * float(np.sqrt((drawn > 0).sum() / np.pi))
    image = nib.Nifti1Image.from_filename(mask)
    voxel = float(np.prod(image.header.get_zooms()[:3]))
    return 2 * float(np.cbrt((image.get_fdata() > 0).sum() * voxel * 3 / (4 * np.pi)))


def found_by_size(
    decided: dict[tuple[str, str], Decided],
    sizes: dict[tuple[str, str], tuple[str, float | None]],
) -> dict[str, Found]:
    """Whose scan is flagged: of the healthy, of all with a lesion, and by its size."""
    bins: dict[str, Found] = {name: [] for name in ("healthy", "lesions", *SIZES)}
    for key, (patient, size) in sizes.items():
        there = decided.get(key)
        one = patient, there is not None and there.is_flagged()
        if size is None:
            bins["healthy"].append(one)
        else:
            bins["lesions"].append(one)
            bins[SIZES[sum(size >= edge for edge in EDGES)]].append(one)
    return bins


def share_flagged(found: Found) -> dict[str, float] | None:
    """The share flagged, its 95 % interval by bootstrap over patients; None of no scan."""
    if not found:
        return None
    names = sorted({patient for patient, _ in found})
    place = {name: i for i, name in enumerate(names)}
    counts, flagged = np.zeros(len(names)), np.zeros(len(names))
    for patient, is_flagged in found:
        counts[place[patient]] += 1
        flagged[place[patient]] += is_flagged
    drawn = np.random.default_rng(0).multinomial(
        len(names), np.full(len(names), 1 / len(names)), RESAMPLES
    )
    low, high = np.percentile((drawn @ flagged) / (drawn @ counts), [2.5, 97.5])
    share = float(flagged.sum() / counts.sum())
    return {"n": len(found), "share": share, "low": float(low), "high": float(high)}


if __name__ == "__main__":
    main()
