"""What is kept of a scored volume for people: a montage of its worst slices, and a NIfTI map."""

import gzip
import struct
from collections.abc import Iterable
from io import BytesIO

import cv2
import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from mriad_model.captions import FAINT_INK, INK, PAPER, footer, text_row
from mriad_model.fitted import FittedModel
from mriad_model.heatmaps import ColourScale, Picture, bar, blended, encode
from mriad_model.nouns import NOTICE
from mriad_model.preprocess import Placement, restore
from mriad_model.volumes.prepare import PreparedVolume
from mriad_model.volumes.score import ScoredVolume
from mriad_model.volumes.slices import LEVELS
from mriad_model.volumes.slicing import Plane
from mriad_model.volumes.volume import Volume

TILES, COLUMNS = 6, 3
TILE = 320  # pixels a side
GAP = 6  # pixels between tiles
TYPE = 17  # pixels, size of the type under a tile
APART = 8.0  # mm between slices that are shown: neighbours show the same
COMPRESSION = 1  # of gzip: higher levels take several times as long for a few percent
VOX_OFFSET, CAL_MAX = 108, 124  # of the NIfTI-1 header, bytes; cal_min comes after cal_max
COMMENT = 6  # code of a NIfTI header extension that holds plain text
LEFT_SIDE = {Plane.AXIAL: "R", Plane.CORONAL: "R", Plane.SAGITTAL: "A"}  # of the picture
DIRECTIONS = {Plane.AXIAL: "SI", Plane.CORONAL: "AP", Plane.SAGITTAL: "RL"}  # + and - of RAS


def montage_picture(
    scored: ScoredVolume, prepared: PreparedVolume, fitted: FittedModel, model_id: int
) -> bytes:
    """The worst slices under their maps, in order through the head, as a JPEG.

    Each bears its number, counted from 1 along the axis (up, forward, to the right), where its
    middle lies in the patient, and its score; none is nearer than 8 mm to a worse one. All have
    one grey and one colour scale. The caption says which slices were judged at all. A montage
    belongs to a score, and a score knows no threshold: it gives no verdict.
    """
    scale = ColourScale(fitted.colour_low, fitted.colour_high)
    shown = sorted(_worst(scored, prepared.slice_spacing))
    cells = [_cell(scored, prepared, place, scale) for place in shown]
    cells += [np.full_like(cells[0], PAPER)] * (-len(cells) % COLUMNS)
    rows = [np.hstack(cells[start : start + COLUMNS]) for start in range(0, len(cells), COLUMNS)]
    sheet = np.vstack(rows)
    caption = (
        f"score {scored.score:.3g}, model {model_id}: the most unusual of the judged "
        f"{prepared.sliced.slicing.plane.value} slices, {scored.positions[0] + 1} to "
        f"{scored.positions[-1] + 1} of {prepared.n_slices}"
    )
    return encode(np.vstack((sheet, footer(sheet.shape[1], bar(), caption))))


def nifti_map(
    anomaly: NDArray[np.float32], volume: Volume, scale: ColourScale, description: str
) -> bytes:
    """A map (Z, Y, X) on the volume's grid as `.nii.gz`; the same map gives the same bytes.

    The values are those of the map, but never below 0: 0 is the ordinary voxel of a slice, and
    all that was not judged. A viewer is told to begin colour, and to end it, where the model's
    scale does: with the map's own largest value every healthy head would light up. The sform is
    the source's affine. The notice stands in `descrip` in short, and in a header extension in
    full with the description.
    """
    shown = np.maximum(anomaly, np.float32(0))
    image = nib.Nifti1Image(shown.transpose(2, 1, 0), volume.affine)
    image.set_sform(volume.affine, code=1)
    image.set_qform(volume.affine, code=1)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = f"RESEARCH USE ONLY. {description}".encode()[:79]
    image.header["cal_min"], image.header["cal_max"] = scale.low, scale.high
    text = f"{NOTICE}\n{description}".encode()
    image.header.extensions.append(nib.nifti1.Nifti1Extension(COMMENT, text))
    return gzip.compress(image.to_bytes(), COMPRESSION, mtime=0)


