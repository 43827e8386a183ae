"""Pictures: maps that were drawn, small and whole, and the source under them.

Addresses hold the beginning of a file's hash; a browser keeps pictures, and asks before each use.
"""

import io
import os
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

import numpy as np
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, Response
from PIL import Image, ImageOps
from sqlalchemy import Engine

from db.entities import Heatmap, Scan, Sighting
from db.repository.intake.scans import scans_by_id
from db.repository.intake.sightings import sightings
from db.repository.reports.worklist import heatmap_by_id
from mriad_model.enums import HeatmapKind, ScanKind
from mriad_model.heatmaps.montage_layout import tile_boxes
from mriad_model.paths import source_path
from web.browser_cache import kept
from web.site import RowId, Site, site_of

SMALL: Final = (192, 144)  # pixels, at most
QUALITY: Final = 90
MOST_BYTES: Final = 128 * 2**20  # of a source picture, as in reading
WINDOW: Final = (0.5, 99.5)  # percentiles that 16 bits are shown between, as in heatmaps
GONE: Final = "The file is gone, or has changed since it was scored."
MEDIA_TYPES: Final = {
    HeatmapKind.SLICE: "image/jpeg",
    HeatmapKind.MONTAGE: "image/jpeg",
    HeatmapKind.VOLUME: "application/gzip",
    HeatmapKind.SECONDARY_CAPTURE: "application/dicom",
    HeatmapKind.SEGMENTATION: "application/dicom",
    HeatmapKind.STRUCTURED_REPORT: "application/dicom",
}
router = APIRouter()


@router.get("/pictures/{heatmap_id}/{sha}/small.jpg")
def small(request: Request, heatmap_id: RowId, sha: str) -> Response:
    """A map's picture for a list; of a montage the slice on which the map paints most."""
    site = site_of(request)
    found = _heatmap(site.engine, heatmap_id, sha)
    path, rows = _file_of(site, found), _rows(site.engine, found)
    return kept(request, f"list-{found.sha256}", lambda: _jpeg(_small(path, rows, found.sha256)))


@router.get("/pictures/{heatmap_id}/{sha}/map.jpg")
def under_map(request: Request, heatmap_id: RowId, sha: str) -> Response:
    """A picture under its map, without the band of text below: it lies over the source exactly."""
    site = site_of(request)
    found = _heatmap(site.engine, heatmap_id, sha)
    path, rows = _file_of(site, found), _rows(site.engine, found)
    return kept(request, f"map-{found.sha256}", lambda: _jpeg(_cut(path, rows)))


@router.get("/pictures/{heatmap_id}/{sha}/file")
def whole(request: Request, heatmap_id: RowId, sha: str) -> Response:
    """The file as it was written: a picture, a NIfTI map, a DICOM output."""
    site = site_of(request)
    found = _heatmap(site.engine, heatmap_id, sha)
    path = _file_of(site, found)
    shown = "inline" if found.kind in (HeatmapKind.SLICE, HeatmapKind.MONTAGE) else "attachment"
    return kept(
        request,
        f"file-{found.sha256}",
        lambda: FileResponse(
            path,
            media_type=MEDIA_TYPES[found.kind],
            filename=path.name,
            content_disposition_type=shown,
        ),
    )


@router.get("/scans/{scan_id}/{sha}/source.jpg")
def source(request: Request, scan_id: RowId, sha: str) -> Response:
    """The picture that was scored, without its map."""
    site = site_of(request)
    scan = scans_by_id(site.engine, [scan_id]).get(scan_id)
    if scan is None or scan.kind is not ScanKind.IMAGE or not scan.sha256.startswith(sha):
        raise HTTPException(404)
    for seen in sightings(site.engine, [scan_id]).get(scan_id, []):
        if (data := _as_seen(source_path(seen.path, site.home), seen)) is not None:
            return kept(request, f"source-{scan.sha256}", partial(_shown, data))
    raise HTTPException(404, GONE)


