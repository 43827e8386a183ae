"""What is kept of a scored volume for people: a montage of its worst slices, and a NIfTI map."""

import gzip

import cv2
import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from mriad_model.captions import footer
from mriad_model.fitted import FittedModel
from mriad_model.heatmaps import ColourScale, Picture, bar, blended, encode, montage
from mriad_model.nouns import NOTICE
from mriad_model.preprocess import Placement, restore
from mriad_model.volumes.prepare import PreparedVolume
from mriad_model.volumes.score import ScoredVolume
from mriad_model.volumes.slicing import Plane
from mriad_model.volumes.volume import Volume

TILES, COLUMNS = 6, 3
TILE = 300  # pixels a side
APART = 8.0  # mm between slices that are shown: neighbours show the same
COMPRESSION = 1  # of gzip: higher levels take several times as long for a few percent
COMMENT = 6  # code of a NIfTI header extension that holds plain text
LEFT_OF_PICTURE = {Plane.AXIAL: "R", Plane.CORONAL: "R", Plane.SAGITTAL: "A"}
INK = (214, 214, 214)


def montage_picture(
    scored: ScoredVolume, prepared: PreparedVolume, fitted: FittedModel, model_id: int
) -> bytes:
    """The worst slices under their maps, in order through the head, as a JPEG.

    Each bears its number, its distance from the first slice and its score; none is nearer than
    8 mm to a worse one. All have the grey and the colour scale of the volume. A montage belongs
    to a score, and a score knows no threshold: it gives no verdict.
    """
    scale = ColourScale(fitted.colour_low, fitted.colour_high)
    shown = sorted(_worst(scored, prepared.sliced.slice_spacing))
    tiles = [_tile(scored, prepared, place, scale) for place in shown]
    captions = [_caption(scored, prepared, place) for place in shown]
    sheet = montage(tiles, COLUMNS, TILE, captions)
    plane = prepared.sliced.slicing.plane.value
    caption = (
        f"score {scored.score:.3g}, model {model_id}; the {len(shown)} most unusual of "
        f"{len(prepared)} {plane} slices judged"
    )
    return encode(np.vstack((sheet, footer(sheet.shape[1], bar(), caption))))


def nifti_map(anomaly: NDArray[np.float32], volume: Volume, description: str) -> bytes:
    """A map (Z, Y, X) on the volume's grid as `.nii.gz`; the same map gives the same bytes.

    The sform is the source's affine. The notice stands in `descrip` in short, and in a header
    extension in full with the description.
    """
    image = nib.Nifti1Image(anomaly.transpose(2, 1, 0), volume.affine)
    image.set_sform(volume.affine, code=1)
    image.set_qform(volume.affine, code=1)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = f"RESEARCH USE ONLY. {description}".encode()[:79]
    text = f"{NOTICE}\n{description}".encode()
    image.header.extensions.append(nib.nifti1.Nifti1Extension(COMMENT, text))
    return gzip.compress(image.to_bytes(), COMPRESSION, mtime=0)


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


def _caption(scored: ScoredVolume, prepared: PreparedVolume, place: int) -> str:
    position = scored.positions[place]
    worst = " (highest)" if place == int(scored.slice_scores.argmax()) else ""
    score = f"score {scored.slice_scores[place]:.3g}{worst}"
    return f"slice {position + 1} of {prepared.n_slices}, {score}"


def _tile(
    scored: ScoredVolume, prepared: PreparedVolume, place: int, scale: ColourScale
) -> Picture:
    """One slice under its map, cut to the volume's box, with the side marked."""
    placement = prepared.placements[place]
    pixels = prepared.sliced.slice_at(scored.positions[place]).pixels
    gray = np.asarray(pixels >> 8, np.uint8)  # not windowed anew: one grey scale for all slices
    picture = _boxed(blended(gray, restore(scored.maps[place], placement), scale), placement)
    tile = cv2.resize(picture, (TILE, TILE), interpolation=cv2.INTER_CUBIC)
    side = LEFT_OF_PICTURE[prepared.sliced.slicing.plane]
    cv2.putText(tile, side, (8, TILE // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.6, INK, 1, cv2.LINE_AA)
    return np.asarray(tile, np.uint8)


def _boxed(picture: Picture, placement: Placement) -> Picture:
    """The placement's square of a picture (H, W, 3), black where it reaches outside."""
    top, left = round(placement.box_top), round(placement.box_left)
    side = round(placement.box_height)
    boxed = np.zeros((side, side, 3), np.uint8)
    inside = picture[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    y, x = max(-top, 0), max(-left, 0)
    boxed[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return boxed
