"""What a volume may ask of us."""

from dataclasses import dataclass


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
