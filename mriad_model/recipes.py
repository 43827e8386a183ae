"""How a volume is cut into slices, as values that a recipe holds."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from mriad_model.errors import SettingsError
from mriad_model.recipe_limits import check_recipe


class Plane(StrEnum):
    """Which way a volume is cut."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


@dataclass(frozen=True, slots=True)
class Slicing:
    """How a volume is cut, which slices count, and how intensities are normalised."""

    plane: Plane = Plane.AXIAL
    foreground: float = 0.1  # of the way from air to the volume's top; noise lies below
    min_share: float = 0.02  # of a slice that has to be foreground
    min_share_of_largest: float = 0.3  # of the foreground in the slice that has most
    low_percentile: float = 1.0  # of the foreground: becomes 0
    high_percentile: float = 99.5  # of the foreground: becomes the largest grey level


class Framing(StrEnum):
    """Which part of the native slice becomes the prepared one."""

    WHOLE = "whole"  # the whole image, stretched to the square
    FOREGROUND = "foreground"  # the head's bounding box, padded to a square, all else set to 0


class Intensity(StrEnum):
    """How grey values become [0, 1]."""

    FULL_RANGE = "full_range"  # divided by the type's largest value
    PERCENTILES = "percentiles"  # percentiles of the foreground become 0 and 1


class Residual(StrEnum):
    """What becomes of the difference between a slice and what was expected, pixel by pixel."""

    SQUARED = "squared"
    ABSOLUTE = "absolute"


class SliceScoreMethod(StrEnum):
    """How a map becomes one number; higher is more anomalous."""

    MEAN = "mean"  # over the whole square
    MAX_MINUS_MEDIAN = "max_minus_median"  # inside the eroded foreground


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """From a native slice to a square one in [0, 1]."""

    size: int  # pixels a side
    framing: Framing
    intensity: Intensity
    low_percentile: float = 0.5
    high_percentile: float = 99.5


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """A convolutional autoencoder: one stride-2 convolution per entry of `channels`."""

    channels: tuple[int, ...]
    latent: int


