"""The DICOM objects of a decision, parsed, and where their voxels lie."""

from io import BytesIO

import numpy as np
from pydicom import dcmread

from mriad_model.dicom_outputs import dicom_outputs
from mriad_model.enums import HeatmapKind
from tests.mriad_model.dicom_outputs.conftest import THRESHOLD

PICTURE = HeatmapKind.SECONDARY_CAPTURE


SEGMENTS = HeatmapKind.SEGMENTATION


REPORT = HeatmapKind.STRUCTURED_REPORT


TO_RAS = np.array([-1, -1, 1])


def outputs(job):
    """The objects of a job, parsed."""
    return parsed(dicom_outputs(job))


def parsed(objects):
    return {kind: dcmread(BytesIO(data)) for kind, data in objects.items()}


def marked_places(job):
    """Where the voxels above the threshold lie, by the source's own grid: (N, 3) RAS mm."""
    z, y, x = np.nonzero(np.load(job.anomaly) > THRESHOLD)
    return (job.series.affine @ np.stack([x, y, z, np.ones(len(x))]))[:3].T


def segmented_places(segments):
    """Where the voxels of a SEG lie, by its own tags (PS3.3, C.7.6.2.1.1): (N, 3) RAS mm."""
    shared = segments.SharedFunctionalGroupsSequence[0]
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    along_row, along_column = np.reshape(orientation, (2, 3)).astype(float)
    between_rows, between_columns = shared.PixelMeasuresSequence[0].PixelSpacing
    places = []
    frames = segments.pixel_array.reshape(-1, segments.Rows, segments.Columns)
    for frame, groups in zip(frames, segments.PerFrameFunctionalGroupsSequence, strict=True):
        corner = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        rows, columns = np.nonzero(frame)
        right = np.outer(columns * float(between_columns), along_row)
        down = np.outer(rows * float(between_rows), along_column)
        places.append((corner + right + down) * TO_RAS)
    return np.concatenate(places)


def in_order(places):
    """Rows sorted, in steps wider than rounding and narrower than voxels."""
    steps = np.round(places * 20)
    return places[np.lexsort(steps.T)]


def assert_same_places(job, segments):
    ours, theirs = in_order(segmented_places(segments)), in_order(marked_places(job))
    assert len(ours) == len(theirs) > 0
    np.testing.assert_allclose(ours, theirs, atol=0.01)  # mm


def content(dataset):
    """All content items of a report, depth first."""
    for each in dataset.get("ContentSequence", ()):
        yield each
        yield from content(each)


def named(report, meaning):
    """The content items of one concept."""
    return [
        each
        for each in content(report)
        if "ConceptNameCodeSequence" in each
        and each.ConceptNameCodeSequence[0].CodeMeaning == meaning
    ]
