"""Secondary Capture (PS3.3, A.8): the montage picture with the notice in its pixels."""

import cv2
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, SecondaryCaptureImageStorage

from mriad_model.dicom_outputs.common import MAKER, complete, instance_uid, moment
from mriad_model.dicom_outputs.job import OutputJob
from mriad_model.dicom_outputs.series_references import references
from mriad_model.dicom_outputs.source import Study
from mriad_model.enums import NOTICE, HeatmapKind, RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.heatmaps.captions import text_row, text_size

LABEL = "RESEARCH USE ONLY - NOT FOR DIAGNOSIS"
LABEL_INK = 255
JPEG_QUALITY = 92
KIND = HeatmapKind.SECONDARY_CAPTURE

Picture = npt.NDArray[np.uint8]  # (H, W, 3), BGR


def secondary_capture(job: OutputJob, study: Study) -> Dataset:
    """The montage as a DICOM picture, JPEG baseline.

    BurnedInAnnotation is NO: it means identifying text (PS3.3, C.7.6.1), and there is none.
    """
    picture = labelled(job.montage)
    jpeg = _encoded(picture)
    height, width = picture.shape[:2]
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = instance_uid(job, KIND)
    dataset.Modality = "OT"
    dataset.ConversionType = "WSD"
    dataset.SecondaryCaptureDeviceManufacturer = MAKER
    dataset.SecondaryCaptureDeviceManufacturerModelName = MAKER
    dataset.SecondaryCaptureDeviceSoftwareVersions = job.software_version
    dataset.DateOfSecondaryCapture, dataset.TimeOfSecondaryCapture = moment(job, study)
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.PatientOrientation = None  # many slices in one picture
    dataset.Laterality = None
    dataset.BurnedInAnnotation = "NO"
    dataset.DerivationDescription = " ".join(
        ["Slices under their anomaly maps.", NOTICE, *job.about_record]
    )
    dataset.SourceImageSequence = references(job.series)
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = "YBR_FULL_422"
    dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = height, width
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    dataset.LossyImageCompression = "01"
    dataset.LossyImageCompressionRatio = round(picture.size / len(jpeg), 2)
    dataset.LossyImageCompressionMethod = "ISO_10918_1"
    dataset.PixelData = encapsulate([jpeg])
    complete(dataset, job, study, KIND)
    return dataset


def labelled(montage: bytes) -> Picture:
    """The picture below a white-on-dark line with the notice."""
    picture = cv2.imdecode(np.frombuffer(montage, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise RejectedFile(RejectionReason.CORRUPT, "the montage is no picture")
    width = picture.shape[1]
    size = text_size(width)
    air = text_row("", width, size, LABEL_INK)[: size // 2]  # viewers lay marks over the edge
    band = text_row(LABEL, width, size, LABEL_INK)
    return np.vstack((air, band, np.asarray(picture, np.uint8)))


def _encoded(picture: Picture) -> bytes:
    """JPEG baseline, 4:2:2 as YBR_FULL_422 means."""
    settings = [
        *(cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422),
    ]
    done, jpeg = cv2.imencode(".jpg", picture, settings)
    if not done:
        raise ValueError("a picture that cannot be encoded")
    return jpeg.tobytes()
