"""A volume: voxels on a grid, and where the grid lies in the patient."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
from nibabel import orientations
from numpy.typing import NDArray

from mriad_model.errors import RejectedFile
from mriad_model.nouns import RejectionReason, ScanKind
from mriad_model.volumes.geometry import Affine, voxel_spacing
from mriad_model.volumes.refusals import require

Voxels: TypeAlias = NDArray[Any]  # (Z, Y, X), one of KEPT_TYPES

# Storage types that are held as they are where nothing scales them; others become float32.
KEPT_TYPES = tuple(np.dtype(code) for code in ("u1", "i1", "u2", "i2"))
MOST_LABELS = 32  # different values in a volume; a scan has hundreds


@dataclass(frozen=True, slots=True)
class Origin:
    """What the source says of itself. Identifiers are raw: whoever stores them makes pseudonyms."""

    kind: ScanKind
    patient_id: str | None = None
    study_uid: str | None = None
    series_uid: str | None = None
    frame_of_reference_uid: str | None = None
    scanner: str | None = None  # maker, model, field strength
    session: str | None = None  # by BIDS: a visit of the patient
    contrast: str | None = None  # a hint: T1w, T1c, T2w, FLAIR, ...
    decoder: str = "native"  # the library and version that decompressed the voxels


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """One volume as its source stores it, with slope and intercept applied."""

    voxels: Voxels  # (Z, Y, X) in the source's order, C-contiguous; 8 or 16 bit integers or float32
    affine: Affine  # 4x4: (x, y, z, 1) of a voxel -> RAS mm
    origin: Origin
    sha256: str

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distances between voxels along x, y and z of the grid, mm."""
        return voxel_spacing(self.affine)


def volume_of(voxels: Voxels, affine: Affine, origin: Origin) -> Volume:
    """A volume with its identity. Raises RejectedFile where voxels are not finite or constant."""
    _require_signal(voxels)
    return Volume(voxels, affine, origin, content_sha256(voxels, affine))


def content_sha256(voxels: Voxels, affine: Affine) -> str:
    """What tells a volume: SHA-256 of its shape and its voxels as float32, in RAS order.

    A DICOM series and the NIfTI file made of it are the same scan, whichever way either stores
    it. Where the grid lies in the room is not part of it.
    """
    across = canonical(voxels, affine)  # (R, A, S)
    digest = hashlib.sha256(f"volume {across.shape}\n".encode())
    for plane in across.transpose(2, 1, 0):
        digest.update(np.ascontiguousarray(plane, "<f4").tobytes())
    return digest.hexdigest()


def canonical(voxels: Voxels, affine: Affine) -> Voxels:
    """A view of the voxels (Z, Y, X) along the patient's closest axes, (R, A, S)."""
    to_ras = cast("NDArray[np.float64]", orientations.io_orientation(affine))
    return cast("Voxels", orientations.apply_orientation(voxels.transpose(2, 1, 0), to_ras))


def canonical_affine(shape: tuple[int, int, int], affine: Affine) -> Affine:
    """The affine of `canonical` voxels, for a grid of `shape` (Z, Y, X)."""
    to_ras = orientations.io_orientation(affine)
    return np.asarray(affine @ orientations.inv_ornt_aff(to_ras, shape[::-1]), np.float64)


def require_grey_levels(voxels: Voxels) -> None:
    """Refuse a mask or label map: a volume of finite voxels with few different values.

    Segmentations lie beside scans in most collections of NIfTI files, and look like scans.
    """
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
    low, high = zip(*_extremes(voxels), strict=True)
    lowest, highest = min(low), max(high)
    # One NaN makes its plane's extremes NaN, so they are looked at before they are compared.
    finite = bool(np.isfinite(low).all() and np.isfinite(high).all())
    require(finite, RejectionReason.NOT_FINITE, "voxels are not a number or infinite")
    require(lowest < highest, RejectionReason.NO_SIGNAL, f"every voxel is {lowest:g}")


def _extremes(voxels: Voxels) -> Iterator[tuple[float, float]]:
    for plane in voxels:
        yield float(plane.min()), float(plane.max())
