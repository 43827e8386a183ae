"""Everything that pydicom and nibabel pack for their own tests, swept as if it had arrived."""

import contextlib
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from mriad_model.errors import RejectedFile
from mriad_model.folders import list_files
from mriad_model.nouns import ScanKind
from mriad_model.volumes.content import volume_kind
from mriad_model.volumes.dicom import read_series, survey
from mriad_model.volumes.nifti import read_nifti

PACKED = (
    Path(pydicom.__file__).parent / "data",
    Path(nibabel.__file__).parent,
)


@pytest.mark.parametrize("folder", PACKED, ids=["pydicom", "nibabel"])
def test_every_packed_file_is_a_scan_a_refusal_or_of_another_kind(folder, caplog, capfd):
    listed = list(list_files(folder))
    found = survey(listed)
    in_series = {file.path for series in found.series for file in series.files}
    refused = {refusal.found.path for refusal in found.refusals}
    others = {file.path for file in found.others}
    assert in_series | refused | others == {file.path for file in listed}
    assert not others & (in_series | refused)
    assert refused
    for series in found.series:
        assert read_series(series).voxels.shape == series.shape
    for path in sorted(others):
        if volume_kind(path) is ScanKind.NIFTI:
            with contextlib.suppress(RejectedFile):
                assert np.isfinite(read_nifti(path).voxels).all()
    assert not caplog.messages
    assert capfd.readouterr() == ("", "")