def has_source(site: Site, scan: Scan, seen: tuple[Sighting, ...]) -> bool:
    """Whether a picture's file is there as it was scored."""
    paths = ((source_path(each.path, site.home), each) for each in seen)
    return scan.kind is ScanKind.IMAGE and any(_is_as_seen(*each) for each in paths)


def _heatmap(engine: Engine, heatmap_id: int, sha: str) -> Heatmap:
    found = heatmap_by_id(engine, heatmap_id)
    if found is None or len(sha) < 8 or not found.sha256.startswith(sha):
        raise HTTPException(404)
    return found


def _file_of(site: Site, found: Heatmap) -> Path:
    path = source_path(found.path, site.home)
    # A row names files of the home alone; what else it might name is not served.
    if not path.resolve().is_relative_to((site.home / "heatmaps").resolve()) or not path.is_file():
        raise HTTPException(404, GONE)
    return path


def _rows(engine: Engine, found: Heatmap) -> int | None:
    """Rows of the scan's own picture, above the band of text; None for a montage."""
    if found.kind is not HeatmapKind.SLICE:
        return None
    return heatmap_rows(engine, found)


def heatmap_rows(engine: Engine, found: Heatmap) -> int | None:
    """Rows of the picture that a slice's map was drawn over."""
    from db.repository.reports.scan_details import recorded_scores  # noqa: PLC0415

    scored = recorded_scores(engine, [found.score_id])[found.score_id]
    scan_id = scored.score.scan_id
    rows: int | None = scans_by_id(engine, [scan_id])[scan_id].grid.get("rows")
    return rows


@lru_cache(maxsize=2000)  # about 6 KB each
def _small(path: Path, rows: int | None, sha256: str) -> bytes:  # noqa: ARG001 - names the file
    with Image.open(path) as picture:
        shown = _most_painted(picture) if rows is None else _above(picture, rows)
        shown.thumbnail(SMALL)
        return _encoded(shown)


def _cut(path: Path, rows: int | None) -> bytes:
    with Image.open(path) as picture:
        return _encoded(picture if rows is None else _above(picture, rows))


def _above(picture: Image.Image, rows: int) -> Image.Image:
    return picture.crop((0, 0, picture.width, rows))


def _most_painted(montage: Image.Image) -> Image.Image:
    """The tile with most colour; the whole where it has no tiles."""

    def colour(tile: Image.Image) -> int:
        return int(np.ptp(np.asarray(tile.convert("RGB"), np.int16), axis=2).sum())

    tiles = (montage.crop(box) for box in tile_boxes(montage.height))
    return max(tiles, key=colour, default=montage)


def _shown(data: bytes) -> Response:
    return _jpeg(_displayed(data))


def _displayed(data: bytes) -> bytes:
    """A source picture as the maps show it: gray, upright, 16 bits windowed."""
    with Image.open(io.BytesIO(data)) as picture:
        upright = ImageOps.exif_transpose(picture)
        if upright.mode.startswith("I"):
            pixels = np.asarray(upright, np.float32)
            low, high = np.percentile(pixels, WINDOW)
            levels = (pixels - low) * (255 / max(high - low, 1))
            return _encoded(Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)))
        if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
            layer = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", layer.size, (0, 0, 0, 255)), layer)
        return _encoded(upright.convert("RGB").convert("L"))


def _as_seen(path: Path, seen: Sighting) -> bytes | None:
    """A file's bytes, as long as the file is as it was when it was read and accepted.

    So nothing is decoded here that the reading children have not decoded before.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not _matches(os.fstat(descriptor), seen):
            return None
        return file.read(MOST_BYTES)


def _is_as_seen(path: Path, seen: Sighting) -> bool:
    try:
        return _matches(path.lstat(), seen)
    except OSError:
        return False


def _matches(now: os.stat_result, seen: Sighting) -> bool:
    return (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino) == (
        seen.size,
        seen.mtime_ns,
        seen.ctime_ns,
        seen.inode,
    )


def _encoded(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, subsampling=0)
    return out.getvalue()


def _jpeg(data: bytes) -> Response:
    return Response(data, media_type="image/jpeg")
