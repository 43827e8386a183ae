"""Scans put where a home can take them."""

from pathlib import Path

import nibabel as nib
import numpy as np

from benchmarks.evaluation.trial_scans import put, with_difference
from mriad_model.readers.bids import bids_name


def test_a_scan_is_put_under_a_name_that_says_whose_it_is(tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(b"as it was")
    path = put(tmp_path / "new" / "no", "IXI012-HH-1211", source, "T1w.nii.gz")
    named = bids_name(path)
    assert (named.subject, named.suffix) == ("IXI012HH1211", "T1w")
    assert path.read_bytes() == b"as it was"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_difference_is_added_on_the_canonical_grid(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    head = nib.Nifti1Image(values, np.diag([-1.0, 1.0, 1.0, 1.0]))  # to the left
    more = np.zeros((2, 3, 4), np.float32)
    more[0, 1, 2] = 100
    nib.save(nib.Nifti1Image(more, np.eye(4)), tmp_path / "delta.nii")
    found = with_difference(head, tmp_path / "delta.nii")
    assert np.array_equal(found.get_fdata(), values[::-1] + more)
    assert nib.aff2axcodes(found.affine) == ("R", "A", "S")
