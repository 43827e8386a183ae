"""Drawn heads as normative recipes prepare them, each drawn and prepared once for all tests."""

from dataclasses import replace
from functools import cache

from mriad_model.enums import ScanKind
from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.render import PhantomVolume, phantom_volume
from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.write import phantom_affine
from mriad_model.preprocessing.scan_slices import prepare_scan
from mriad_model.preprocessing.slices import PreparedScan
from mriad_model.readers.volume.volumes import Origin, Volume, volume_of
from mriad_model.recipes.built_in_recipes import VOLUME
from mriad_model.recipes.recipe import NORMATIVE, DetectorRecipe, Recipe

SHAPE = (40, 96, 96)  # slices of 4.5 mm, pixels of 2.2 to 2.7 mm
FIRST = 7000  # heads that nothing was made of
BRIGHTNESS_ALONE = replace(VOLUME, name="brightness", detectors=(DetectorRecipe(NORMATIVE),))


@cache
def head(number: int, lesion: Lesion | None = None) -> PhantomVolume:
    """A drawn T1 head, with a lesion if given."""
    return phantom_volume(FIRST + number, Contrast.T1, lesion, SHAPE)


def as_volume(drawn: PhantomVolume) -> Volume:
    """The head as a NIfTI file has it."""
    return volume_of(drawn.voxels, phantom_affine(drawn), Origin(ScanKind.NIFTI, contrast="T1w"))


def prepared_head(number: int, recipe: Recipe, lesion: Lesion | None = None) -> PreparedScan:
    """A drawn head as `volume`, or a recipe of its detectors, prepares it."""
    return _prepared(number, VOLUME if recipe.fat_capped else BRIGHTNESS_ALONE, lesion)


@cache
def _prepared(number: int, recipe: Recipe, lesion: Lesion | None) -> PreparedScan:
    return prepare_scan(as_volume(head(number, lesion)), recipe)
