"""Binary segmentation (PS3.3, A.51): where the anomaly map is above its threshold.

highdicom gets one plain single-frame image a slice in place of the source, which may be
multi-frame, differ in digits of its orientation, or lack what highdicom needs. References to these
stand-ins are then replaced by those to the files.
"""

import numpy as np
import numpy.typing as npt
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage
from pydicom.valuerep import DSfloat

from mriad_model.dicom_outputs import codes as words
from mriad_model.dicom_outputs.common import MAKER, complete, identity, instance_uid
from mriad_model.dicom_outputs.job import OutputJob
from mriad_model.dicom_outputs.series_references import references
from mriad_model.dicom_outputs.source import Study, without_patient
from mriad_model.enums import NOTICE, HeatmapKind
from mriad_model.readers.dicom.frames import Frame
from mriad_model.readers.volume.geometry import voxel_spacing

KIND = HeatmapKind.SEGMENTATION
LABEL = "Unlike healthy (research use only)"

Mask = npt.NDArray[np.bool_]  # (Z, Y, X)


def mask_of(job: OutputJob) -> Mask:
    """The voxels above the threshold, read slice by slice: the map stays on the disk."""
    anomaly = np.load(job.anomaly, mmap_mode="r", allow_pickle=False)
    if anomaly.shape != job.series.shape:
        raise ValueError(f"map of shape {anomaly.shape} for a series of {job.series.shape}")
    mask = np.zeros(anomaly.shape, np.bool_)
    for place, plane in enumerate(anomaly):
        np.greater(plane, job.map_threshold, out=mask[place])
    return mask


def segmentation(job: OutputJob, study: Study, mask: Mask) -> Dataset:
    """The mask as a DICOM segmentation of one segment. Slices without a voxel have no frame."""
    dataset = Segmentation(
        source_images=_stand_ins(job, study),
        pixel_array=mask,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_description(job)],
        **identity(job, KIND),
        manufacturer_model_name=MAKER,
        software_versions=job.software_version,
        device_serial_number=job.model_sha256,
        content_label="MRIAD_ANOMALY",
        content_description=NOTICE,
    )
    _name_sources(dataset, job)
    dimensions = instance_uid(job, KIND, "dimensions")  # highdicom draws one by chance
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions
    # It names the stand-ins' equipment, and highdicom, as if they had been at the acquisition.
    dataset.pop("ContributingEquipmentSequence", None)
    dataset.CodingSchemeIdentificationSequence = [words.own_scheme()]
    for line in job.about_record:
        dataset.ImageComments = line
    complete(dataset, job, study, KIND)
    return dataset


def _description(job: OutputJob) -> SegmentDescription:
    algorithm = AlgorithmIdentificationSequence(
        name=MAKER,
        family=words.ARTIFICIAL_INTELLIGENCE,
        version=job.software_version,
        source=MAKER,
        parameters={
            "model": str(job.model_id),
            "model_sha256": job.model_sha256,
            "map_threshold": f"{job.map_threshold:.9g}",
        },
    )
    return SegmentDescription(
        segment_number=1,
        segment_label=LABEL,
        segmented_property_category=words.ABNORMAL_STRUCTURE,
        segmented_property_type=words.UNLIKE_HEALTHY,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
    )


def _stand_ins(job: OutputJob, study: Study) -> list[Dataset]:
    """A single-frame image for each slice; its instance UID is the slice's place."""
    *_, between_slices = voxel_spacing(job.series.affine)
    orientation = _numbers(job.series.frames[0].orientation)
    return [
        _stand_in(place, frame, orientation, _numbers([between_slices])[0], study)
        for place, frame in enumerate(job.series.frames)
    ]


def _stand_in(
    place: int, frame: Frame, orientation: list[DSfloat], between_slices: DSfloat, study: Study
) -> Dataset:
    image = without_patient()
    image.update(study.lossy)
    image.SOPClassUID = MRImageStorage
    image.SOPInstanceUID = str(place)
    image.StudyInstanceUID = study.study_uid
    image.SeriesInstanceUID = frame.instance.series_uid
    image.FrameOfReferenceUID = study.frame_of_reference_uid
    image.PositionReferenceIndicator = study.position_reference
    image.Modality = "MR"
    image.Rows, image.Columns = frame.instance.rows, frame.instance.columns
    image.ImagePositionPatient = _numbers(frame.position)
    image.ImageOrientationPatient = orientation
    image.PixelSpacing = _numbers(frame.spacing)
    image.SliceThickness = image.SpacingBetweenSlices = between_slices
    return image


def _numbers(values: tuple[float, ...] | list[float]) -> list[DSfloat]:
    """Decimal strings of at most 16 characters."""
    return [DSfloat(value, auto_format=True) for value in values]


def _name_sources(dataset: Dataset, job: OutputJob) -> None:
    """Put the series' files, and their frames, where the stand-ins are named."""
    dataset.SourceImageSequence = references(job.series)
    named = references(job.series, frames=False)
    dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence = named
    derived = (item.DerivationImageSequence for item in dataset.PerFrameFunctionalGroupsSequence)
    for item in (source for each in derived for one in each for source in one.SourceImageSequence):
        frame = job.series.frames[int(item.ReferencedSOPInstanceUID)]
        item.ReferencedSOPClassUID = frame.instance.sop_class_uid
        item.ReferencedSOPInstanceUID = frame.instance.sop_instance_uid
        if frame.instance.n_frames > 1:
            item.ReferencedFrameNumber = frame.index + 1
