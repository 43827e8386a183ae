"""A volume: voxels on a grid, where the grid lies in the patient, and what a volume may measure."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mriad_model.enums import RejectionReason, ScanKind
from mriad_model.errors import RejectedFile
from mriad_model.readers.volume.checks import require
from mriad_model.readers.volume.geometry import Affine, Voxels, require_field, voxel_spacing
from mriad_model.readers.volume.volume_identity import Identity, identity_of

# Storage types that are held as they are where nothing scales them; others become float32.
KEPT_TYPES = tuple(np.dtype(code) for code in ("u1", "i1", "u2", "i2"))
MOST_LABELS = 32  # different values in a volume; a scan has hundreds


@dataclass(frozen=True, slots=True)
class Origin:
    """What the source states of itself. Identifiers are raw: pseudonyms are made in storing."""

    kind: ScanKind
    patient_id: str | None = None
    study_uid: str | None = None
    series_uid: str | None = None
    frame_of_reference_uid: str | None = None
    scanner: str | None = None  # maker, model, field strength
    session: str | None = None  # by BIDS: a visit of the patient
    contrast: str | None = None  # a hint: T1w, T1c, T2w, FLAIR, ...
    decoder: str = "native"  # the library and version that decompressed the voxels
    remarks: tuple[str, ...] = ()  # what of the source contradicts itself, or was passed over

    @property
    def patient(self) -> str | None:
        """The patient as the source names one; None where it names none, or blanks."""
        named = self.patient_id is not None and self.patient_id.strip(" \0")
        return self.patient_id if named else None


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """One volume as its source stores it, with slope and intercept applied."""

    voxels: Voxels  # (Z, Y, X) in the source's order, C-contiguous; 8 or 16 bit integers or float32
    affine: Affine  # 4x4: (x, y, z, 1) of a voxel -> RAS mm
    origin: Origin
    identity: Identity

    @property
    def sha256(self) -> str:
        """The identity of the volume in the record."""
        return self.identity.sha256

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distances between voxels along x, y and z of the grid, mm."""
        return voxel_spacing(self.affine)


def volume_of(voxels: Voxels, affine: Affine, origin: Origin) -> Volume:
    """A volume with its identity. RejectedFile: not finite, constant, an impossible field."""
    require_field(voxels.shape, affine)
    _require_signal(voxels)
    return Volume(voxels, affine, origin, identity_of(voxels, affine))


def require_grey_levels(voxels: Voxels) -> None:
    """Reject a volume of few values: most collections of NIfTI files hold masks."""
    seen: set[float] = set()
    for plane in voxels:
        seen.update(np.unique(plane).tolist())
        if len(seen) > MOST_LABELS:
            return
    detail = f"only {len(seen)} different values: a mask or label map"
    raise RejectedFile(RejectionReason.LABEL_MAP, detail)


def storage_type(stored: np.dtype[Any], scaled: bool) -> np.dtype[Any]:
    """The type that voxels are held in: small integers as stored, anything else as float32."""
    native = stored.newbyteorder("=")
    return native if native in KEPT_TYPES and not scaled else np.dtype(np.float32)


def _require_signal(voxels: Voxels) -> None:
    low, high = zip(*((float(plane.min()), float(plane.max())) for plane in voxels), strict=True)
    lowest, highest = min(low), max(high)
    # One NaN makes its plane's extremes NaN, so they are checked before they are compared.
    finite = bool(np.isfinite(low).all() and np.isfinite(high).all())
    require(finite, RejectionReason.NOT_FINITE, "voxels are not a number or infinite")
    require(lowest < highest, RejectionReason.NO_SIGNAL, f"every voxel is {lowest:g}")


@dataclass(frozen=True, slots=True)
class VolumeLimits:
    """Sizes that are checked from the headers, before memory is taken for a voxel."""

    max_file_bytes: int = 2**30
    max_side: int = 4096  # rows or columns of a slice; any side of a NIfTI grid
    max_frames: int = 4096  # in one DICOM file
    max_header_reads: int = 2_000_000  # of a DICOM header, one to three an element
    max_items: int = 300_000  # of a DICOM sequence, nested ones included; 0.7 KB of memory each
    max_voxels: int = 2**27  # 512 cubed: 512 MiB as float32
    min_side: int = 16  # of a slice
    min_slices: int = 3
    max_header_bytes: int = 64 * 2**20  # before the voxels: skipped in NIfTI, wanted in DICOM
