"""Series of every sort that the tests write themselves, and decisions about them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from mriad_model.dicom_outputs import dicom_outputs
from mriad_model.dicom_outputs.job import OutputJob, ReportedFinding
from mriad_model.enums import DecisionReason, HeatmapKind, Side, Verdict
from mriad_model.readers.folders import list_files
from tests.mriad_model.conftest import SeriesWriter, drawn_head, oblique_affine
from tests.support.places import SHARED
from tests.support.scans.survey import survey

DICOM_T1 = SHARED / "volumes/dicom_t1"
AXIAL = np.diag([-1.2, -0.8, 3.0, 1.0])
THRESHOLD = 0.5


def two_stacks(dataset, _place):
    """Every other frame of an enhanced file belongs to a second stack."""
    for index, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        groups.FrameContentSequence[0].StackID = str(1 + index % 2)


def monochrome1(dataset, _place):
    dataset.PhotometricInterpretation = "MONOCHROME1"


SOURCES = {
    "classic": lambda series: series.classic(),
    "classic, axial": lambda series: series.classic(affine=AXIAL),
    "classic, tilted far": lambda series: series.classic(
        affine=oblique_affine(degrees=(60.0, 35.0, -80.0))
    ),
    "classic, reversed": lambda series: series.classic(reverse=True),
    "classic, MONOCHROME1": lambda series: series.classic(edit=monochrome1),
    "classic, JPEG lossless": lambda series: series.classic(syntax="jpeg lossless"),
    "enhanced, shuffled": lambda series: series.enhanced(),
    "enhanced, JPEG lossless": lambda series: series.enhanced(syntax="jpeg lossless"),
    "enhanced, two stacks": lambda series: series.enhanced(
        voxels=drawn_head((24, 40, 36)), edit=two_stacks, shuffled=False
    ),
}


def montage(height=120, width=200):
    """A picture of a grey slope, as JPEG."""
    slope = np.linspace(40, 90, width).astype(np.uint8)
    picture = np.repeat(np.tile(slope, (height, 1))[..., None], 3, axis=2)
    done, jpeg = cv2.imencode(".jpg", picture)
    assert done
    return jpeg.tobytes()


def drawn_map(shape, empty=False):
    """An anomaly map (Z, Y, X) with a lopsided region above the threshold in some slices."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    inside = ((x - 0.3) ** 2 + ((y + 0.2) / 0.6) ** 2 < 0.2) & (z > -0.4) & (z < 0.7)
    inside &= x + y + z > -0.5
    noise = np.random.default_rng(5).random(shape) * 0.4
    return (noise + (0 if empty else inside * 0.6)).astype(np.float32)


class Decisions:
    """Makes jobs about the series in a folder."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder, self.scratch = folder, scratch

    def jobs(self, empty=False, **changes):
        found = survey(list_files(self.folder))
        assert not found.rejections
        return [self._job(each, empty, changes) for each in found.series]

    def job(self, empty=False, **changes):
        (job,) = self.jobs(empty, **changes)
        return job

    def _job(self, series, empty, changes):
        path = self.scratch / f"map-{len(list(self.scratch.glob('map-*')))}.npy"
        np.save(path, drawn_map(series.shape, empty))
        job = OutputJob(
            series=series,
            anomaly=path,
            map_threshold=THRESHOLD,
            montage=montage(),
            score=1.75,
            threshold=1.25,
            p_value=0.0125,
            verdict=Verdict.SUSPICIOUS,
            reason=DecisionReason.ABOVE_THRESHOLD,
            model_id=3,
            model_sha256="ab12" * 16,
            software_version="0.1.0",
            decided_at=datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC),
            findings=(
                ReportedFinding(12.3456789, 5.25, (31.5, -20.0, 14.5), Side.RIGHT),
                ReportedFinding(0.2, 3.0, (-1.0, 40.0, 8.0), Side.MIDLINE),
                ReportedFinding(0.15, 2.5, (0.0, 0.0, 0.0), None),
            ),
            record_head="1234:abababababababababababababababab:2026-03-04T05:06:07Z",
        )
        return replace(job, **changes)


@pytest.fixture
def series(tmp_path) -> SeriesWriter:
    return SeriesWriter(tmp_path / "series")


@pytest.fixture
def decisions(series, tmp_path) -> Decisions:
    return Decisions(series.folder, tmp_path)


@dataclass(frozen=True)
class Made:
    """A series, the jobs about it, and the objects of each job."""

    series: SeriesWriter
    jobs: list[OutputJob]
    objects: list[dict[HeatmapKind, bytes]]


@pytest.fixture(scope="session")
def made_of(tmp_path_factory) -> Callable[..., Made]:
    """The objects of a sort of source, made once; only to be read."""

    @cache
    def make(source: str, empty: bool = False) -> Made:
        folder = tmp_path_factory.mktemp("made")
        series = SeriesWriter(folder / "series")
        SOURCES[source](series)
        jobs = Decisions(series.folder, folder).jobs(empty=empty)
        return Made(series, jobs, [dicom_outputs(job) for job in jobs])

    return make
