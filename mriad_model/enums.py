"""Kinds, labels, roles, verdicts, reasons: the record's enums. Standard library only."""

from enum import StrEnum

NOTICE = "Research use only. Not a medical device, not for diagnosis."


class ScanKind(StrEnum):
    """What the scan's source is."""

    IMAGE = "image"
    DICOM = "dicom"
    NIFTI = "nifti"


PICTURES = (ScanKind.IMAGE,)
VOLUMES = (ScanKind.DICOM, ScanKind.NIFTI)


class LabelValue(StrEnum):
    """The label of a scan, by a person or an import."""

    HEALTHY = "healthy"
    ABNORMAL = "abnormal"


class LabelSource(StrEnum):
    """Where a label comes from. The system's own verdicts are never a source."""

    FOLDER = "folder"
    CSV = "csv"
    REVIEWER = "reviewer"


class Role(StrEnum):
    """The role of a scan in a dataset. A scan has one; its twins share it.

    Except that healthy scans of a group with a labelled abnormal one train.
    """

    TRAIN = "train"
    VALIDATION = "validation"
    CALIBRATION = "calibration"
    TEST = "test"
    LABELLED_ABNORMAL = "labelled_abnormal"  # taught as what is not healthy


# The roles of the scans that a model learns from
LEARNED_ROLES = (Role.TRAIN, Role.VALIDATION, Role.LABELLED_ABNORMAL)


class Policy(StrEnum):
    """How a threshold is computed from calibration scores."""

    SIGMAS = "sigmas"
    QUANTILE = "quantile"
    RATE = "rate"


class Verdict(StrEnum):
    """The verdict of a decision, which is none about disease."""

    NORMAL = "normal"
    SUSPICIOUS = "suspicious"
    UNCERTAIN = "uncertain"  # neither: see the decision's reason
    NOT_SCORABLE = "not_scorable"  # the score says nothing: see the decision's reason


class ReviewVerdict(StrEnum):
    """The verdict of a reviewer on a decision."""

    NORMAL = "normal"
    SUSPICIOUS = "suspicious"


class DecisionReason(StrEnum):
    """Why a decision has its verdict."""

    NOT_ABOVE_THRESHOLD = "not_above_threshold"  # normal
    ABOVE_THRESHOLD = "above_threshold"  # suspicious
    # Uncertain
    NEAR_THRESHOLD = "near_threshold"  # one drawn from other healthy scans could decide otherwise
    NEAR_GATE = "near_gate"  # nearly as unlike what was learned as no longer scorable
    FOLDS_DISAGREE = "folds_disagree"  # the models of the folds lie on both sides of the threshold
    # Not scorable
    UNLIKE_LEARNED = "unlike_learned"  # other sequence, plane, source, or no head at all
    CONTRAST_UNKNOWN = "contrast_unknown"  # the same, and the source names no contrast
    NEEDS_LOCAL_HEALTHY = "needs_local_healthy"  # a head, but as another scanner shows heads
    REGISTRATION_FAILED = "registration_failed"  # of a scan with a rejection: `unregistered`


class Side(StrEnum):
    """Where a finding lies: of the patient, or of a picture, whose left may be the right."""

    LEFT = "left"
    RIGHT = "right"
    MIDLINE = "midline"


class SideOf(StrEnum):
    """Whose left and right it is. A picture may show the patient's left on its right."""

    PATIENT = "patient"
    PICTURE = "picture"

    @classmethod
    def kind(cls, kind: ScanKind) -> "SideOf":
        """Whose side a finding in a scan of this kind has."""
        return cls.PICTURE if kind in PICTURES else cls.PATIENT


def side_in_words(side: Side | None, kind: ScanKind) -> str:
    """`patient's left`; of a picture, whose patient's side is not known, `picture's left`."""
    if side is None:
        return ""
    return side.value if side is Side.MIDLINE else f"{SideOf.kind(kind)}'s {side}"


class RunStatus(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"  # by Ctrl-C or SIGTERM


class HeatmapKind(StrEnum):
    """What a heatmap file shows, and as what."""

    SLICE = "slice"  # a picture: one slice under its map
    MONTAGE = "montage"  # a picture: the worst slices of a volume under their maps
    VOLUME = "volume"  # NIfTI: the map on the source's own grid
    SECONDARY_CAPTURE = "secondary_capture"  # DICOM: the montage
    SEGMENTATION = "segmentation"  # DICOM: where the map is above the threshold
    STRUCTURED_REPORT = "structured_report"  # DICOM: score, threshold, verdict, model


class RejectionReason(StrEnum):
    """Why a file is no scan, or a scan has no score or no output."""

    SYMLINK = "symlink"
    NOT_REGULAR = "not_regular"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too_large"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    MULTI_FRAME = "multi_frame"
    BAD_SHAPE = "bad_shape"
    NO_SIGNAL = "no_signal"
    # Volumes
    MISSING_TAGS = "missing_tags"
    WRONG_MODALITY = "wrong_modality"
    LOCALIZER = "localizer"
    COLOUR = "colour"
    BURNED_IN_ANNOTATION = "burned_in_annotation"
    DUPLICATE = "duplicate"
    BAD_GEOMETRY = "bad_geometry"
    TOO_FEW_SLICES = "too_few_slices"
    SHARED_POSITIONS = "shared_positions"
    GAP = "gap"
    INCOMPLETE = "incomplete"  # fewer slices than its headers state
    SEVERAL_VOLUMES = "several_volumes"
    UNREGISTERED = "unregistered"  # the head was not found where it can be compared
    NOT_FINITE = "not_finite"
    LABEL_MAP = "label_map"
    NOT_MAGNITUDE = "not_magnitude"  # phase, real or imaginary part, field map
    QUANTITATIVE_MAP = "quantitative_map"  # ADC, FA, T1, ...: a quantity, no signal
    DERIVED = "derived"  # computed from several images: subtraction, projection, fit
    SCREENSHOT = "screenshot"
    # Reading in a child process
    TIMED_OUT = "timed_out"
    READER_DIED = "reader_died"
    # Scans that are fine in themselves
    OTHER_KIND = "other_kind"  # not what the active model learned
    NO_FRAME_OF_REFERENCE = "no_frame_of_reference"  # no DICOM output can refer to it


class SettledBy(StrEnum):
    """How a folder showed that all its files had arrived."""

    COMPLETE = "complete"  # it has a file `.complete`
    QUIET = "quiet"  # nothing in it changed for a while


class WarningKind(StrEnum):
    """What a warning is about."""

    DRIFT = "drift"  # scores no longer look like the calibration scores
    SCANNER_DRIFT = "scanner_drift"  # those of one scanner do not
    CALIBRATION = "calibration"  # the active threshold should be drawn anew
    NOT_SCORABLE = "not_scorable"  # many of the last scans are not like what was learned
    SILENT_DETECTOR = "silent_detector"  # it finds few implanted lesions, or none
    LABEL = "label"  # something speaks against healthy labels