@dataclass(frozen=True, slots=True)
class DetectorRecipe:
    """One detector, and how differences from what it expects become a map.

    All lengths are in pixels of the prepared slice; 0 for none.
    """

    kind: str  # a key of `mriad_model.detection.detectors.DETECTORS`
    smoothing: float = 0.0  # Gaussian sigma for slice and expectation: texture is no anomaly
    tolerance: int = 0  # how far off its place an expected structure may lie
    residual: Residual = Residual.ABSOLUTE
    gathering: float = 0.0  # Gaussian sigma for the map: an anomaly is more than a pixel
    network: NetworkShape | None = None  # for the autoencoder


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Random changes to each training slice in each epoch; all zero means none."""

    flip: bool = False  # left-right, every second slice
    degrees: float = 0.0  # rotation, uniform in ±
    scale: float = 0.0  # zoom, uniform in 1 ±
    shift: float = 0.0  # translation, uniform in ± this share of the side
    gamma: float = 0.0  # exponent, exp(uniform in ±)

    @property
    def is_none(self) -> bool:
        """True where slices pass unchanged."""
        return self == Augmentation()


@dataclass(frozen=True, slots=True)
class Training:
    """Adam on the mean squared error, stopped early on held-out healthy slices."""

    learning_rate: float = 1e-3
    batch_size: int = 32
    max_epochs: int = 50
    patience: int = 10  # epochs without a better validation loss
    seed: int = 0
    augmentation: Augmentation = Augmentation()


@dataclass(frozen=True, slots=True)
class Scoring:
    """From maps to one map and one number."""

    score: SliceScoreMethod
    erosion: int  # pixels of the prepared slice taken off the foreground's edge
    standardise: bool  # each detector's maps by healthy validation slices, before adding
    usual_sigma: float = 3.0  # Gaussian sigma of the usual map, pixels: heads differ in shape
    usual_floor: float = 0.5  # of its mean, added to it: where nothing is usual, little is odd


@dataclass(frozen=True, slots=True)
class HeatmapScale:
    """Where the fixed colour scale stands, as percentiles of healthy validation maps."""

    low_percentile: float = 98.0  # colour begins here: a healthy slice looks calm
    high_factor: float = 4.0  # full colour at low + this times (low - median)


class ScanScore(StrEnum):
    """How the maps of a volume's slices become one number; higher is more anomalous.

    Of phantom volumes (80 healthy, 16 of each lesion), AUROC on FLAIR and on T1: max .84 and .66,
    mean of the top 12 mm .86 and .68, smoothed max .88 and .69 (5 mm; 3 to 6 mm within .02).
    """

    MAX = "max"  # of the slice scores
    TOP_MEAN = "top_mean"  # mean of the highest slice scores, `extent` mm of slices
    SMOOTHED_MAX = "smoothed_max"  # as MAX, of maps under a Gaussian of `extent` mm across slices


@dataclass(frozen=True, slots=True)
class Levels:
    """What is usual in healthy slices, told level by level: a skull's base is not its vault.

    Levels are counted down from the topmost slice judged, which is near the vertex in any head.
    On FLAIR phantoms the AUROC is .88 with them and .85 with one standard for all slices.
    Lengths in mm.
    """

    number: int
    step: float
    sigma: float  # of a Gaussian: slices so near count towards a level


@dataclass(frozen=True, slots=True)
class VolumeRecipe:
    """How a volume becomes slices, and how what is said of them becomes one score.

    All lengths are in mm along the axis that is cut across.
    """

    slicing: Slicing
    train_slices: int  # evenly spaced slices of each volume that training sees
    scan_score: ScanScore
    extent: float = 0.0  # what it means depends on the scan score
    reach: float | None = None  # how far below the topmost slice others are judged; None: all
    levels: Levels | None = None  # None: all slices have one standard
    contrast: str | None = None  # T1w, FLAIR, ...: of the training scans, where known and one

    @property
    def plane(self) -> Plane:
        """Which way volumes are cut."""
        return self.slicing.plane


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that makes a model, but the slices."""

    name: str
    preprocessing: Preprocessing
    detectors: tuple[DetectorRecipe, ...]
    training: Training
    scoring: Scoring
    heatmap: HeatmapScale = HeatmapScale()
    volumes: VolumeRecipe | None = None  # None: for picture files

    def with_training(self, *, max_epochs: int | None = None, seed: int | None = None) -> "Recipe":
        """The same recipe with another length of training or another random seed."""
        training = self.training
        if max_epochs is not None:
            if max_epochs < 1:
                raise SettingsError(f"epochs must be at least 1, not {max_epochs}")
            training = replace(training, max_epochs=max_epochs)
        if seed is not None:
            training = replace(training, seed=seed)
        return replace(self, training=training)

    def with_contrast(self, contrasts: Iterable[str | None]) -> "Recipe":
        """The same recipe for scans of these contrasts: theirs, if those known are all one."""
        if self.volumes is None:
            return self
        known = {contrast for contrast in contrasts if contrast is not None}
        contrast = known.pop() if len(known) == 1 else None
        return replace(self, volumes=replace(self.volumes, contrast=contrast))

    @property
    def kind_in_words(self) -> str:
        """What it is for: "pictures", "FLAIR volumes", "volumes of unknown contrast"."""
        if self.volumes is None:
            return "pictures"
        if self.volumes.contrast is None:
            return "volumes of unknown contrast"
        return f"{self.volumes.contrast} volumes"

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces. The same recipe gives the same text.

        A recipe for picture files has no key `volumes`, as it had none before there were volumes.
        """
        fields = asdict(self)
        if self.volumes is None:
            del fields["volumes"]
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Read what `to_json` wrote. Raises SettingsError on anything else."""
        try:
            recipe = _recipe(json.loads(text))
            check_recipe(recipe)
            return recipe
        except SettingsError as error:
            raise SettingsError(f"this is no recipe: {error}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise SettingsError(f"this is no recipe: {error}") from error


def _recipe(fields: dict[str, Any]) -> Recipe:
    unknown = fields.keys() - Recipe.__dataclass_fields__.keys()
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))[:80]} means nothing in one")
    preprocessing, scoring = fields["preprocessing"], fields["scoring"]
    augmentation = Augmentation(**fields["training"]["augmentation"])
    return Recipe(
        name=fields["name"],
        preprocessing=Preprocessing(
            **preprocessing
            | {
                "framing": Framing(preprocessing["framing"]),
                "intensity": Intensity(preprocessing["intensity"]),
            }
        ),
        detectors=tuple(_detector(detector) for detector in fields["detectors"]),
        training=Training(**fields["training"] | {"augmentation": augmentation}),
        scoring=Scoring(**scoring | {"score": SliceScoreMethod(scoring["score"])}),
        heatmap=HeatmapScale(**fields["heatmap"]),
        volumes=_volumes(fields.get("volumes")),
    )