def map_of_before(data: bytes, anomaly: NDArray[np.float32]) -> bytes:
    """What versions up to 0.1 wrote where `nifti_map` writes `data`, both unpacked.

    The map was as computed, below 0 too, and its own largest value was where colour ended.
    """
    raw = bytearray(gzip.decompress(data))
    starts = round(struct.unpack_from("<f", raw, VOX_OFFSET)[0])
    struct.pack_into("<ff", raw, CAL_MAX, float(anomaly.max(initial=0)), 0.0)
    raw[starts:] = anomaly.astype("<f4").tobytes()
    return bytes(raw)


def on_one_grid(maps: Iterable[bytes]) -> bool:
    """Whether files of `nifti_map` have the same shape and affine, to the last bit."""
    headers = [nib.Nifti1Header.from_fileobj(gzip.GzipFile(fileobj=BytesIO(each))) for each in maps]
    return all(
        each.get_data_shape() == headers[0].get_data_shape()
        and np.array_equal(each.get_sform(), headers[0].get_sform())
        for each in headers
    )


def _worst(scored: ScoredVolume, slice_spacing: float) -> list[int]:
    """Places of the highest slice scores, none within `APART` of a higher one; highest first."""
    shown: list[int] = []
    for place in np.argsort(-scored.slice_scores, kind="stable").tolist():
        height = scored.positions[place] * slice_spacing
        if all(abs(scored.positions[p] * slice_spacing - height) >= APART for p in shown):
            shown.append(place)
        if len(shown) == TILES:
            break
    return shown


def _cell(
    scored: ScoredVolume, prepared: PreparedVolume, place: int, scale: ColourScale
) -> Picture:
    """A tile with its two lines below, and a margin around."""
    plane = prepared.sliced.slicing.plane
    position, where = scored.positions[place], round(prepared.places[place])
    side = DIRECTIONS[plane][0 if where >= 0 else 1]
    highest = " (highest)" if place == int(scored.slice_scores.argmax()) else ""
    lines = (
        f"slice {position + 1} of {prepared.n_slices}, {side} {abs(where)} mm",
        f"score {scored.slice_scores[place]:.3g}{highest}",
    )
    tile = _tile(scored, prepared, place, scale)
    text = [
        text_row(line, TILE, TYPE, ink) for line, ink in zip(lines, (FAINT_INK, INK), strict=True)
    ]
    cell = np.vstack((tile, *text))
    return np.pad(cell, ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=PAPER)


def _tile(
    scored: ScoredVolume, prepared: PreparedVolume, place: int, scale: ColourScale
) -> Picture:
    """One slice under its map, cut to the volume's box, with the side marked."""
    placement = prepared.placements[place]
    gray = _windowed(prepared, scored.positions[place])
    picture = _boxed(blended(gray, restore(scored.maps[place], placement), scale), placement)
    tile = cv2.resize(picture, (TILE, TILE), interpolation=cv2.INTER_CUBIC)
    side = LEFT_SIDE[prepared.sliced.slicing.plane]
    where = (GAP, TILE // 2)
    cv2.putText(tile, side, where, cv2.FONT_HERSHEY_SIMPLEX, 0.7, (INK,) * 3, 2, cv2.LINE_AA)
    return np.asarray(tile, np.uint8)


def _windowed(prepared: PreparedVolume, position: int) -> Picture:
    """A slice in its own size as a screen shows it, (H, W) uint8; one window for the volume."""
    low, high = prepared.window
    pixels = prepared.sliced.slice_at(position).pixels.astype(np.float32) * np.float32(1 / LEVELS)
    shown = (pixels - np.float32(low)) * np.float32(255 / max(high - low, 1e-6))
    return np.asarray(np.clip(shown, 0, 255), np.uint8)


def _boxed(picture: Picture, placement: Placement) -> Picture:
    """The placement's square of a picture (H, W, 3), black where it reaches outside."""
    top, left = round(placement.box_top), round(placement.box_left)
    side = round(placement.box_height)
    boxed = np.zeros((side, side, 3), np.uint8)
    inside = picture[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    y, x = max(-top, 0), max(-left, 0)
    boxed[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return boxed
