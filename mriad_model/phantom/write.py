"""Drawn heads as files: PNG slices, NIfTI volumes, DICOM series, and the masks of lesions."""

import gzip
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from mriad_model.errors import SettingsError
from mriad_model.phantom.head import draw_head
from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.render import PhantomVolume, phantom_slice, phantom_volume, slice_at
from mriad_model.phantom.scanner import Contrast

PLANES_A_HEAD = 8
SHAPE = (45, 160, 128)  # 4 mm slices of 1.4 mm pixels; drawn in half a second
LARGE_SHAPE = (180, 256, 256)  # for benchmarks; drawn in five seconds
LOWEST = -75.0  # mm, the head's origin to the lowest plane's underside
SUFFIXES = {Contrast.T1: "T1w", Contrast.FLAIR: "FLAIR"}  # of BIDS
DESCRIPTIONS = {Contrast.T1: "t1_se_tra phantom", Contrast.FLAIR: "flair_tra phantom"}


# Small white-matter lesions hardly show on T1, so they are the smallest part.
DEMO_LESIONS = (
    Lesion.INFARCT,
    Lesion.MASS,
    Lesion.INFARCT,
    Lesion.MASS,
    Lesion.WHITE_MATTER,
)


class ScanFormat(StrEnum):
    """What files a drawn head is written as."""

    PNG = "png"  # one axial slice
    NIFTI = "nifti"
    DICOM = "dicom"  # a series: a folder with a file a slice


@dataclass(frozen=True, slots=True)
class DrawnHead:
    """A head to draw."""

    number: int  # in the files' names; of a volume, the patient
    seed: int
    lesion: Lesion | None


@dataclass(frozen=True, slots=True)
class DrawnScan:
    """A head that was written."""

    path: Path  # the file; of a series, its folder
    lesion: Lesion | None
    mask: Path | None  # where the lesion is


def drawn_heads(
    n_healthy: int, n_abnormal: int, seed: int, *, first_number: int = 0
) -> Iterator[DrawnHead]:
    """Distinct heads: healthy ones, then ones with a lesion. The same seed gives the same."""
    for number in range(n_healthy + n_abnormal):
        place = number - n_healthy
        lesion = None if place < 0 else DEMO_LESIONS[place % len(DEMO_LESIONS)]
        yield DrawnHead(first_number + number, seed * 1_000_003 + number, lesion)


def write_folder(
    folder: Path,
    n_healthy: int,
    n_abnormal: int,
    seed: int,
    size: int = 256,
    *,
    contrast: Contrast = Contrast.T1,
    masks: Path | None = None,
) -> None:
    """Write PNG slices of distinct heads: healthy in `no`, with a lesion in `yes`.

    The lesions' masks (0 and 255) go to the folder `masks`, if given, under the same names.
    """
    for place in (folder / "no", folder / "yes", masks):
        if place is not None:
            place.mkdir(parents=True, exist_ok=True)
    for head in drawn_heads(n_healthy, n_abnormal, seed):
        number = head.number - (n_healthy if head.lesion else 0)
        write_slice(replace(head, number=number), folder, contrast, masks, size)


def write_slice(
    head: DrawnHead, folder: Path, contrast: Contrast, masks: Path | None, size: int = 256
) -> DrawnScan:
    """Write a head's PNG slice into `no` or `yes` of a folder, and its mask into `masks`."""
    drawn = phantom_slice(head.seed, contrast, head.lesion, size)
    name = f"{head.lesion.value if head.lesion else 'healthy'}-{head.number:04d}.png"
    path, mask = _places(head, folder, masks, name)
    _write(path, drawn.pixels)
    if mask is not None:
        _write(mask, drawn.lesion_mask.astype(np.uint8) * np.uint8(255))
    return DrawnScan(path, head.lesion, mask)


def _places(
    head: DrawnHead, folder: Path, masks: Path | None, name: str
) -> tuple[Path, Path | None]:
    """Where a head's scan and its mask go."""
    if head.lesion is None:
        return folder / "no" / name, None
    return folder / "yes" / name, None if masks is None else masks / name


def many_slices(
    folder: Path, n: int, seed: int, size: int = 256, *, suffix: str = ".jpg", workers: int = 2
) -> None:
    """Write n distinct healthy slices by `workers` processes. SettingsError unless .png or .jpg."""
    if suffix not in {".png", ".jpg"}:
        raise SettingsError(f"slices cannot be written as {suffix!r}; use '.png' or '.jpg'")
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"slice-{number:06d}{suffix}" for number in range(n)]
    jobs = [names[start : start + PLANES_A_HEAD] for start in range(0, n, PLANES_A_HEAD)]
    seeds = [seed * 1_000_003 + number for number in range(len(jobs))]
    write = partial(_write_head, folder, size)
    if workers == 1:
        for names_of_head, head_seed in zip(jobs, seeds, strict=True):
            write(names_of_head, head_seed)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for _ in pool.map(write, jobs, seeds, chunksize=8):
            pass


def _write_head(folder: Path, size: int, names: list[str], seed: int) -> None:
    """Write the planes of one head."""
    head = draw_head(seed)
    for number, name in enumerate(names):
        drawn = slice_at(head, Contrast.T1, None, -6.0 + 7.0 * number, size)
        _write(folder / name, drawn.pixels)


