"""The outputs against the standard, as dciodvfy (Debian's dicom3tools) reads it."""

import re
import shutil
import subprocess

import pytest

from mriad_model.dicom_outputs import available, dicom_outputs
from tests.mriad_model.dicom_outputs.conftest import DICOM_T1, SOURCES, Decisions

DCIODVFY = shutil.which("dciodvfy")
pytestmark = [
    pytest.mark.skipif(DCIODVFY is None, reason="dciodvfy is not installed"),
    pytest.mark.skipif(not available(), reason="highdicom is not installed"),
]


def errors(path):
    """What dciodvfy calls an error in a file."""
    command = [DCIODVFY, "-new", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    told = done.stdout + done.stderr
    assert "Segmentation" in told or "SCImage" in told or "SR" in told or "MRImage" in told
    return {line for line in told.splitlines() if line.startswith(("Error", "Abort"))}


def errors_of(job, folder):
    return errors_in(dicom_outputs(job), folder)


def errors_in(objects, folder):
    found = {}
    for kind, data in objects.items():
        path = folder / f"{kind}.dcm"
        path.write_bytes(data)
        found[kind] = errors(path)
    return found


def tag_of(error):
    (tag,) = re.findall(r"\(([0-9a-f]{4},[0-9a-f]{4})\)", error)[:1]
    return tag


CASES = [*((source, False) for source in SOURCES), ("classic", True), ("enhanced, shuffled", True)]


@pytest.mark.parametrize(("source", "empty"), CASES)
def test_no_output_breaks_the_standard(source, empty, made_of, tmp_path):
    for objects in made_of(source, empty).objects:
        found = errors_in(objects, tmp_path)
        assert len(found) == (2 if empty else 3)
        assert not any(found.values()), found


@pytest.mark.skipif(not DICOM_T1.is_dir(), reason="shared/data/volumes is absent")
def test_outputs_of_a_real_series_break_the_standard_nowhere(tmp_path):
    found = errors_of(Decisions(DICOM_T1, tmp_path).job(), tmp_path)
    assert not any(found.values()), found


def test_only_what_is_copied_from_a_sloppy_source_is_wrong(series, decisions, tmp_path):
    with pytest.warns(UserWarning, match="exceeds"):
        paths = series.classic(AccessionNumber="accession number 12345", PatientID="P" * 80)
    its_own = {tag_of(error) for error in errors(paths[0])}
    for found in errors_of(decisions.job(), tmp_path).values():
        wrong = {tag_of(error) for error in found}
        assert wrong == {"0008,0050", "0010,0020"}
        assert wrong <= its_own
