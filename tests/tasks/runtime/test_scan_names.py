"""A volume whose spacing is corrected is another scan; another file of the same volume is not."""

from pathlib import Path

import numpy as np
import pytest

from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.write import phantom_affine, write_dicom_series
from tasks.runtime.source_files import load_scans
from tasks.runtime.workspace import Workspace
from tests.mriad_model.readers.nifti.test_reading import nifti_bytes
from tests.support.scans.phantoms import CONTRAST, SHAPE, score
from tests.tasks.conftest import Bench
from tests.tasks.scoring.test_score import replayed, taught  # noqa: F401

HEAD = phantom_volume(31, CONTRAST, None, SHAPE)


def write_spaced(path: Path, slice_spacing: float | None = None, float_noise: float = 0.0) -> None:
    """The head as NIfTI, its slices as far apart as the file is to say."""
    affine = phantom_affine(HEAD)
    if slice_spacing is not None:
        affine[:3, 2] *= slice_spacing / np.linalg.norm(affine[:3, 2])
    affine[:3, :3] *= 1 + float_noise
    path.write_bytes(nifti_bytes(HEAD.voxels, affine))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "scans"
    made.mkdir()
    return made


def test_a_corrected_spacing_is_a_new_scan_scored_anew(
    taught: Bench,  # noqa: F811 - the fixture
    folder: Path,
) -> None:
    path = folder / "head_T1w.nii"
    write_spaced(path, 2.0)
    wrong = score(taught, folder)
    write_spaced(path, 5.0)
    night = score(taught, folder)
    assert (wrong.read.new, night.read.new, night.decided) == (1, 1, 1)
    ((first, _),), ((second, _),) = wrong.read.seen, night.read.seen
    assert first != second


def test_a_series_and_its_nifti_are_one_scan_read_together_or_apart(
    bench: Bench, folder: Path
) -> None:
    write_dicom_series(folder / "series", HEAD, patient="P-1", contrast=CONTRAST)
    write_spaced(folder / "a.nii", float_noise=3e-7)
    read = bench.ingest(folder)
    assert (read.new, len({scan_id for scan_id, _ in read.seen})) == (1, 1)
    write_spaced(folder / "b.nii", float_noise=-3e-7)
    assert bench.next_night().ingest(folder).new == 0


@pytest.mark.parametrize("spacing", [1.125, 1.875])
def test_two_files_on_an_edge_of_rounding_are_one_scan(
    bench: Bench, folder: Path, spacing: float
) -> None:
    for name, off in (("a", -1e-6), ("b", 1e-6)):
        write_spaced(folder / f"{name}.nii", spacing + off)
    read = bench.ingest(folder)
    assert (read.new, len(read.seen)) == (1, 2)
    write_spaced(folder / "c.nii", spacing)
    ((known, _),) = bench.next_night().ingest(folder).seen
    located = load_scans(
        str(bench.home), bench.run_id, [known], Workspace(bench.home / "work" / "w")
    )
    assert [each.scan_id for each in located] == [known]
