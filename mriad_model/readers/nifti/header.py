"""The header of a NIfTI-1 or NIfTI-2 file, checked before a voxel is read.

nibabel gives the fields (its structured types); their values are checked here, as nibabel mends or
believes counts, offsets, scaling and orientation. Codes are those of nifti1.h and nifti2.h
(nifti.nimh.nih.gov).
"""

import math
import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.quaternions import fillpositive, quat2mat

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.volume.checks import require
from mriad_model.readers.volume.geometry import Affine, require_affine
from mriad_model.readers.volume.volumes import VolumeLimits

KINDS = {348: Nifti1Header, 540: Nifti2Header}  # by sizeof_hdr, bytes
LINE_ENDS = [13, 10, 26, 10]  # after the magic of NIfTI-2: no transfer as text changed the file
DATATYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1",
    512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
COMPLEX = (32, 1792, 2048)
COLOUR = (128, 2304)  # RGB, RGBA
XFORM_CODES = (1, 2, 3, 4, 5)  # scanner, aligned, Talairach, MNI, template; others mean: not set
UNITS = {1: 1000.0, 3: 0.001}  # metres, micrometres -> mm; anything else is taken for mm


@dataclass(frozen=True, slots=True, eq=False)
class NiftiHeader:
    """What is needed to read the voxels."""

    shape: tuple[int, int, int]  # x, y, z
    dtype: np.dtype[Any]  # as stored, with its byte order
    offset: int  # of the first voxel, bytes
    slope: float
    intercept: float
    affine: Affine
    intent: int  # code of nifti1.h; 0: none
    description: str  # free text, not shown anywhere

    @property
    def is_scaled(self) -> bool:
        """Whether slope and intercept change anything."""
        return (self.slope, self.intercept) != (1.0, 0.0)


def parse_header(data: bytes, limits: VolumeLimits) -> NiftiHeader:
    """The header at the start of `data` (540 bytes or more). RejectedFile unless of a 3D volume."""
    order, size = _order_and_size(data)
    kind = KINDS[size]
    fields = np.frombuffer(data, kind.template_dtype.newbyteorder(order), count=1)[0]
    pair = fields["magic"] == kind.pair_magic
    require(not pair, RejectionReason.UNSUPPORTED, "a header whose voxels lie in another file")
    whole = fields["magic"] == kind.single_magic
    whole = whole and (kind is Nifti1Header or fields["eol_check"].tolist() == LINE_ENDS)
    require(bool(whole), RejectionReason.UNSUPPORTED, "not a NIfTI file")
    shape = _shape(fields["dim"].tolist(), limits)
    dtype = _dtype(int(fields["datatype"]), order)
    offset = _offset(float(fields["vox_offset"]), size)
    require(offset <= limits.max_header_bytes, RejectionReason.TOO_LARGE, "voxels begin too late")
    slope, intercept = _scaling(float(fields["scl_slope"]), float(fields["scl_inter"]))
    affine = _affine(fields)
    require_affine(affine)
    description = bytes(fields["descrip"]).split(b"\0")[0].decode("latin-1")
    intent = int(fields["intent_code"])
    return NiftiHeader(shape, dtype, offset, slope, intercept, affine, intent, description)


def _order_and_size(data: bytes) -> tuple[Literal["<", ">"], int]:
    require(len(data) >= 4, RejectionReason.TRUNCATED, "the header is cut short")
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for order in orders:
        (size,) = struct.unpack(f"{order}I", data[:4])
        if size in KINDS:
            require(len(data) >= size, RejectionReason.TRUNCATED, "the header is cut short")
            return order, size
    raise RejectedFile(RejectionReason.UNSUPPORTED, "not a NIfTI file")


def _shape(dim: list[int], limits: VolumeLimits) -> tuple[int, int, int]:
    n_axes, sides = dim[0], dim[1:]
    require(1 <= n_axes <= 7, RejectionReason.CORRUPT, f"{n_axes} dimensions")
    sides = sides[:n_axes]
    require(min(sides) > 0, RejectionReason.CORRUPT, "a side is 0 or negative")
    one = math.prod(sides[3:]) == 1
    require(one, RejectionReason.SEVERAL_VOLUMES, f"{math.prod(sides[3:]):,} volumes in one file")
    require(n_axes >= 3, RejectionReason.BAD_SHAPE, f"{n_axes} dimensions, not 3")
    x, y, z = sides[:3]
    size = f"{x}x{y}x{z} voxels"
    small = max(x, y, z) <= limits.max_side and x * y * z <= limits.max_voxels
    require(small, RejectionReason.TOO_LARGE, size)
    least, middle, _ = sorted((x, y, z))
    large = middle >= limits.min_side and least >= limits.min_slices
    require(large, RejectionReason.BAD_SHAPE, size)
    return x, y, z


def _dtype(code: int, order: str) -> np.dtype[Any]:
    require(code not in COMPLEX, RejectionReason.NOT_MAGNITUDE, "voxels are complex numbers")
    require(code not in COLOUR, RejectionReason.COLOUR, "voxels are colours")
    require(code in DATATYPES, RejectionReason.UNSUPPORTED, f"datatype {code}")
    return np.dtype(order + DATATYPES[code])


def _offset(stored: float, len_header: int) -> int:
    sound = math.isfinite(stored) and stored >= len_header and stored == int(stored)
    require(sound, RejectionReason.CORRUPT, "voxels begin within the header")
    return int(stored)


def _scaling(slope: float, intercept: float) -> tuple[float, float]:
    """Slope and intercept; a slope of 0 (or, as nibabel has it, not finite) means none."""
    if slope == 0 or not math.isfinite(slope):
        return 1.0, 0.0
    require(math.isfinite(intercept), RejectionReason.CORRUPT, "intercept is not finite")
    return slope, intercept


def _affine(fields: Any) -> Affine:
    """The sform where there is one, else the qform, as nibabel has it; 4x4, mm.

    With neither, left and right are unknown: rejected rather than guessed.
    """
    affine = np.eye(4)
    if int(fields["sform_code"]) in XFORM_CODES:
        affine[:3] = [fields[row].tolist() for row in ("srow_x", "srow_y", "srow_z")]
    elif int(fields["qform_code"]) in XFORM_CODES:
        affine[:3] = _qform(fields)
    else:
        raise RejectedFile(RejectionReason.BAD_GEOMETRY, "neither sform nor qform is set")
    affine[:3] *= UNITS.get(int(fields["xyzt_units"]) & 7, 1.0)
    return affine


def _qform(fields: Any) -> Affine:
    """Method 2 of nifti1.h, as (3, 4). pixdim[0] is the handedness, qfac.

    The standard has no negative pixdim, which would mirror the head: its sign is dropped.
    """
    pixdim = fields["pixdim"].tolist()
    names = ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
    values = np.array([*(float(fields[name]) for name in names), *pixdim[1:4]], np.float64)
    require(bool(np.isfinite(values).all()), RejectionReason.BAD_GEOMETRY, "qform is not finite")
    try:
        rotation = quat2mat(fillpositive(values[:3], w2_thresh=-1e-5))
    except ValueError as error:
        detail = "qform is no rotation"
        raise RejectedFile(RejectionReason.BAD_GEOMETRY, detail) from error
    handedness = -1.0 if pixdim[0] == -1 else 1.0
    scaled = rotation * (np.abs(values[6:9]) * [1, 1, handedness])
    return np.column_stack([scaled, values[3:6]])
