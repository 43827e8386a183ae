"""Which scans a model can judge: those of the kind, contrast and plane that it learned."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from mriad_model.enums import PICTURES, VOLUMES, ScanKind
from mriad_model.errors import SettingsError
from mriad_model.readers.volume.orientation import PLANES, orientation
from mriad_model.recipes.recipe import Plane, Recipe

COARSEST, OBLONG = 3.0, 2.0  # mm of a voxel within the slices judged; longer over shorter side
KINDS: Final = {PICTURES: "picture files", VOLUMES: "volumes"}
OTHER: Final = {PICTURES: VOLUMES, VOLUMES: PICTURES}


def incompatibility(
    recipe: Recipe,
    kind: ScanKind,
    contrast: str | None,
    grid: Mapping[str, Any] | None = None,
) -> str | None:
    """Why a model of this recipe cannot judge such a scan, in one sentence; None where it can.

    Args:
        recipe: the model's.
        kind: of the scan.
        contrast: T1w, FLAIR, ...; None where unknown.
        grid: the scan's geometry, as the record keeps it (`Scan.grid`).
    """
    if kind not in recipe.kinds:
        learned, other = KINDS[recipe.kinds], KINDS[OTHER[recipe.kinds]]
        return f"the model learned {learned} and cannot judge {other}"
    how = recipe.scans
    if how.contrast and contrast and how.contrast != contrast:
        return f"the model learned {how.contrast} volumes and cannot judge {contrast} ones"
    return _too_coarse(how.plane, grid) if grid else None


def require_one_contrast(contrasts: Iterable[str | None], recipe: Recipe) -> None:
    """Refuse healthy scans of several contrasts, where the recipe names none.

    Raises:
        SettingsError: there are several.
    """
    known = Counter(contrast for contrast in contrasts if contrast is not None)
    if recipe.scans.contrast is None and len(known) > 1:
        there = ", ".join(f"{n} {contrast}" for contrast, n in sorted(known.items()))
        raise SettingsError(
            f"the healthy volumes are of several contrasts ({there}), and a model learns one: "
            "choose it with --contrast; keep a home for each, for one model is active in a home"
        )


def _too_coarse(plane: Plane, grid: Mapping[str, Any]) -> str | None:
    """Thick slices of one plane hold no picture of another."""
    if "affine" not in grid or "spacing" not in grid:
        return None
    lies = orientation(grid["affine"])
    across = [
        spacing
        for spacing, axis in zip(grid["spacing"], lies.axes, strict=True)
        if PLANES[axis] != plane.value
    ]
    if max(across) <= COARSEST or max(across) < OBLONG * min(across):
        return None
    return (
        f"its voxels are {max(across):.3g} mm long and {min(across):.3g} mm wide within "
        f"{plane.value} slices, which the model judges"
    )
