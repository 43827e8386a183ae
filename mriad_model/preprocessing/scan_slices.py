"""From a scan as read to its slices as the detectors see them: a picture has one, a volume many."""

import numpy as np
from numpy.typing import NDArray

from mriad_model.errors import SettingsError
from mriad_model.preprocessing.slices import Pixels, PreparedScan, SliceBatch, prepare, stack
from mriad_model.preprocessing.slicing import cut
from mriad_model.preprocessing.volumes import prepare_volume
from mriad_model.readers.images.reading import ImageScan
from mriad_model.readers.scan_types import ReadScan, StoredScan
from mriad_model.recipes.recipe import Recipe


def prepare_scan(scan: ReadScan, recipe: Recipe) -> PreparedScan:
    """The slices of a scan that a model of this recipe judges.

    Raises:
        RejectedFile: a volume holds nothing to judge, see `prepare_volume`.
        SettingsError: the recipe is for scans of another kind.
    """
    if not isinstance(scan, ImageScan):
        return prepare_volume(scan, recipe)
    if recipe.volumes is not None:
        raise SettingsError(f"the recipe {recipe.name!r} needs slices of volumes, not pictures")
    one = prepare(scan.pixels, recipe.preprocessing)
    return PreparedScan(stack([one]), [one.placement], positions=(0,), n_slices=1)


def prepare_stored(job: tuple[StoredScan, Recipe]) -> PreparedScan:
    """Prepare a stored scan. Runs in a child: its many short steps share no interpreter."""
    stored, recipe = job
    return prepare_scan(stored.load(), recipe)


def training_slices(prepared: PreparedScan, recipe: Recipe) -> SliceBatch:
    """Of a scan's slices those that training sees: evenly spaced from end to end."""
    return prepared.batch.take(evenly_spaced(len(prepared), recipe.scans.train_slices))


def shown_slice(scan: ReadScan, recipe: Recipe) -> Pixels:
    """The slice that stands for a scan where twins are looked for: the middle one, (H, W).

    Raises:
        RejectedFile: nothing stands out of a volume's air.
    """
    if isinstance(scan, ImageScan):
        return scan.pixels
    sliced = cut(scan, recipe.scans.slicing)
    return sliced.slice_at(sliced.positions[len(sliced.positions) // 2]).pixels


def evenly_spaced(n: int, most: int) -> NDArray[np.intp]:
    """At most `most` of n places, from end to end."""
    return np.linspace(0, n - 1, min(most, n)).round().astype(np.intp)
