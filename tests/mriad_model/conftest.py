"""Series and NIfTI files that the tests write themselves: a drawn head on an oblique grid."""

from collections.abc import Callable
from pathlib import Path

import gdcm
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

from mriad_model.readers.dicom.reading import read_series
from mriad_model.readers.folders import list_files
from mriad_model.readers.volume.volumes import Volume, VolumeLimits
from tests.support.scans.survey import Survey, survey

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
SYNTAXES = {
    "jpeg lossless": "JPEGLosslessProcess14_1",
    "jpeg lossless, any predictor": "JPEGLosslessProcess14",
    "jpeg 2000": "JPEG2000Lossless",
    "jpeg-ls": "JPEGLSLossless",
    "rle": "RLELossless",
}
PIXEL_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "SamplesPerPixel", "PhotometricInterpretation", "Rows",
    "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
)  # fmt: skip


def drawn_head(shape=(12, 40, 36), dtype=np.int16):
    """A lopsided ellipsoid with texture in air, (Z, Y, X): no axis or direction is like another."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    noise = np.random.default_rng(7).random(shape)
    inside = (x - 0.1) ** 2 + (y / 0.9) ** 2 + (z * 0.8) ** 2 < 0.7
    return (inside * (500 + 200 * x + 100 * y + 50 * z) + 20 * noise).astype(dtype)


def oblique_affine(spacing=(1.1, 0.9, 2.5), degrees=(12.0, -7.0, 20.0)):
    """An affine (column, row, slice) -> RAS that is near an axial series, but along no axis."""
    a, b, c = np.radians(degrees)
    turn_x = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
    turn_y = [[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]]
    turn_z = [[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]]
    turned = np.array(turn_x) @ np.array(turn_y) @ np.array(turn_z)
    affine = np.eye(4)
    affine[:3, :3] = turned @ np.diag([-1, -1, 1]) * spacing
    affine[:3, 3] = (21.5, 33.25, -17.75)
    return affine


class SeriesWriter:
    """Writes MR series into a folder; `edit(dataset, place)` may spoil each file before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.series_uid, self.study_uid, self.frame_uid = (generate_uid() for _ in range(3))
        self.written = 0

    def classic(self, voxels=None, affine=None, edit=None, syntax=None, reverse=False, **tags):
        """One file a slice. File names and instance numbers run against the order if `reverse`."""
        voxels = drawn_head() if voxels is None else voxels
        affine = oblique_affine() if affine is None else affine
        paths = []
        for place in range(len(voxels)):
            dataset = self._common(voxels[place], MRImageStorage)
            number = len(voxels) - place if reverse else place + 1
            dataset.InstanceNumber = number
            position, orientation, spacing = placed(affine, place)
            dataset.ImagePositionPatient = position
            dataset.ImageOrientationPatient = orientation
            dataset.PixelSpacing = spacing
            dataset.SliceThickness = round(float(np.linalg.norm(affine[:3, 2])), 6)
            for keyword, value in tags.items():
                setattr(dataset, keyword, value)
            if edit is not None:
                edit(dataset, place)
            paths.append(self.save(dataset, f"{number:04}.dcm", syntax))
        return paths

    def enhanced(self, voxels=None, affine=None, edit=None, shuffled=True, syntax=None):
        """One file of many frames, in shuffled order."""
        voxels = drawn_head() if voxels is None else voxels
        affine = oblique_affine() if affine is None else affine
        order = list(range(len(voxels)))
        if shuffled:
            np.random.default_rng(3).shuffle(order)
        dataset = self._common(voxels[order], EnhancedMRImageStorage)
        dataset.NumberOfFrames = len(voxels)
        _, orientation, spacing = placed(affine, 0)
        dataset.SharedFunctionalGroupsSequence = [
            item(
                PlaneOrientationSequence=[item(ImageOrientationPatient=orientation)],
                PixelMeasuresSequence=[
                    item(PixelSpacing=spacing, SliceThickness=float(np.linalg.norm(affine[:3, 2])))
                ],
                PixelValueTransformationSequence=[
                    item(RescaleSlope=1, RescaleIntercept=0, RescaleType="US")
                ],
            )
        ]
        dataset.PerFrameFunctionalGroupsSequence = [
            item(
                PlanePositionSequence=[item(ImagePositionPatient=placed(affine, place)[0])],
                FrameContentSequence=[
                    item(StackID="1", InStackPositionNumber=place + 1, DimensionIndexValues=[place])
                ],
            )
            for place in order
        ]
        if edit is not None:
            edit(dataset, 0)
        return [self.save(dataset, "enhanced.dcm", syntax)]

    def save(self, dataset, name, syntax=None):
        self.written += 1
        path = self.folder / f"{self.written:03}-{name}"
        if syntax is not None:
            compress(dataset, syntax, self.folder / "scratch.tmp")
        dataset.save_as(path, enforce_file_format=True)
        return path

    def _common(self, pixels, sop_class):
        rows, columns = pixels.shape[-2:]
        bits = 8 * pixels.dtype.itemsize
        dataset = item(
            SOPClassUID=sop_class,
            SOPInstanceUID=generate_uid(),
            StudyInstanceUID=self.study_uid,
            SeriesInstanceUID=self.series_uid,
            FrameOfReferenceUID=self.frame_uid,
            PatientID="P-17",
            PatientName="Doe^Jane",
            Modality="MR",
            Manufacturer="ACME",
            ManufacturerModelName="Coil",
            MagneticFieldStrength=3,
            SeriesDescription="t2_tse_tra",
            SeriesNumber=1,
            AcquisitionNumber=1,
            ImageType=["ORIGINAL", "PRIMARY", "M", "NONE"],
            EchoTime=90,
            RepetitionTime=4000,
            SamplesPerPixel=1,
            PhotometricInterpretation="MONOCHROME2",
            Rows=rows,
            Columns=columns,
            BitsAllocated=bits,
            BitsStored=bits,
            HighBit=bits - 1,
            PixelRepresentation=int(pixels.dtype.kind == "i"),
        )
        dataset.add_new("PixelData", "OW", pixels.astype(pixels.dtype.newbyteorder("<")).tobytes())
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        return dataset


