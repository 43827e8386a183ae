"""Abnormal scans that people labelled, with the masks of their lesions, as training takes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from db.repository.intake.scans import scans_by_id
from db.repository.training.models import dataset_groups
from mriad_model.errors import RejectedFile
from mriad_model.evaluation.listing import masks_in
from mriad_model.paths import escape_path, unescape_path
from mriad_model.preprocessing.slices import onto_square
from mriad_model.readers.folders import list_files
from mriad_model.readers.mask_files import mask_beside
from mriad_model.readers.masks import read_mask
from mriad_model.recipes.recipe import Recipe
from tasks.runtime.connections import database, reader_pool
from tasks.runtime.workspace import Workspace
from tasks.scoring.preprocess import PreparedItem, load_prepared

if TYPE_CHECKING:
    from mriad_model.detection.training.positives import Positives


@dataclass(frozen=True, slots=True)
class LabelledAbnormal:
    """The labelled abnormal scans of a dataset, each as a positive of one slice."""

    of_scan: "dict[int, Positives]"
    groups: dict[int, int]  # of all scans of the dataset
    warnings: list[str]  # masks that could not be used

    @property
    def n_masks(self) -> int:
        """How many have a mask of the lesion."""
        return sum(bool(each.masked[0]) for each in self.of_scan.values())

    def but_for(self, folds: Mapping[int, int], fold: int) -> "Positives | None":
        """All but those of groups with a healthy scan in this fold, which a member scores."""
        from mriad_model.detection.training.positives import joined_positives  # noqa: PLC0415 - torch

        own = {self.groups[scan_id] for scan_id, given in folds.items() if given == fold}
        return joined_positives(
            [each for i, each in self.of_scan.items() if self.groups[i] not in own]
        )

    @property
    def all(self) -> "Positives | None":
        """All of them; None without one."""
        from mriad_model.detection.training.positives import joined_positives  # noqa: PLC0415 - torch

        return joined_positives(list(self.of_scan.values()))


def labelled_abnormal(
    home: str, dataset_id: int, folders: Sequence[str], recipe: Recipe, masks: str | None = None
) -> LabelledAbnormal:
    """The prepared scans in these workspaces, with the mask beside each picture, NAME_mask.png.

    Or in the folder `masks`, as `mriad_model.evaluation.listing.masks_in` finds them. In the order
    of their content. A mask that cannot be used, or that is empty, leaves its scan without one.
    """
    from mriad_model.detection.training.positives import Positives  # noqa: PLC0415 - torch

    engine = database(home)
    items = [each for folder in folders for each in load_prepared(Workspace(Path(folder)))]
    scans = scans_by_id(engine, [each.scan_id for each in items])
    items.sort(key=lambda each: scans[each.scan_id].sha256)
    found = _masks([each.source for each in items], masks)
    outcomes = reader_pool().map(read_mask, [found[i] for i in sorted(found)]) if found else []
    given = dict(zip(sorted(found), outcomes, strict=True))
    warnings: list[str] = []
    of_scan: dict[int, Positives] = {}
    for number, item in enumerate(items):
        lesion = None
        if number in given:
            grid = given[number]
            fault = _fault(grid if isinstance(grid, RejectedFile) else grid.values, item)
            if fault is None and not isinstance(grid, RejectedFile):
                size = recipe.preprocessing.size
                lesion = onto_square(grid.values, item.slices.placements[0], size)
            else:
                name = escape_path(found[number].name)
                warnings.append(f"the mask {name} is not used: {fault}")
        of_scan[item.scan_id] = Positives(
            item.slices.batch,
            np.zeros_like(item.slices.batch.images) if lesion is None else lesion[None],
            np.array([lesion is not None]),
        )
    return LabelledAbnormal(of_scan, dataset_groups(engine, dataset_id), warnings)


def _masks(sources: Sequence[Path], folder: str | None) -> dict[int, Path]:
    """The mask of each picture that has one, by its place."""
    if folder is None:
        beside = {i: mask_beside(source) for i, source in enumerate(sources)}
        return {i: mask for i, mask in beside.items() if mask is not None}
    paths = [each.path for each in list_files(Path(unescape_path(folder)))]
    found: dict[int, Path] = {}
    for i, source in enumerate(sources):
        for mask in masks_in(paths, [source], source.parent).values():
            found[i] = mask
    return found


def _fault(mask: RejectedFile | NDArray[np.bool_], item: PreparedItem) -> str | None:
    """Why a mask cannot be used for a picture; None where it can."""
    if isinstance(mask, RejectedFile):
        return mask.detail
    place = item.slices.placements[0]
    if mask.shape != (place.height, place.width):
        return f"it is of {mask.shape} pixels, the picture of {(place.height, place.width)}"
    return None if mask.any() else "it is empty"
