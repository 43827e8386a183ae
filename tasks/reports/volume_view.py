"""A volume and its map as small integers in the patient's axes, for a page to cut slices from.

Made in a process of its own: the source is read again, in the children that read untrusted files,
and is the scan of the record by its content. The pages load none of what that takes.
"""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from db.repository.intake.sightings import scan_files
from db.repository.reports.worklist import heatmap_by_id
from mriad_model.errors import NotInRecord
from mriad_model.files import make_folder, write_all_atomically
from mriad_model.heatmaps.overlay import colour_tables
from mriad_model.paths import source_path
from mriad_model.readers.volume.geometry import Voxels, canonical, canonical_affine, voxel_spacing
from mriad_model.readers.volume_files import StoredVolume
from tasks.runtime.connections import database
from tasks.runtime.source_files import read_again
from tasks.runtime.workspace import Workspace

WINDOW = (1.0, 99.7)  # percentiles of the voxels that black and white are
SAMPLES = 2_000_000  # voxels that they are taken of, about
GONE = "The files of scan {scan} are gone, or have changed since it was scored."
SOURCE, MAP, TABLES, ABOUT = "source.nii", "map.nii", "tables.npy", "view.json"


def write_view(home: str, scan_id: int, heatmap_id: int, folder: Path) -> None:
    """Write `source.nii` and `map.nii`, (R, A, S) uint8, and `view.json` last: then it is whole.

    Raises:
        NotInRecord: there is no such scan or map, or the scan's files do not hold it any more.
    """
    engine = database(home)
    heatmap = heatmap_by_id(engine, heatmap_id)
    if heatmap is None:
        raise NotInRecord(f"There is no heatmap {heatmap_id} in the record")
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder.parent)
    make_folder(folder)
    workspace = Workspace(folder / "read")
    try:
        found = read_again(Path(home), scan_files(engine, [scan_id]), workspace).get(scan_id)
        if found is None or not isinstance(found.scan, StoredVolume):
            raise NotInRecord(GONE.format(scan=scan_id))
        volume = found.scan.load()
        affine = canonical_affine(volume.voxels.shape, volume.affine)
        source = _grey(canonical(volume.voxels, volume.affine))
        steps, highest = _steps(source_path(heatmap.path, Path(home)))
        _save(folder / SOURCE, source, affine)
        _save(folder / MAP, canonical(steps, volume.affine), affine)
    finally:
        workspace.discard()
    np.save(folder / TABLES, colour_tables(), allow_pickle=False)
    peak = volume.affine @ np.array([*highest, 1.0], float)  # RAS mm
    about = {
        "shape": source.shape,
        "spacing": list(voxel_spacing(affine)),
        "peak": peak[:3].tolist(),
    }
    write_all_atomically({folder / ABOUT: json.dumps(about).encode()})


def _grey(voxels: Voxels) -> NDArray[np.uint8]:
    """Voxels as a screen shows them, one window for the volume."""
    step = max(1, round((voxels.size / SAMPLES) ** (1 / 3)))
    low, high = np.percentile(voxels[::step, ::step, ::step], WINDOW)
    shown = np.empty(voxels.shape, np.uint8)
    for index, plane in enumerate(voxels):  # a plane at a time: no second volume as floats
        levels = (plane.astype(np.float32) - low) * (255 / max(high - low, 1e-6))
        shown[index] = np.clip(levels, 0, 255)
    return shown


def _steps(path: Path) -> tuple[NDArray[np.uint8], tuple[int, int, int]]:
    """Where each voxel of a map (Z, Y, X) lies along its model's colour scale, 0 to 255.

    With it the highest voxel (x, y, z): many lie above the scale, and only one of them highest.
    """
    image = nib.nifti1.load(path)
    low, high = float(image.header["cal_min"]), float(image.header["cal_max"])
    values = np.asarray(image.dataobj, np.float32).transpose(2, 1, 0)
    z, y, x = np.unravel_index(int(values.argmax()), values.shape)
    steps = np.clip((values - low) * (255 / max(high - low, 1e-9)), 0, 255)
    return np.asarray(steps, np.uint8), (int(x), int(y), int(z))


def _save(path: Path, values: Voxels, affine: NDArray[np.float64]) -> None:
    """As NIfTI without compression: its voxels lie behind 352 bytes, the first axis fastest."""
    nib.Nifti1Image(values, affine).to_filename(path)
