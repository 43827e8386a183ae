"""A montage of the worst slices of a scored volume."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.detection.model import FittedModel
from mriad_model.detection.scan_scores import ScanScores
from mriad_model.heatmaps.captions import (
    FAINT_INK,
    INK,
    NO_BAR,
    NOT_SCORABLE,
    PAPER,
    SCORE,
    footer,
    text_row,
)
from mriad_model.heatmaps.montage_layout import COLUMNS, GAP, TILE, TILES, TYPE
from mriad_model.heatmaps.overlay import ColourScale, Picture, bar, blended, encode
from mriad_model.preprocessing.slices import Placement, PreparedScan, restore
from mriad_model.preprocessing.slicing import LEVELS, NativeSlices
from mriad_model.recipes.recipe import Plane

APART = 8.0  # mm between slices that are shown: neighbours show the same
LEFT_SIDE = {Plane.AXIAL: "R", Plane.CORONAL: "R", Plane.SAGITTAL: "A"}  # of the picture
DIRECTIONS = {Plane.AXIAL: "SI", Plane.CORONAL: "AP", Plane.SAGITTAL: "RL"}  # + and - of RAS


def montage_picture(
    scored: ScanScores,
    prepared: PreparedScan,
    native: NativeSlices,
    fitted: FittedModel,
    model_id: int,
) -> bytes:
    """The worst slices under their maps, in order through the head, as a JPEG.

    Each bears its number, counted from 1 along the axis (up, forward, to the right), its place in
    the patient and its score; none is nearer than 8 mm to a worse one. All share one grey and one
    colour scale. The caption names the scored slices, and no verdict: a score knows no threshold.
    Of a scan that is not scorable no score is said, and there is no colour bar.
    """
    scale = ColourScale(fitted.colour_low, fitted.colour_high)
    shown = sorted(_worst(scored, prepared.spacing))
    cells = [_cell(scored, prepared, native, place, scale) for place in shown]
    cells += [np.full_like(cells[0], PAPER)] * (-len(cells) % COLUMNS)
    rows = [np.hstack(cells[start : start + COLUMNS]) for start in range(0, len(cells), COLUMNS)]
    sheet = np.vstack(rows)
    which = f"{scored.positions[0] + 1} to {scored.positions[-1] + 1} of {prepared.n_slices}"
    colours = NO_BAR if scored.not_scorable else bar()
    if scored.not_scorable:
        caption = f"{NOT_SCORABLE}, model {model_id}: some {native.plane.value} slices, {which}"
    else:
        caption = (
            f"{SCORE.format(score=scored.score, model=model_id)}: the most unusual of the judged "
            f"{native.plane.value} slices, {which}"
        )
    return encode(np.vstack((sheet, footer(sheet.shape[1], colours, caption))))


def _worst(scored: ScanScores, slice_spacing: float) -> list[int]:
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
    scored: ScanScores, prepared: PreparedScan, native: NativeSlices, place: int, scale: ColourScale
) -> Picture:
    """A slice under its map, cut to the volume's box, with its side marked and two lines below."""
    placement, position = prepared.placements[place], scored.positions[place]
    gray = _windowed(native.at(position), prepared.window)
    picture = _boxed(blended(gray, restore(scored.maps[place], placement), scale), placement)
    tile = cv2.resize(picture, (TILE, TILE), interpolation=cv2.INTER_CUBIC)
    left, where = LEFT_SIDE[native.plane], (GAP, TILE // 2)
    cv2.putText(tile, left, where, cv2.FONT_HERSHEY_SIMPLEX, 0.7, (INK,) * 3, 2, cv2.LINE_AA)
    mm = round(prepared.places[place])
    side = DIRECTIONS[native.plane][0 if mm >= 0 else 1]
    highest = " (highest)" if place == int(scored.slice_scores.argmax()) else ""
    above = f"slice {position + 1} of {prepared.n_slices}, {side} {abs(mm)} mm"
    below = "" if scored.not_scorable else f"score {scored.slice_scores[place]:.3g}{highest}"
    rows = (text_row(above, TILE, TYPE, FAINT_INK), text_row(below, TILE, TYPE, INK))
    cell = np.vstack((np.asarray(tile, np.uint8), *rows))
    return np.pad(cell, ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=PAPER)


def _windowed(native: NDArray[np.uint16], window: tuple[float, float]) -> Picture:
    """A slice in its own size as a screen shows it, (H, W) uint8; one window for the volume."""
    low, high = window
    pixels = native.astype(np.float32) * np.float32(1 / LEVELS)
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
