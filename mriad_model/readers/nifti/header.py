"""The header of a NIfTI-1 or NIfTI-2 file, read by hand and checked before a voxel is.

Offsets and codes are those of nifti1.h and nifti2.h (nifti.nimh.nih.gov). Not trusted: counts,
offsets, scaling, orientation.
"""

import math
import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from nibabel.quaternions import fillpositive, quat2mat

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.checks import require
from mriad_model.readers.geometry import Affine, require_affine
from mriad_model.readers.volumes import VolumeLimits

SIZES = {348: 1, 540: 2}  # sizeof_hdr -> version
DATATYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1",
    512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
COMPLEX = (32, 1792, 2048)
COLOUR = (128, 2304)  # RGB, RGBA
XFORM_CODES = (1, 2, 3, 4, 5)  # scanner, aligned, Talairach, MNI, template; others mean: not set
UNITS = {1: 1000.0, 3: 0.001}  # metres, micrometres -> mm; anything else is taken for mm


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the fields stand, as (offset, struct codes)."""

    magic: slice
    whole: tuple[bytes, bytes]  # in one file, in a pair
    dim: tuple[int, str]
    datatype: tuple[int, str]
    pixdim: tuple[int, str]
    vox_offset: tuple[int, str]
    scaling: tuple[int, str]  # slope, intercept
    units: tuple[int, str]
    intent: tuple[int, str]
    description: tuple[int, str]
    codes: tuple[int, str]  # qform, sform
    quaternion: tuple[int, str]  # b, c, d, x, y, z
    sform: tuple[int, str]  # three rows


LAYOUTS = {
    1: _Layout(
        magic=slice(344, 348), whole=(b"n+1\0", b"ni1\0"), dim=(40, "8h"), datatype=(70, "h"),
        pixdim=(76, "8f"), vox_offset=(108, "f"), scaling=(112, "2f"), units=(123, "B"),
        intent=(68, "h"), description=(148, "80s"),
        codes=(252, "2h"), quaternion=(256, "6f"), sform=(280, "12f"),
    ),
    2: _Layout(
        magic=slice(4, 12), whole=(b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n"), dim=(16, "8q"),
        datatype=(12, "h"), pixdim=(104, "8d"), vox_offset=(168, "q"), scaling=(176, "2d"),
        units=(500, "i"),
        intent=(504, "i"), description=(240, "80s"),
        codes=(344, "2i"), quaternion=(352, "6d"), sform=(400, "12d"),
    ),
}  # fmt: skip


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
    """The header that `data` (540 bytes or more, or the whole file) starts with.

    Raises:
        RejectedFile: it is no header of one sound 3D volume.
    """
    order, version = _order_and_version(data)
    fields, layout = _Fields(data, order), LAYOUTS[version]
    magic = data[layout.magic]
    pair = magic == layout.whole[1]
    require(not pair, RejectionReason.UNSUPPORTED, "a header whose voxels lie in another file")
    require(magic == layout.whole[0], RejectionReason.UNSUPPORTED, "not a NIfTI file")
    shape = _shape(fields.read(layout.dim), limits)
    dtype = _dtype(int(*fields.read(layout.datatype)), order)
    offset = _offset(float(*fields.read(layout.vox_offset)), 540 if version == 2 else 348)
    require(offset <= limits.max_header_bytes, RejectionReason.TOO_LARGE, "voxels begin too late")
    slope, intercept = _scaling(*fields.read(layout.scaling))
    affine = _affine(fields, layout)
    require_affine(affine)
    intent = int(*fields.read(layout.intent))
    description = bytes(*fields.read(layout.description)).split(b"\0")[0].decode("latin-1")
    return NiftiHeader(shape, dtype, offset, slope, intercept, affine, intent, description)


@dataclass(frozen=True, slots=True)
class _Fields:
    data: bytes
    order: Literal["<", ">"]

    def read(self, field: tuple[int, str]) -> tuple[Any, ...]:
        offset, codes = field
        return struct.unpack_from(self.order + codes, self.data, offset)


def _order_and_version(data: bytes) -> tuple[Literal["<", ">"], int]:
    if len(data) < 4:
        raise RejectedFile(RejectionReason.TRUNCATED, "the header is cut short")
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for order in orders:
        (size,) = struct.unpack_from(order + "i", data)
        if size in SIZES:
            whole = len(data) >= size
            require(whole, RejectionReason.TRUNCATED, "the header is cut short")
            return order, SIZES[size]
    raise RejectedFile(RejectionReason.UNSUPPORTED, "not a NIfTI file")


def _shape(dim: tuple[int, ...], limits: VolumeLimits) -> tuple[int, int, int]:
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


def _affine(fields: _Fields, layout: _Layout) -> Affine:
    """The sform where there is one, else the qform, as nibabel has it; 4x4, mm.

    With neither, nobody knows which side is left: refused rather than guessed.
    """
    qform, sform = fields.read(layout.codes)
    affine = np.eye(4)
    if sform in XFORM_CODES:
        affine[:3] = np.array(fields.read(layout.sform), np.float64).reshape(3, 4)
    elif qform in XFORM_CODES:
        affine[:3] = _qform(fields.read(layout.pixdim), fields.read(layout.quaternion))
    else:
        raise RejectedFile(RejectionReason.BAD_GEOMETRY, "neither sform nor qform is set")
    affine[:3] *= UNITS.get(int(*fields.read(layout.units)) & 7, 1.0)
    return affine


def _qform(pixdim: tuple[float, ...], quaternion: tuple[float, ...]) -> Affine:
    """Method 2 of nifti1.h, as (3, 4). pixdim[0] is the handedness, qfac.

    The standard has no negative pixdim; taken as it stands it would mirror the head, so its sign
    is dropped.
    """
    values = np.array([*quaternion, *pixdim[1:4]], np.float64)
    require(bool(np.isfinite(values).all()), RejectionReason.BAD_GEOMETRY, "qform is not finite")
    try:
        rotation = quat2mat(fillpositive(values[:3], w2_thresh=-1e-5))
    except ValueError as error:
        detail = "qform is no rotation"
        raise RejectedFile(RejectionReason.BAD_GEOMETRY, detail) from error
    handedness = -1.0 if pixdim[0] == -1 else 1.0
    scaled = rotation * (np.abs(values[6:9]) * [1, 1, handedness])
    return np.column_stack([scaled, values[3:6]])