def _write(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Encode by suffix and write."""
    parameters = [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix == ".jpg" else []
    _, data = cv2.imencode(path.suffix, pixels, parameters)
    path.write_bytes(data.tobytes())


def phantom_affine(volume: PhantomVolume) -> NDArray[np.float64]:
    """4x4: (x, y, z, 1) of a voxel -> RAS mm. Columns run to the left, rows to the back."""
    z, y, x = volume.spacing
    affine = np.diag([-x, -y, z, 1.0])
    _, rows, columns = volume.voxels.shape
    affine[:3, 3] = (x * (columns - 1) / 2, y * (rows - 1) / 2, LOWEST + z / 2)
    return affine


def write_volume(
    head: DrawnHead,
    folder: Path,
    contrast: Contrast,
    masks: Path | None,
    shape: tuple[int, int, int] = SHAPE,
    *,
    as_series: bool = False,
) -> DrawnScan:
    """Write a head's volume into `no` or `yes` of a folder, and its mask (0 and 1) into `masks`.

    Names follow BIDS: `sub-0007_desc-mass_T1w.nii.gz`; a series is a folder of such a name.
    """
    volume = phantom_volume(head.seed, contrast, head.lesion, shape)
    kind = head.lesion.value.replace("_", "") if head.lesion else "healthy"
    name = f"sub-{head.number:04d}_desc-{kind}_{SUFFIXES[contrast]}"
    path, mask = _places(head, folder, masks, f"{name}.nii.gz")
    if as_series:
        path = path.with_name(name)
        write_dicom_series(path, volume, patient=f"phantom-{head.number:04d}", contrast=contrast)
    else:
        write_nifti(path, volume.voxels, volume)
    if mask is not None:
        write_nifti(mask, volume.lesion_mask.astype(np.uint8), volume)
    return DrawnScan(path, head.lesion, mask)


def write_nifti(
    path: Path, voxels: NDArray[np.uint16] | NDArray[np.uint8], volume: PhantomVolume
) -> None:
    """Write voxels (Z, Y, X) on the phantom's grid as `.nii.gz`; the same bytes each time."""
    image = nib.Nifti1Image(voxels.transpose(2, 1, 0), phantom_affine(volume))
    image.header.set_xyzt_units("mm")
    path.write_bytes(gzip.compress(image.to_bytes(), 1, mtime=0))


def write_dicom_series(
    folder: Path,
    volume: PhantomVolume,
    *,
    patient: str,
    contrast: Contrast = Contrast.T1,
) -> list[Path]:
    """Write a volume as MR images (classic, uncompressed), one a slice; no such patient exists."""
    folder.mkdir(parents=True, exist_ok=True)
    common = _common_header(volume, patient, contrast)
    affine = phantom_affine(volume)
    paths = []
    for place, pixels in enumerate(volume.voxels):
        dataset = Dataset()
        dataset.update(common)
        dataset.SOPInstanceUID = _uid(patient, contrast, f"slice {place}")
        dataset.InstanceNumber = place + 1
        position = affine @ (0, 0, place, 1)
        dataset.ImagePositionPatient = _decimals(-position[0], -position[1], position[2])
        dataset.SliceLocation = _decimals(position[2])[0]
        dataset.WindowCenter, dataset.WindowWidth = _window(volume)
        dataset.add_new("PixelData", "OW", pixels.astype("<u2").tobytes())
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"{place + 1:04d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def _common_header(volume: PhantomVolume, patient: str, contrast: Contrast) -> Dataset:
    """What all images of the series share (PS3.3, A.4)."""
    z, y, x = volume.spacing
    _, rows, columns = volume.voxels.shape
    header = Dataset()
    header.SOPClassUID = MRImageStorage
    header.ImageType = ["ORIGINAL", "PRIMARY", "M", "NONE"]
    header.StudyInstanceUID = _uid(patient, contrast, "study")
    header.SeriesInstanceUID = _uid(patient, contrast, "series")
    header.FrameOfReferenceUID = _uid(patient, contrast, "frame of reference")
    header.PatientID, header.PatientName = patient, f"Phantom^{patient}"
    header.PatientBirthDate = header.PatientSex = ""
    header.StudyDate, header.StudyTime = "20200101", "120000"
    header.StudyID, header.AccessionNumber, header.ReferringPhysicianName = "1", "", ""
    header.SeriesNumber, header.AcquisitionNumber = 1, 1
    header.Modality, header.Manufacturer = "MR", "phantom"
    header.ManufacturerModelName, header.MagneticFieldStrength = "phantom", "3"
    header.SeriesDescription = DESCRIPTIONS[contrast]
    header.PatientPosition, header.PositionReferenceIndicator = "HFS", ""
    header.ScanningSequence = "SE" if contrast is Contrast.T1 else ["SE", "IR"]
    header.SequenceVariant, header.ScanOptions, header.MRAcquisitionType = "NONE", "", "2D"
    t1 = contrast is Contrast.T1
    header.RepetitionTime, header.EchoTime = ("600", "12") if t1 else ("9000", "120")
    if not t1:
        header.InversionTime = "2500"
    header.EchoTrainLength = 1
    header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    header.PixelSpacing = _decimals(y, x)
    header.SliceThickness = header.SpacingBetweenSlices = _decimals(z)[0]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.Rows, header.Columns = rows, columns
    header.BitsAllocated = header.BitsStored = 16
    header.HighBit, header.PixelRepresentation = 15, 0
    return header


def _window(volume: PhantomVolume) -> tuple[int, int]:
    """Centre and width that show everything but the brightest hundredth."""
    top = max(2, round(float(np.percentile(volume.voxels[::2, ::2, ::2], 99))))
    return top // 2, top


def _uid(patient: str, contrast: Contrast, what: str) -> str:
    return str(generate_uid(entropy_srcs=["mriad phantom", patient, contrast.value, what]))


def _decimals(*values: float) -> list[str]:
    """Decimal strings of at most 16 characters (PS3.5, 6.2)."""
    return [f"{value:.10f}"[:16] for value in values]
