"""Recipes: all that makes a model but the slices, as values, and as JSON that is checked."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from mriad_model.enums import PICTURES, VOLUMES, ScanKind
from mriad_model.errors import SettingsError
from mriad_model.plain_text import printable
from mriad_model.recipes.decision_recipes import GateRecipe, UncertainRecipe
from mriad_model.recipes.field_types import Percentile, PixelSigma, Share, ShortText, Width, between
from mriad_model.recipes.windows import DeepWindow, HeatmapScale


class Plane(StrEnum):
    """Which way a volume is cut."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


@dataclass(frozen=True, slots=True)
class Slicing:
    """How a volume is cut, which slices count, and how intensities are normalised."""

    plane: Plane = Plane.AXIAL
    foreground: Share = 0.1  # of the way from air to the volume's top; noise lies below
    min_share: Share = 0.02  # of a slice that has to be foreground
    min_share_of_largest: Share = 0.3  # of the foreground in the slice that has most
    low_percentile: Percentile = 1.0  # of the foreground: becomes 0
    high_percentile: Percentile = 99.5  # of the foreground: becomes the largest grey level


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
    MAX = "max"  # inside the eroded foreground
    MAX_MINUS_MEDIAN = "max_minus_median"  # inside the eroded foreground


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """From a native slice to a square one in [0, 1]."""

    size: Annotated[int, between(8, 1024)]  # pixels a side
    framing: Framing
    intensity: Intensity
    low_percentile: Percentile = 0.5
    high_percentile: Percentile = 99.5


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """A convolutional autoencoder: one stride-2 convolution per entry of `channels`."""

    channels: Annotated[tuple[Width, ...], Field(min_length=1, max_length=10)]
    latent: Annotated[int, between(1, 65_536)]


