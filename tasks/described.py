"""What the record keeps of a scan as read: what it is, on which grid, from whom by pseudonym."""

import json
from collections.abc import Callable

import numpy as np

from mriad_model.nouns import Scan, ScanKind
from mriad_model.pseudonyms import pseudonym
from mriad_model.stored import StoredPicture
from mriad_model.volumes.stored import StoredVolume


def described(
    read: StoredPicture | StoredVolume,
    n_files: int,
    key: Callable[[], bytes],
    run_id: int,
    moment: str,
) -> Scan:
    """The scan's row. `key` gives the site's key; it is asked only where a patient is named."""
    if isinstance(read, StoredPicture):
        return _picture(read, run_id, moment)
    return _volume(read, n_files, key, run_id, moment)


def _picture(image: StoredPicture, run_id: int, moment: str) -> Scan:
    rows, columns = image.shape
    geometry = {"rows": rows, "columns": columns, "bits": image.bits}
    return Scan(
        sha256=image.sha256,
        kind=ScanKind.IMAGE,
        patient=None,
        study_uid=None,
        series_uid=None,
        scanner=None,
        geometry=json.dumps(geometry, sort_keys=True),
        n_slices=1,
        run_id=run_id,
        created_at=moment,
    )


def _volume(
    stored: StoredVolume, n_files: int, key: Callable[[], bytes], run_id: int, moment: str
) -> Scan:
    volume, origin = stored.load(), stored.origin
    geometry = {
        "shape": list(volume.voxels.shape),  # slices, rows, columns, as stored
        "spacing": [round(each, 6) for each in volume.spacing],  # mm, along x, y, z of the grid
        "affine": np.ravel(volume.affine).tolist(),  # 4x4, row by row: voxel -> RAS mm
        "bits": 8 * volume.voxels.dtype.itemsize,
        "contrast": origin.contrast,
        "decoder": origin.decoder,
        "files": n_files,
    }
    if origin.remarks:
        geometry["remarks"] = list(origin.remarks)
    if origin.session is not None:
        geometry["bids"] = {"session": origin.session}
    named = origin.patient_id is not None and origin.patient_id.strip(" \0")
    return Scan(
        sha256=stored.sha256,
        kind=origin.kind,
        patient=pseudonym(key(), origin.patient_id) if named else None,
        study_uid=origin.study_uid,
        series_uid=origin.series_uid,
        scanner=origin.scanner,
        geometry=json.dumps(geometry, sort_keys=True),
        n_slices=volume.voxels.shape[0],
        run_id=run_id,
        created_at=moment,
    )
