"""Everything that pydicom and nibabel pack for their own tests, swept as if it had arrived."""

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.contents import group_files
from mriad_model.readers.folders import list_files
from mriad_model.readers.images.reading import read_image
from mriad_model.readers.sandbox.pool import ReaderPool
from mriad_model.readers.volume_files import store_volume
from tests.support.processes import isolated

PACKED = (Path(pydicom.__file__).parent / "data", Path(nibabel.__file__).parent)
DIED = {RejectionReason.READER_DIED, RejectionReason.TIMED_OUT}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """All files as one folder: what became of each, and the peak memory of the children, MiB."""
    scratch = tmp_path_factory.mktemp("scratch")
    files = [found for folder in PACKED for found in list_files(folder)]
    with ReaderPool(2) as readers:
        found = group_files(readers, files)
        jobs = [(source, scratch / f"{i}.npy") for i, source in enumerate(found.volumes)]
        volumes = list(readers.map(store_volume, jobs))
        pictures = list(readers.map(read_image, (each.path for each in found.pictures), together=8))
        peaks = list(readers.map(isolated.peak_mib, range(20)))
    return files, found, volumes, pictures, peaks


def test_every_file_is_a_scan_or_rejected_with_a_reason(swept):
    files, found, volumes, pictures, _ = swept
    in_volumes = {file for source in found.volumes for file in source.files}
    rejected = {file for file, _ in found.rejections}
    assert in_volumes | rejected | set(found.pictures) == set(files)
    assert not set(found.pictures) & (in_volumes | rejected)
    rejected = [each for each in (*volumes, *pictures) if isinstance(each, RejectedFile)]
    rejected += [error for _, error in found.rejections]
    assert all(each.detail for each in rejected)
    assert not DIED & {each.reason for each in rejected}
    assert len(files) > 250


def test_the_good_ones_are_read(swept):
    _, found, volumes, *_ = swept
    read = {
        source.files[0].path.name: stored.load()
        for source, stored in zip(found.volumes, volumes, strict=True)
        if not isinstance(stored, RejectedFile)
    }
    assert set(read) == {"anatomical.nii", "reoriented_anat_moved.nii"}
    assert all(np.isfinite(volume.voxels).all() for volume in read.values())


def test_no_process_takes_more_than_it_may(swept):
    *_, peaks = swept
    assert max(peaks) < 1536