@dataclass(frozen=True, slots=True)
class DetectorRecipe:
    """One detector, and how differences from what it expects become a map.

    All lengths are in pixels of the map; 0 for none.
    """

    kind: ShortText  # a key of `mriad_model.detection.detectors.DETECTORS`
    smoothing: PixelSigma = 0.0  # Gaussian sigma for slice and expectation: texture is no anomaly
    tolerance: Annotated[int, between(0, 64)] = 0  # how far off its place a structure may lie
    residual: Residual = Residual.ABSOLUTE
    gathering: PixelSigma = 0.0  # Gaussian sigma for the map: an anomaly is more than a pixel
    network: NetworkShape | None = None  # for the autoencoder
    window: DeepWindow | None = None  # of grey values, for the implant network; None: as prepared


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Random changes to each training slice in each epoch; all zero means none."""

    flip: bool = False  # left-right, every second slice
    degrees: Annotated[float, between(0, 180)] = 0.0  # rotation, uniform in ±
    scale: Annotated[float, between(0, 0.9)] = 0.0  # zoom, uniform in 1 ±
    shift: Share = 0.0  # translation, uniform in ± this share of the side
    gamma: Annotated[float, between(0, 3)] = 0.0  # exponent, exp(uniform in ±)

    @property
    def is_none(self) -> bool:
        """True where slices pass unchanged."""
        return self == Augmentation()


@dataclass(frozen=True, slots=True)
class ImplantTraining:
    """Fine-tuning on anomalies implanted in healthy slices, from weights of drawn heads alone.

    Where there are fewer healthy slices than `few`, more of the samples are of drawn heads, the
    implants may be larger, and the steps are fewer.
    """

    drawn_heads: Annotated[int, between(1, 10_000)] = 24  # that stay among the healthy ones
    drawn_share: Share = 0.1  # of the samples that are of them
    largest: Annotated[float, between(5, 64)] = 28.0  # radius of implants, pixels of 128
    few: Annotated[int, between(0, 1_000_000)] = 0
    few_drawn_share: Share = 0.3
    few_largest: Annotated[float, between(5, 64)] = 36.0
    few_steps: Annotated[float, between(0.01, 1)] = 0.75  # of the steps


@dataclass(frozen=True, slots=True)
class Training:
    """Adam on the mean squared error, stopped early on held-out healthy slices.

    With `implants`, AdamW on the loss of implants, in rounds of ten steps (reported as epochs), not
    stopped early; `augmentation` and `patience` then mean nothing.
    """

    learning_rate: Annotated[float, between(1e-9, 10)] = 1e-3
    batch_size: Annotated[int, between(1, 65_536)] = 32
    max_epochs: Annotated[int, between(1, 1_000_000)] = 50
    patience: Annotated[int, between(0, 1_000_000)] = 10  # epochs without a better validation loss
    seed: Annotated[int, between(0, 2**64 - 1)] = 0
    augmentation: Augmentation = Augmentation()
    implants: ImplantTraining | None = None  # for the detector of that name


@dataclass(frozen=True, slots=True)
class Scoring:
    """From maps to one map and one number."""

    score: SliceScoreMethod
    # Pixels of the map taken off the foreground's edge
    erosion: Annotated[int, between(0, 512)]
    standardise: bool  # each detector's maps by healthy validation slices, before adding
    # Gaussian sigma of the usual map, its pixels: heads differ in shape
    usual_sigma: Annotated[float, between(0, 1024)] = 3.0
    # Of its mean, added to it: where nothing is usual, little is odd
    usual_floor: Annotated[float, between(0, 100)] = 0.5
    # Pixels a side of the maps, a whole part of the prepared slice's; None: as many as it has
    size: Annotated[int, between(8, 1024)] | None = None
    # The one detector whose map gives the score, while the map is the sum of all; None: the sum
    scored_by: ShortText | None = None


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
    """The ordinary in healthy slices, level by level: a skull's base is not its vault.

    Levels are counted down from the topmost slice judged, which is near the vertex in any head.
    On FLAIR phantoms the AUROC is .88 with them and .85 with one standard for all slices.
    Lengths in mm.
    """

    number: Annotated[int, between(1, 1000)]
    step: Annotated[float, between(1e-3, 1000)]
    # Of a Gaussian: slices so near count towards a level
    sigma: Annotated[float, between(1e-3, 1000)]


@dataclass(frozen=True, slots=True)
class VolumeRecipe:
    """How a volume becomes slices, and how their scores become one score.

    All lengths are in mm along the axis that is cut across.
    """

    slicing: Slicing
    # Evenly spaced slices of each volume that training sees
    train_slices: Annotated[int, between(1, 100_000)]
    scan_score: ScanScore
    extent: Annotated[float, between(0, 1000)] = 0.0  # what it means depends on the scan score
    # How far below the topmost slice others are judged; None: all
    reach: Annotated[float, between(0, 10_000)] | None = None
    levels: Levels | None = None  # None: all slices have one standard
    contrast: ShortText | None = None  # T1w, FLAIR, ...: of the training scans, where known and one

    @property
    def plane(self) -> Plane:
        """Which way volumes are cut."""
        return self.slicing.plane


@dataclass(frozen=True, slots=True)
class CrossFitting:
    """Where there are few healthy scans, all teach and calibrate (Vovk 2015, cross-conformal).

    They are dealt to folds by group; each fold is scored by a member trained without it.
    """

    folds: Annotated[int, between(2, 10)] = 3
    below: Annotated[int, between(1, 1_000_000)] = 200  # groups; from so many on, roles are split
    # Of the groups that a member may learn from, where `Recipe.holds_out`: they scale its detectors
    held_out: Share = 1 / 6
    epochs: Annotated[float, between(0.01, 1)] = 1.0  # of the recipe's, for each member


NORMATIVE, NORMATIVE_NETWORK = "normative", "normative-network"
NORMATIVE_ASYMMETRY = "normative-asymmetry"
IN_FRAME = (NORMATIVE, NORMATIVE_NETWORK, NORMATIVE_ASYMMETRY)
"""Detectors that measure whole heads in one frame, see `mriad_model.normative`."""

LATER = (
    "gate",
    "uncertain",
    *("calibrate_by_group", "cross_fitting", "volumes"),
    *("training.implants", "scoring.size", "scoring.scored_by"),
)
"""Fields that recipes did not have at first; None means as before there was such a field."""

PICTURE = VolumeRecipe(Slicing(), train_slices=1, scan_score=ScanScore.MAX)
"""Of a picture file: its one slice is trained on, and the slice's score is the scan's."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that makes a model, but the slices."""

    __pydantic_config__: ClassVar = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    name: ShortText
    preprocessing: Preprocessing
    detectors: tuple[DetectorRecipe, ...]
    training: Training
    scoring: Scoring
    heatmap: HeatmapScale = field(default_factory=HeatmapScale)
    volumes: VolumeRecipe | None = None  # None: for picture files
    calibrate_by_group: bool = False  # near-duplicates, and scans of one patient, count as one
    cross_fitting: CrossFitting | None = None  # None: training and calibration share no scan
    uncertain: UncertainRecipe | None = None  # None: normal and suspicious alone
    gate: GateRecipe | None = None  # None: all scans are scorable

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
    def in_frame(self) -> bool:
        """Whether each head is registered to the normative frame."""
        return any(part.kind in IN_FRAME for part in self.detectors)

    @property
    def holds_out(self) -> bool:
        """Whether scans held out from those learned stop its training, or scale its detectors."""
        return self.scoring.standardise or not self.in_frame

    @property
    def fat_capped(self) -> bool:
        """Whether heads are registered with what is brighter than their brain capped."""
        return any(part.kind == NORMATIVE_ASYMMETRY for part in self.detectors)

    @property
    def map_size(self) -> int:
        """Pixels a side of the maps."""
        return self.scoring.size or self.preprocessing.size

    @property
    def scans(self) -> VolumeRecipe:
        """How a scan becomes slices and one score. A picture is a scan of one slice."""
        return self.volumes or PICTURE

    @property
    def kinds(self) -> tuple[ScanKind, ...]:
        """The kinds of scans that it is for."""
        return VOLUMES if self.volumes else PICTURES

    @property
    def kind_in_words(self) -> str:
        """What it is for: "pictures", "FLAIR volumes", "volumes of unknown contrast"."""
        if self.kinds == PICTURES:
            return "pictures"
        contrast = self.scans.contrast
        return f"{contrast} volumes" if contrast else "volumes of unknown contrast"

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces. The same recipe gives the same text.

        What recipes did not have at first is written only where it says something, so a recipe
        made before is written as it was.
        """
        fields = asdict(self)
        for path in LATER:
            *parents, name = path.split(".")
            part = fields
            for parent in parents:
                part = part[parent]
            if part[name] in (None, False):
                del part[name]
        for part in fields["detectors"]:
            if part["window"] is None:
                del part["window"]
        if self.gate is not None and not self.gate.strangers:
            del fields["gate"]["strangers"]
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))

    @classmethod
    @lru_cache(maxsize=64)  # what reads recipes takes ten milliseconds to make
    def from_json(cls, text: str) -> "Recipe":
        """Read what `to_json` wrote. Raises SettingsError on anything else."""
        try:
            recipe = TypeAdapter(Recipe).validate_json(text)
        except ValidationError as error:
            raise SettingsError(f"this is no recipe: {_first_of(error)}") from error
        recipe.require_consistent()
        return recipe

    def require_consistent(self) -> None:
        """Refuse values that do not go together. Raises SettingsError."""
        kinds = [part.kind for part in self.detectors]
        windows: dict[str, Preprocessing | Slicing | DeepWindow] = {
            "preprocessing": self.preprocessing,
            "volumes.slicing": self.scans.slicing,
        }
        windows |= {f"{part.kind}.window": part.window for part in self.detectors if part.window}
        faults = [
            f"{name}.low_percentile must lie below {name}.high_percentile"
            for name, window in windows.items()
            if not window.low_percentile < window.high_percentile
        ]
        if not kinds or len(set(kinds)) < len(kinds):
            faults.append("a recipe has one detector or more, each kind once")
        if len(kinds) > 1 and not self.scoring.standardise:
            faults.append("scoring.standardise must be true where there are several detectors")
        if self.gate is not None and self.volumes is not None and not self.in_frame:
            faults.append("a gate needs pictures, or heads in the normative frame")
        if self.gate is not None and self.gate.strangers and self.volumes is not None:
            faults.append("gate.strangers is for pictures: take it out")
        if self.in_frame and (self.volumes is None or self.volumes.plane is not Plane.AXIAL):
            faults.append("a normative detector needs axial slices of volumes")
        if self.in_frame and self.preprocessing.size % 2:
            faults.append("a normative detector needs an even preprocessing.size")
        if self.preprocessing.size % self.map_size:
            faults.append("scoring.size must be a whole part of preprocessing.size")
        if self.scoring.scored_by not in (None, *kinds):
            faults.append("scoring.scored_by must be one of the detectors")
        if self.scoring.scored_by is not None and not self.scoring.standardise:
            faults.append("scoring.standardise must be true where one detector scores")
        if faults:
            raise SettingsError(f"this is no recipe: {faults[0]}")


def _first_of(error: ValidationError) -> str:
    """What is wrong with the first wrong value, on one short line."""
    first = error.errors(include_url=False, include_context=False)[0]
    name, wrong = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
    given = "" if first["type"] in ("missing", "json_invalid") else f", not {first['input']!r:.40}"
    return printable(f"{name[:80]}: {wrong[:1].lower()}{wrong[1:]}{given}".removeprefix(": "))