def _volumes(fields: dict[str, Any] | None) -> VolumeRecipe | None:
    if fields is None:
        return None
    slicing = fields["slicing"]
    return VolumeRecipe(
        **fields
        | {
            "slicing": Slicing(**slicing | {"plane": Plane(slicing["plane"])}),
            "scan_score": ScanScore(fields["scan_score"]),
            "levels": fields["levels"] and Levels(**fields["levels"]),
        }
    )


def _detector(fields: dict[str, Any]) -> DetectorRecipe:
    shape = fields["network"]
    network = shape and NetworkShape(**shape | {"channels": tuple(shape["channels"])})
    return DetectorRecipe(
        **fields
        | {
            "residual": Residual(fields["residual"]),
            "network": network,
        }
    )


SEED = Recipe(
    name="seed",
    preprocessing=Preprocessing(128, Framing.WHOLE, Intensity.FULL_RANGE),
    detectors=(
        DetectorRecipe(
            kind="autoencoder",
            residual=Residual.SQUARED,
            network=NetworkShape(channels=(32, 64, 128), latent=256),
        ),
    ),
    training=Training(),
    scoring=Scoring(SliceScoreMethod.MEAN, erosion=0, standardise=False),
)


DEFAULT = Recipe(
    name="default",
    preprocessing=Preprocessing(64, Framing.FOREGROUND, Intensity.PERCENTILES),
    detectors=(
        DetectorRecipe(
            kind="autoencoder",
            smoothing=1.0,
            tolerance=2,
            gathering=2.5,
            network=NetworkShape(channels=(16, 32, 64), latent=64),
        ),
        DetectorRecipe("asymmetry", smoothing=1.0, tolerance=2, gathering=2.5),
    ),
    training=Training(
        max_epochs=400,
        patience=80,
        augmentation=Augmentation(flip=True, degrees=8.0, scale=0.08, shift=0.03, gamma=0.3),
    ),
    scoring=Scoring(SliceScoreMethod.MAX_MINUS_MEDIAN, erosion=4, standardise=True),
)


VOLUME = replace(
    DEFAULT,
    name="volume",
    # Grey values are normalised over the volume, before slices are prepared.
    preprocessing=Preprocessing(64, Framing.FOREGROUND, Intensity.FULL_RANGE),
    # Small batches: as many steps in half the epochs. 70 s on one core for 24 volumes.
    training=replace(DEFAULT.training, batch_size=16, max_epochs=160, patience=40),
    volumes=VolumeRecipe(
        Slicing(),
        train_slices=16,
        scan_score=ScanScore.SMOOTHED_MAX,
        extent=5.0,
        # The skull's base differs most from head to head: with 95 mm the AUROC of FLAIR phantoms
        # falls from .88 to .83. What lies lower, much of the cerebellum, is not judged.
        reach=80.0,
        levels=Levels(number=12, step=7.5, sigma=7.5),
    ),
)


BUILT_IN = (SEED, DEFAULT, VOLUME)


def recipe_named(name: str) -> Recipe:
    """The built-in recipe of that name. Raises SettingsError for any other."""
    for recipe in BUILT_IN:
        if recipe.name == name:
            return recipe
    known = ", ".join(repr(recipe.name) for recipe in BUILT_IN)
    raise SettingsError(f"no recipe is named {name!r}: choose one of {known}")