def item(**tags):
    """A dataset of these tags."""
    dataset = Dataset()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


def placed(affine, place):
    """ImagePositionPatient, ImageOrientationPatient and PixelSpacing of a slice of the grid."""
    lps = LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    row, column = lps[:3, 0] / spacing[0], lps[:3, 1] / spacing[1]
    position = lps[:3, 3] + place * lps[:3, 2]
    decimals = [[f"{each:.10f}"[:16] for each in part] for part in (position, [*row, *column])]
    return *decimals, [f"{spacing[1]:.10f}", f"{spacing[0]:.10f}"]


def compress(dataset, syntax, scratch):
    """The dataset with each frame compressed without loss, by GDCM as if it were a file alone."""
    size = dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8
    frames = []
    for start in range(0, len(dataset.PixelData), size):
        alone = item(**{each: dataset.get(each) for each in PIXEL_TAGS})
        alone.add_new("PixelData", "OW", dataset.PixelData[start : start + size])
        alone.file_meta = FileMetaDataset()
        alone.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        alone.save_as(scratch, enforce_file_format=True)
        transcode(scratch, syntax)
        coded = dcmread(scratch)
        frames.extend(generate_frames(coded.PixelData, number_of_frames=1))
    dataset.add_new("PixelData", "OB", encapsulate(frames))
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = coded.file_meta.TransferSyntaxUID
    scratch.unlink()


def transcode(path, syntax):
    """Compress a file of one frame in place."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, SYNTAXES[syntax])))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(path))
    assert writer.Write()


@pytest.fixture
def series(tmp_path) -> SeriesWriter:
    return SeriesWriter(tmp_path / "series")


@pytest.fixture
def surveyed(series) -> Callable[..., Survey]:
    def look(limits: VolumeLimits | None = None) -> Survey:
        return survey(list_files(series.folder), limits)

    return look


@pytest.fixture
def volume(surveyed) -> Callable[[], Volume]:
    """The one volume in the folder; nothing else may be there."""

    def read() -> Volume:
        found = surveyed()
        assert (len(found.series), found.rejections, found.others) == (1, (), ())
        return read_series(found.series[0])

    return read


@pytest.fixture
def rejected(surveyed) -> Callable[..., set[str]]:
    """The reasons for which all files in the folder are rejected."""

    def look(limits: VolumeLimits | None = None) -> set[str]:
        found = surveyed(limits)
        assert not found.series
        assert all(error.detail for _, error in found.rejections)
        return {error.reason.value for _, error in found.rejections}

    return look
