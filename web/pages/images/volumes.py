"""Slices of a volume, with and without its map, in three planes.

They are cut here from what another process has written (`tasks.reports.volume_view`).
"""

import io
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from numpy.typing import NDArray
from PIL import Image

from db.entities import Heatmap
from db.repository.reports.scan_details import recorded_scores
from db.repository.reports.worklist import heatmap_by_id
from mriad_model.enums import HeatmapKind
from web.browser_cache import kept
from web.pages.images.pictures import QUALITY
from web.site import RowId, Site, site_of

FOLDER: Final = "views"  # in the home
NIIVUE: Final = Path(__file__).parents[2] / "node_modules" / "@niivue/niivue/dist/index.js"
MOST_VIEWS: Final = 6  # volumes that are kept; the one opened longest ago goes first
# Of a volume (R, A, S): the axis that is cut across, the slice's rows, its columns; as in heatmaps.
AXES: Final = {"axial": (2, 1, 0), "coronal": (1, 2, 0), "sagittal": (0, 2, 1)}
SIDES: Final = {"axial": ("R", "L"), "coronal": ("R", "L"), "sagittal": ("A", "P")}
NIFTI_BYTES: Final = 352  # before the voxels
KNOTS: Final = 18  # of the colours; opacity rises steeply at first
router = APIRouter()


@dataclass(frozen=True, slots=True)
class VolumeView:
    """A volume's view on disk."""

    folder: Path

    @property
    def about(self) -> dict[str, Any] | None:
        """Shape (R, A, S), spacing and the map's peak in mm; None where it is not written yet."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "view.json").read_text())
        except (OSError, ValueError):
            return None
        return found

    @property
    def colours(self) -> list[list[int]]:
        """R, G, B and opacity, 0 to 255, at KNOTS even steps of the map's scale."""
        tables = np.load(self.folder / "tables.npy", allow_pickle=False).astype(float)
        knots = tables[np.linspace(0, len(tables) - 1, KNOTS).round().astype(int)]
        opacity = 255 - knots[:, 3]
        shown = np.minimum(knots[:, :3] * (255 / np.maximum(opacity, 1))[:, None], 255)
        found: list[list[int]] = np.column_stack((shown, opacity)).round().astype(int).tolist()
        return found

    def slice(self, plane: str, position: int, *, with_map: bool) -> Image.Image:
        """One slice with square pixels, as radiologists hang it.

        Raises:
            HTTPException: there is no such slice, or no view.
        """
        about = self.about
        if about is None or plane not in AXES:
            raise HTTPException(404)
        across, down, along = AXES[plane]
        if not 0 <= position < about["shape"][across]:
            raise HTTPException(404)
        gray = self._cut("source.nii", plane, position)
        picture = Image.fromarray(gray)
        if with_map:
            tables = np.load(self.folder / "tables.npy", allow_pickle=False).astype(np.uint16)
            steps = self._cut("map.nii", plane, position)
            rest = gray.astype(np.uint16)[:, :, None] * tables[steps, 3][:, :, None] // 255
            painted = np.minimum(rest + tables[steps, :3], 255).astype(np.uint8)
            picture = Image.fromarray(painted)
        rows, columns = gray.shape
        high, wide = rows * about["spacing"][down], columns * about["spacing"][along]
        scale = max(rows / high, columns / wide)
        return picture.resize((max(1, round(wide * scale)), max(1, round(high * scale))))

    def _cut(self, name: str, plane: str, position: int) -> NDArray[np.uint8]:
        about = self.about
        assert about is not None
        path, shape = self.folder / name, tuple(about["shape"])
        values: NDArray[np.uint8] = np.memmap(path, np.uint8, "r", NIFTI_BYTES, shape, order="F")
        cut = values.transpose(AXES[plane])[position, ::-1, ::-1]
        return np.ascontiguousarray(cut)


def view_of(site: Site, scan_id: int, heatmap: Heatmap) -> VolumeView:
    """Where the view of a scan under a map is, or will be."""
    return VolumeView(site.home / FOLDER / f"{scan_id}-{heatmap.id}-{heatmap.sha256[:16]}")


@router.get("/views/{scan_id}/{heatmap_id}.json")
def state(request: Request, scan_id: RowId, heatmap_id: RowId) -> JSONResponse:
    """Whether a volume's view is there; it is started where it is not."""
    site = site_of(request)
    view = view_of(site, scan_id, _map_of(site, scan_id, heatmap_id))
    about = view.about
    if about is not None:
        with suppress(OSError):
            view.folder.touch()
        return JSONResponse({"state": "ready", "colours": view.colours, **about})
    if site.draw is None:
        return JSONResponse({"state": "missing"})
    _forget_old(view.folder.parent)
    begun = site.draw(scan_id, heatmap_id, view.folder)
    return JSONResponse({"state": "drawing" if begun else "missing"})


@router.get("/views/{scan_id}/{heatmap_id}/{plane}/{position}/{layer}.jpg")
def one_slice(
    request: Request, scan_id: RowId, heatmap_id: RowId, plane: str, position: int, layer: str
) -> Response:
    """A slice's picture; layer: `source` or `map`."""
    site = site_of(request)
    if plane not in AXES or layer not in ("source", "map"):
        raise HTTPException(404)
    view = view_of(site, scan_id, _map_of(site, scan_id, heatmap_id))

    def cut() -> Response:
        out = io.BytesIO()
        view.slice(plane, position, with_map=layer == "map").save(out, "JPEG", quality=QUALITY)
        return Response(out.getvalue(), media_type="image/jpeg")

    return kept(request, f"{view.folder.name}-{plane}-{position}-{layer}", cut)


@router.get("/views/{scan_id}/{heatmap_id}/{layer}.nii")
def whole(request: Request, scan_id: RowId, heatmap_id: RowId, layer: str) -> Response:
    """A volume as small integers, for a viewer in the browser; layer: `source` or `map`."""
    site = site_of(request)
    view = view_of(site, scan_id, _map_of(site, scan_id, heatmap_id))
    if view.about is None or layer not in ("source", "map"):
        raise HTTPException(404)
    path = view.folder / f"{layer}.nii"
    return kept(
        request,
        f"{view.folder.name}-{layer}",
        lambda: FileResponse(path, media_type="application/octet-stream"),
    )


@router.get("/vendor/niivue.js")
def niivue() -> FileResponse:
    """The volume viewer as npm installed it; 404 where it is not installed."""
    if not NIIVUE.is_file():
        raise HTTPException(404)
    return FileResponse(NIIVUE, media_type="text/javascript")


def _map_of(site: Site, scan_id: int, heatmap_id: int) -> Heatmap:
    found = heatmap_by_id(site.engine, heatmap_id)
    if found is None or found.kind is not HeatmapKind.VOLUME:
        raise HTTPException(404)
    if recorded_scores(site.engine, [found.score_id])[found.score_id].score.scan_id != scan_id:
        raise HTTPException(404)
    return found


def _forget_old(folder: Path) -> None:
    """Remove the views that were opened longest ago, so that few are kept."""
    with suppress(OSError):
        views = sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime)
        for old in views[: max(0, len(views) - MOST_VIEWS + 1)]:
            shutil.rmtree(old, ignore_errors=True)
