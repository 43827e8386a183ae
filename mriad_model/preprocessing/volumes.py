"""A volume's slices as the detectors see them: one scale and one window for the whole volume."""

import numpy as np
from numpy.typing import NDArray

from mriad_model.enums import RejectionReason
from mriad_model.errors import SettingsError
from mriad_model.normative.registration.affine import capped, register
from mriad_model.normative.registration.frame import SliceStack, evened
from mriad_model.normative.registration.mean_heads import drawn_templates
from mriad_model.normative.registration.poses import poses_of
from mriad_model.preprocessing.foreground import bounding_box, head_mask, interiors
from mriad_model.preprocessing.head_coverage import require_head_size, require_top
from mriad_model.preprocessing.slices import (
    Placement,
    PreparedScan,
    SliceBatch,
    framed,
    square_around,
    stack,
    working_size,
)
from mriad_model.preprocessing.slicing import AXES, SlicedVolume, cut, pixel_side
from mriad_model.readers.volume.checks import require
from mriad_model.readers.volume.geometry import canonical, canonical_affine
from mriad_model.readers.volume.volumes import Volume
from mriad_model.recipes.recipe import Plane, Recipe, VolumeRecipe

SHOWN = (0.5, 99.8)  # percentiles of what is inside the head, for a screen
# Correlation with a drawn mean head. Healthy adults of one scanner have 0.70 to 0.80, with infarcts
# of 160 ml 0.57 and more; noise, limbs and heads cut in half have less than 0.45.
LEAST_FIT = 0.45
TOO_THIN = "the head could not be laid upon the mean head: it shows in one slice alone"
FEWEST_HEADS = 0.1  # share of the slices; the box leaves out what fewer heads reach


def prepare_volume(volume: Volume, recipe: Recipe) -> PreparedScan:
    """Cut a volume, and prepare the slices that the recipe judges.

    All slices are cut out by one square, so that a millimetre is the same everywhere; each keeps
    the head of its own level, and what is not head becomes 0.

    Raises:
        RejectedFile: `no_signal` where no foreground stands out of the air; `bad_geometry` where
            what does is too small or too large for a head; `incomplete` where the recipe needs
            the head's top and it is not in the picture; `unregistered` where it is to be laid
            upon a mean head and cannot be.
        SettingsError: the recipe is for picture files.
    """
    if recipe.volumes is None:
        raise SettingsError(f"the recipe {recipe.name!r} is for picture files, not for volumes")
    how = recipe.volumes
    sliced = cut(volume, how.slicing)
    require_head_size(sliced)
    if (how.reach is not None or recipe.in_frame) and how.plane is Plane.AXIAL:
        require_top(sliced)
    positions = _judged(sliced, how)
    working = [
        working_size(sliced.slice_at(position).pixels, recipe.preprocessing)
        for position in positions
    ]
    heads = [head_mask(pixels) for pixels in working]
    placement = square_around(bounding_box(_common(heads)), heads[0].shape, sliced.shape)
    slices = [
        framed(pixels, head, placement, recipe.preprocessing)
        for pixels, head in zip(working, heads, strict=True)
    ]
    batch = stack(slices)
    inside = interiors(batch.masks, recipe.scoring.erosion)
    low, high = np.percentile(batch.images[inside], SHOWN)
    below_top = rounded(sliced.slice_spacing) * (positions[-1] - np.array(positions))
    return PreparedScan(
        batch=SliceBatch(
            batch.images,
            batch.masks,
            below_top.astype(np.float32),
            _poses(batch.images, below_top, placement, volume, recipe) if recipe.in_frame else None,
        ),
        placements=[placement] * len(slices),
        positions=positions,
        n_slices=sliced.n_slices,
        places=_places(volume, positions, how),
        spacing=rounded(sliced.slice_spacing),
        window=(float(low), float(high)),
        grey=(sliced.low, sliced.high),
        pixel=pixel_side(volume, how.plane),
    )


def _poses(
    images: NDArray[np.float32],
    below_top: NDArray[np.float64],
    placement: Placement,
    volume: Volume,
    recipe: Recipe,
) -> NDArray[np.float64]:
    """Where the slices (N, S, S) lie in the normative frame, (N, 15).

    Raises RejectedFile: `unregistered` where the head is not found in them.
    """
    size, how = images.shape[-1], recipe.scans
    pixel = placement.box_height * pixel_side(volume, how.plane) / size
    stack = SliceStack(images, pixel, below_top.max() - below_top)
    require(len(evened(stack).heights) > 1, RejectionReason.UNREGISTERED, TOO_THIN)
    seen = capped(stack) if recipe.fat_capped else stack
    found = register(seen, drawn_templates(how.contrast or volume.origin.contrast))
    detail = (
        f"the head could not be laid upon the mean head (fit {found.fit:.2f}, {LEAST_FIT} needed):"
        " too little of it is shown, or it lies in no usual way"
    )
    require(found.fit >= LEAST_FIT, RejectionReason.UNREGISTERED, detail)
    return poses_of(stack, found)


def rounded(spacing: float) -> float:
    """To 0.01 mm: DICOM and NIfTI store the same spacing to different digits."""
    return round(spacing, 2) or spacing


def _judged(sliced: SlicedVolume, how: VolumeRecipe) -> tuple[int, ...]:
    """The slices within reach of the top, in order."""
    if how.reach is None:
        return sliced.positions
    top, spacing = sliced.positions[-1], rounded(sliced.slice_spacing)
    return tuple(p for p in sliced.positions if (top - p) * spacing <= how.reach)


def _places(volume: Volume, positions: tuple[int, ...], how: VolumeRecipe) -> tuple[float, ...]:
    """The coordinate of each slice's middle along the patient's axis that is cut across, mm."""
    z, y, x = volume.voxels.shape
    axis = AXES[how.plane][0]
    to_ras = canonical_affine((z, y, x), volume.affine)
    shape = canonical(volume.voxels, volume.affine).shape
    middle = [(side - 1) / 2 for side in shape]
    places = []
    for position in positions:
        middle[axis] = position
        places.append(float((to_ras @ [*middle, 1])[axis]))
    return tuple(places)


def _common(heads: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Where enough of the slices have head, (h, w); never empty."""
    share = np.mean(heads, axis=0, dtype=np.float32)
    common = share >= min(FEWEST_HEADS, float(share.max()))
    return np.asarray(common, np.bool_)
