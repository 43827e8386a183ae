"""A volume's view for the pages: its voxels and its map along the patient's axes."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from db.repository.intake.scans import register_scans
from db.repository.scoring.decisions import HeatmapFile, ScoredScan, append_scored
from mriad_model.enums import HeatmapKind, ScanKind
from mriad_model.errors import NotInRecord
from mriad_model.heatmaps.overlay import MAX_OPACITY, ColourScale
from mriad_model.heatmaps.volume_map import nifti_map
from mriad_model.readers.nifti.reading import read_nifti
from tasks.reports.volume_view import write_view
from tasks.runtime.connections import database
from tasks.runtime.home import prepare_home
from tests.support.record.hand import NOON, Hand
from tests.support.scans.scanned import grid_affine, scanned
from web.pages.images.volumes import VolumeView


def stored(home: Path) -> tuple[int, Path]:
    """A home with a head stored the other way round, and a map of its right side."""
    affine, shape = grid_affine(order=(0, 2, 1), flips=(-1, -1, -1), n=(40, 48, 22))
    drawn = scanned(affine, shape)
    path = home / "inbox/head.nii.gz"
    nib.Nifti1Image(drawn.voxels.transpose(2, 1, 0), affine).to_filename(path)
    volume = read_nifti(path)
    anomaly = np.zeros(volume.voxels.shape, np.float32)
    anomaly[:, :, :10] = 3.0  # the first columns lie to the right: they run to the left
    anomaly[11, 20, 5] = 9.0  # above the scale, as its neighbours are
    data = nifti_map(anomaly, volume, ColourScale(1.0, 3.0), "a test's")
    (home / "heatmaps/1.nii.gz").write_bytes(data)
    hand = Hand(database(str(home)))
    model_id, threshold_id = hand.ready()
    scan, (seen,) = hand.series("head", ["inbox/head.nii.gz"], kind=ScanKind.NIFTI)
    (found,) = register_scans(hand.engine, [(replace(scan, sha256=volume.sha256), [seen])])
    digest = hashlib.sha256(data).hexdigest()
    row = ScoredScan(
        found.scan_id,
        0.9,
        heatmaps=[HeatmapFile(HeatmapKind.VOLUME, 0, "heatmaps/1.nii.gz", digest)],
    )
    append_scored(hand.engine, model_id, threshold_id, [row], hand.run(), NOON)
    return found.scan_id, path


def test_a_view_lies_along_the_patients_axes_and_bears_the_map(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    scan_id, path = stored(home)
    folder = home / "views/1"
    write_view(str(home), scan_id, 1, folder)
    about = json.loads((folder / "view.json").read_text())
    assert about["shape"] == [40, 48, 22]  # to the right, to the front, up
    assert about["spacing"] == pytest.approx([2.5, 2.5, 4.0])
    highest = read_nifti(path).affine @ [5, 20, 11, 1]
    assert about["peak"] == pytest.approx(highest[:3])
    steps = np.asarray(nib.load(folder / "map.nii").dataobj)
    assert (steps[30:] == 255).all()  # on the patient's right
    assert (steps[:30] == 0).all()
    picture = np.asarray(VolumeView(folder).slice("axial", 11, with_map=True)).astype(int)
    assert picture.shape == (48, 40, 3)
    coloured = np.ptp(picture, axis=2) > 20
    assert coloured[:, :10].mean() > 0.9  # the patient's right is on the left
    assert not coloured[:, 10:].any()
    assert VolumeView(folder).slice("coronal", 24, with_map=False).size == (40, 35)  # square pixels
    colours = np.array(VolumeView(folder).colours)
    assert colours[0, 3] == 0  # nothing is painted where the map is like healthy
    assert colours[-1, 3] == round(255 * MAX_OPACITY)
    assert (np.diff(colours[:, 3]) > 0).all()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not (folder / "read").exists()

    path.write_bytes(b"another")
    with pytest.raises(NotInRecord, match="gone, or have changed"):
        write_view(str(home), scan_id, 1, home / "views/2")
