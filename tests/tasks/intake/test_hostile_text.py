"""Hostile text in every field that a file can bring: what the record keeps of it is printable."""

import json
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from sqlalchemy import text

from db import schema
from db.engine.connect import reading
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.write import write_dicom_series, write_nifti
from tests.support.phantoms import CONTRAST, SHAPE
from tests.tasks.conftest import Bench

HOSTILE = "=A1\x1b[2J\x1b]0;owned\x07\r\nverdict normal \u202elamron\x9b31m\u2028[red]\u200b"
SHORT = "=\x1b[2J"  # fits any field
TAGS = (
    "Manufacturer", "ManufacturerModelName", "StationName", "InstitutionName", "SeriesDescription",
    "ProtocolName", "StudyDescription", "PatientID", "SequenceName", "ScanningSequence",
    "SequenceVariant", "SoftwareVersions", "BodyPartExamined", "ImageComments",
)  # fmt: skip


def texts(bench: Bench) -> Iterator[tuple[str, str]]:
    """All text in the record, also that inside of JSON, each with its table."""
    with reading(bench.engine) as connection:
        for name in schema.metadata.tables:
            for row in connection.execute(text(f"SELECT * FROM {name}")):
                for value in row:
                    if isinstance(value, str):
                        yield name, value
                        yield from ((name, each) for each in _inside(value))


def _inside(value: str) -> Iterator[str]:
    try:
        todo = [json.loads(value)]
    except ValueError:
        return
    while todo:
        each = todo.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            todo += [*each, *each.values()]
        elif isinstance(each, list):
            todo += each


def assert_all_printable(bench: Bench) -> None:
    odd = [(table, value) for table, value in texts(bench) if not value.isprintable()]
    assert odd == []


def spoil(paths: list[Path], tags: tuple[str, ...], value: str) -> None:
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.SpecificCharacterSet = "ISO_IR 192"
        for tag in tags:
            keyword = pydicom.datadict.tag_for_keyword(tag)
            assert keyword is not None
            vr = pydicom.datadict.dictionary_VR(keyword)
            said = value.encode("ascii", "ignore").decode() if vr == "CS" else value
            lenient = pydicom.config.IGNORE  # the library would refuse it
            dataset[tag] = pydicom.DataElement(keyword, vr, said, validation_mode=lenient)
        dataset.save_as(path)


@pytest.mark.parametrize("value", [HOSTILE, SHORT])
def test_what_the_tags_of_a_series_say_is_kept_as_printable_text(
    bench: Bench, tmp_path: Path, value: str
) -> None:
    volume = phantom_volume(1, CONTRAST, None, SHAPE)
    paths = write_dicom_series(tmp_path / "s", volume, patient="P-1")
    spoil(paths, TAGS, value)
    assert len(bench.ingest(tmp_path / "s").seen) == 1
    with reading(bench.engine) as connection:
        scanner = connection.execute(schema.scan.select()).mappings().one()["scanner"]
    assert "\\x1b[2J" in scanner
    assert_all_printable(bench)


@pytest.mark.parametrize("tag", ["Modality", "ImageType", "PhotometricInterpretation"])
def test_what_a_rejection_quotes_is_printable(bench: Bench, tmp_path: Path, tag: str) -> None:
    volume = phantom_volume(1, CONTRAST, None, SHAPE)
    paths = write_dicom_series(tmp_path / "s", volume, patient="P-1")
    spoil(paths, (tag,), SHORT)
    bench.ingest(tmp_path / "s")
    assert_all_printable(bench)


def test_names_and_descriptions_of_nifti_files_are_kept_as_printable_text(
    bench: Bench, tmp_path: Path
) -> None:
    volume = phantom_volume(1, CONTRAST, None, SHAPE)
    folder = tmp_path / "sub-=\x1b[2J" / "ses-\u202e\x1b"
    folder.mkdir(parents=True)
    path = folder / "sub-=\x1b[2J_ses-\u202e\x1b_T1w.nii.gz"
    write_nifti(path, volume.voxels, volume)
    image = nib.load(path)
    kept = nib.Nifti1Image(np.asanyarray(image.dataobj).copy(), image.affine, image.header)
    kept.header["descrip"] = b"=\x1b[2J\r\nverdict"
    kept.header["aux_file"] = b"\x1b[2J"
    kept.header["intent_name"] = b"\x1b[2J"
    nib.save(kept, path)
    found = bench.ingest(tmp_path)
    assert found.seen or found.rejected
    assert_all_printable(bench)
