"""The segmentation marks what lies above the threshold, where it lies."""

from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread

from mriad_model.dicom_outputs import dicom_outputs
from tests.mriad_model.dicom_outputs.conftest import DICOM_T1, SOURCES, THRESHOLD, Decisions
from tests.support.scans.dicom_objects import (
    SEGMENTS,
    TO_RAS,
    assert_same_places,
    in_order,
    marked_places,
    outputs,
    parsed,
)

highdicom = pytest.importorskip("highdicom")


@pytest.mark.parametrize("source", SOURCES)
def test_the_segmentation_marks_the_voxels_above_the_threshold(source, made_of):
    made = made_of(source)
    assert len(made.jobs) == (2 if "two stacks" in source else 1)
    for job, objects in zip(made.jobs, made.objects, strict=True):
        assert_same_places(job, parsed(objects)[SEGMENTS])


@pytest.mark.parametrize("source", SOURCES)
def test_each_segmented_slice_names_the_slice_it_lies_on(source, made_of):
    made = made_of(source)
    series = made.series
    files = {dataset.SOPInstanceUID: dataset for dataset in map(dcmread, series.folder.iterdir())}
    for objects in made.objects:
        segments = parsed(objects)[SEGMENTS]
        assert segments.FrameOfReferenceUID == series.frame_uid
        for groups in segments.PerFrameFunctionalGroupsSequence:
            (reference,) = groups.DerivationImageSequence[0].SourceImageSequence
            origin = files[reference.ReferencedSOPInstanceUID]
            assert reference.ReferencedSOPClassUID == origin.SOPClassUID
            if "enhanced" in source:
                number = reference.ReferencedFrameNumber
                origin = origin.PerFrameFunctionalGroupsSequence[number - 1]
                origin = origin.PlanePositionSequence[0]
            else:
                assert "ReferencedFrameNumber" not in reference
            position = groups.PlanePositionSequence[0].ImagePositionPatient
            np.testing.assert_allclose(position, origin.ImagePositionPatient, atol=1e-6)


def test_another_reader_finds_the_mask_on_the_series_grid(series, decisions):
    series.classic()
    job = decisions.job()
    read = highdicom.seg.segread(BytesIO(dicom_outputs(job)[SEGMENTS]))
    volume = read.get_volume(combine_segments=True)
    assert np.count_nonzero(volume.array) == np.count_nonzero(np.load(job.anomaly) > THRESHOLD)
    indices = np.argwhere(volume.array)  # (N, 3)
    ours = volume.map_indices_to_reference(indices) * TO_RAS
    np.testing.assert_allclose(in_order(ours), in_order(marked_places(job)), atol=0.01)


@pytest.mark.skipif(not DICOM_T1.is_dir(), reason="shared/data/volumes is absent")
def test_a_real_series_is_segmented_where_it_lies(tmp_path):
    job = Decisions(DICOM_T1, tmp_path).job()
    made = outputs(job)
    assert len(made) == 3
    assert_same_places(job, made[SEGMENTS])
