"""Drawn heads as files, for tries and lessons: no patients, no home, no record."""

import shutil
from pathlib import Path

from mriad_model.errors import SettingsError
from mriad_model.paths import escape_path
from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.write import (
    DrawnScan,
    ScanFormat,
    drawn_heads,
    write_slice,
    write_volume,
)
from tasks.runtime.progress import tell

SCANS, MASKS = "scans", "masks"  # in the folder; masks apart, for they would be read as scans
NUMBERS_A_SEED = 10_000  # so that heads of two seeds are two patients


def draw(
    folder: Path, n_healthy: int, n_lesions: int, seed: int, scan_format: str, contrast: str
) -> list[DrawnScan]:
    """Draw heads into `scans/no` and `scans/yes`, the lesions' masks into `masks`: all or none.

    Raises:
        SettingsError: there is something at `folder`; nothing is written over.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"{escape_path(folder)}: not empty; name a folder that is not there")
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for place in (part / SCANS / "no", part / SCANS / "yes", part / MASKS):
        place.mkdir(parents=True)
    kind, weighting = ScanFormat(scan_format), Contrast(contrast)
    drawn = []
    for head in drawn_heads(n_healthy, n_lesions, seed, first_number=seed * NUMBERS_A_SEED):
        if kind is ScanFormat.PNG:
            one = write_slice(head, part / SCANS, weighting, part / MASKS)
        else:
            series = kind is ScanFormat.DICOM
            one = write_volume(head, part / SCANS, weighting, part / MASKS, as_series=series)
        mask = None if one.mask is None else folder / one.mask.relative_to(part)
        drawn.append(DrawnScan(folder / one.path.relative_to(part), one.lesion, mask))
        tell("draw", len(drawn), n_healthy + n_lesions)
    part.rename(folder)
    return drawn
