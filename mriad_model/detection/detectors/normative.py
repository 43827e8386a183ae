"""How far a whole head is from healthy ones, voxel by voxel.

A head is registered to the symmetric mean of the site's healthy heads. There their mean and spread
turn it into z-maps of brightness and of left-right asymmetry. The size of the first is the map of
one detector, that of both of another. A third has a network weigh them all, which was trained on
drawn heads with implanted lesions alone. Each map comes back onto the slices.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from mriad_model.detection.detectors.detector import Detector, HealthySlices, Shapes
from mriad_model.detection.detectors.site_frame import (
    SiteFrame,
    head_key,
    heads_of_mean,
    site_template,
)
from mriad_model.detection.training.autoencoder_training import TrainingSummary
from mriad_model.detection.training.fit_progress import HeadsLaid
from mriad_model.errors import SettingsError
from mriad_model.normative.framed_head import FramedHead
from mriad_model.normative.likeness import likeness, resemblance, resemblances_among
from mriad_model.normative.norm import FEATURES, OF_NETWORK, SHARP, UNIT, Norm, norm_of
from mriad_model.normative.registration.frame import SHAPE, Floats, SliceStack
from mriad_model.normative.registration.poses import PlacedHead, placed_heads
from mriad_model.normative.registration.resampling import off_frame
from mriad_model.normative.registration.template import Template
from mriad_model.normative.z_maps.network import ZMapNetwork, drawn_network, logits, stored_network
from mriad_model.preprocessing.slices import SliceBatch
from mriad_model.recipes.recipe import DetectorRecipe, Recipe

IN_BRAIN: Final = 0.5  # share of heads: where at least so many have brain, maps count
SMOOTHING: Final = (0.8, 0.7, 0.7)  # Gaussian sigmas of the map, voxels
ORDINARY: Final = -4.0  # logit; a map's value is what is above it, and nearly 0 below
NETWORK: Final = "network."  # prefix of its weights among the tensors
ASYMMETRY_SHARE: Final = np.float32(0.5)  # beside brightness
# Correlation of structure with the site's mean head. Healthy heads of one scanner have 0.78 or
# more, with infarcts of 150 ml 0.69; heads back to front, upside down or on their side, balls and
# shells 0.33 at most.
LEAST_LIKENESS: Final = 0.5
UNLIKE: Final = (
    "its structure does not lie where the site's mean head has it (correlation {found:.2f}, "
    "{least} needed): a head of another contrast, one that is cut off, or none"
)


class Normative(Detector):
    """How many spreads of healthy heads each place is brighter or darker than their mean."""

    relative = False
    fat_capped = False
    steadying = SHARP

    def __init__(self, template: Template, norm: Norm) -> None:
        self.frame, self.norm = SiteFrame(template, cap=self.fat_capped), norm

    @property
    def template(self) -> Template:
        """The site's mean head."""
        return self.frame.template

    def maps(
        self,
        part: DetectorRecipe,
        slices: SliceBatch,
        inside: NDArray[np.bool_],
        device: torch.device,
    ) -> NDArray[np.float32]:
        """The map of each head on its slices, (N, M, M), >= 0. A head depends on itself alone."""
        (found,) = self.maps_of_several([self], part, slices, inside, device)
        return found

    @classmethod
    def maps_of_several(
        cls,
        detectors: Sequence[Self],
        part: DetectorRecipe,  # noqa: ARG003
        slices: SliceBatch,
        inside: NDArray[np.bool_],
        device: torch.device,
    ) -> list[NDArray[np.float32]]:
        """The maps by each of several that share a frame; a head is laid upon it once."""
        found = [np.zeros(inside.shape, np.float32) for _ in detectors]
        for head in _heads(slices):
            framed, matrix = detectors[0].frame.of(head)
            coarser = _coarser(head.stack, inside.shape[-1])
            for maps, each in zip(found, detectors, strict=True):
                there = off_frame(each.anomaly(framed, device), coarser, matrix)
                maps[head.slices] = np.where(inside[head.slices], there, 0)
        return found

    def share_with(self, other: Detector) -> None:
        """Use the other's mean head. Raises RuntimeError where it is none, or another."""
        own = self.template
        if not (
            isinstance(other, Normative)
            and np.array_equal(own.mean, other.template.mean)
            and np.array_equal(own.brain, other.template.brain)
        ):
            raise RuntimeError("its members do not share one mean head")
        self.frame = other.frame

    def resemblances(self, slices: SliceBatch) -> NDArray[np.float64]:
        """The correlation of each slice's head with the site's mean head, (N,), 1 at best."""
        found = np.empty(len(slices))
        for head in _heads(slices):
            framed, _ = self.frame.of(head)
            found[head.slices] = resemblance(framed.grey, self.template)
        return found

    def resemblances_among(
        self,
        recipe: Recipe,
        scans: Sequence[SliceBatch],
        groups: Sequence[int],
        progress: Callable[[HeadsLaid], None] | None = None,
    ) -> dict[int, float]:
        """The correlation of each placed head with the mean of those of other groups."""
        placed, laid = {}, []
        for i, each in enumerate(scans):
            if self.misplaced(each) is None:
                (placed[i],) = _heads(each)
                laid.append(self.frame.of(placed[i])[0].grey)
            if progress is not None:
                progress(HeadsLaid(i + 1, len(scans)))
        heads = [*placed.values()]
        of_mean = heads_of_mean(heads, recipe.scans.contrast, cap=self.fat_capped)
        own = [groups[i] for i in placed]
        found = resemblances_among(laid, own, of_mean, self.template)
        return dict(zip(placed, found.tolist(), strict=True))

    def anomaly(self, head: FramedHead, device: torch.device) -> Floats:
        """How anomalous each voxel of the frame is, (52, 64, 64), >= 0; 0 outside the brain."""
        return self._in_brain(self.unusual(head, device))

    def unusual(self, head: FramedHead, device: torch.device) -> Floats:  # noqa: ARG002
        """The same everywhere in the frame."""
        brightness, *_ = self.norm.z_maps(head.grey)
        size = np.abs(brightness) * np.float32(UNIT) * head.inside
        return np.asarray(gaussian_filter(size, SMOOTHING), np.float32)

    def tensors(self) -> dict[str, Tensor]:
        """Mean head and brain, and mean and spread of healthy heads."""
        values = {
            "template": self.template.mean,
            "brain": self.template.brain,
            "mean": self.norm.mean,
            "spread": self.norm.spread,
        }
        return {name: torch.from_numpy(each.copy()) for name, each in values.items()}

    @classmethod
    def fit(
        cls,
        part: DetectorRecipe,  # noqa: ARG003
        healthy: HealthySlices,
    ) -> tuple[Self, TrainingSummary]:
        """Mean and spread of the healthy heads; there are no epochs."""
        started = time.perf_counter()
        heads = list(_heads(healthy.train))
        template = site_template(heads, healthy.recipe.scans.contrast, cap=cls.fat_capped)
        frame = SiteFrame(template, cap=cls.fat_capped)  # keeps heads for what is asked next
        fitted = cls._of(list(_laid(frame, heads, healthy)), template)
        fitted.frame = frame
        return fitted, _summary(healthy, time.perf_counter() - started)

    @classmethod
    def fit_several(
        cls, part: DetectorRecipe, members: Sequence[HealthySlices]
    ) -> list[tuple[Self, TrainingSummary | None]]:
        """As `fit`; several share the mean of all their heads, and each head is laid upon it once.

        Mean and spread at each voxel are of the heads that a member learns, and of no other.
        """
        if len(members) == 1:
            return [cls.fit(part, members[0])]
        started = time.perf_counter()
        keys = [[head_key(head) for head in _heads(each.train)] for each in members]
        heads = {head_key(head): head for each in members for head in _all_heads(each)}
        ordered = sorted(heads)  # whichever fold they are in
        everyone = [heads[key] for key in ordered]
        template = site_template(everyone, members[0].recipe.scans.contrast, cap=cls.fat_capped)
        frame = SiteFrame(template, cap=cls.fat_capped)
        framed = dict(zip(ordered, _laid(frame, everyone, members[0]), strict=True))
        fitted = [cls._of([framed[key] for key in own], template) for own in keys]
        for each in fitted:
            each.frame = frame
        seconds = (time.perf_counter() - started) / len(members)
        return [
            (each, _summary(healthy, seconds))
            for each, healthy in zip(fitted, members, strict=True)
        ]

    @classmethod
    def restore(
        cls,
        recipe: Recipe,  # noqa: ARG003
        part: DetectorRecipe,  # noqa: ARG003
        tensors: dict[str, Tensor],
        device: torch.device,  # noqa: ARG003
    ) -> Self:
        """The detector of stored tensors."""
        return cls(*_stored(tensors))

    @classmethod
    def shapes(cls, recipe: Recipe, part: DetectorRecipe) -> Shapes:  # noqa: ARG003
        """The shapes of the tensors."""
        features = (len(FEATURES), *SHAPE)
        return {"template": SHAPE, "brain": SHAPE, "mean": features, "spread": features}

    @classmethod
    def _of(cls, framed: list[Floats], template: Template) -> Self:
        """The detector by healthy heads in the frame."""
        learned = cls._learned(framed, template)
        return cls(template, norm_of(learned, template.brain > IN_BRAIN, cls.steadying))

    @classmethod
    def _learned(cls, heads: list[Floats], template: Template) -> list[Floats]:  # noqa: ARG003
        """The heads that the norm is made of."""
        return heads

    def _in_brain(self, values: Floats) -> Floats:
        return np.where(self.template.brain > IN_BRAIN, values, np.float32(0))


class NormativeAsymmetry(Normative):
    """As the base, and more so where a place is off its mirror image too.

    A head whose structure does not lie where the site's mean head has it is not scored, and none
    such is learned from.
    """

    fat_capped = True

    def unusual(self, head: FramedHead, device: torch.device) -> Floats:  # noqa: ARG002
        """The same everywhere in the frame.

        The size of brightness, and half the geometric mean of both where they agree: what the
        mirror image lacks and healthy heads have is not painted, or both sides would be.
        """
        brightness, asymmetry, _ = self.norm.z_maps(head.grey)
        both = np.sqrt(np.maximum(brightness * asymmetry, 0))
        size = (np.abs(brightness) + ASYMMETRY_SHARE * both) * np.float32(UNIT) * head.inside
        return np.asarray(gaussian_filter(size, SMOOTHING), np.float32)

    def misplaced(self, slices: SliceBatch) -> str | None:
        """Why the one head that slices are of cannot be compared; None where it can."""
        (head,) = _heads(slices)
        framed, _ = self.frame.of(head)
        found = likeness(framed.grey, self.template)
        return None if found >= LEAST_LIKENESS else UNLIKE.format(found=found, least=LEAST_LIKENESS)

    @classmethod
    def _learned(cls, heads: list[Floats], template: Template) -> list[Floats]:
        """Heads that lie rightly in the frame; all, where fewer than half do."""
        rightly = [each for each in heads if likeness(each, template) >= LEAST_LIKENESS]
        return rightly if 2 * len(rightly) >= len(heads) else heads


class NormativeNetwork(Normative):
    """The z-maps of a head, weighed by a network that comes trained."""

    steadying = OF_NETWORK

    def __init__(self, template: Template, norm: Norm, network: ZMapNetwork | None = None) -> None:
        super().__init__(template, norm)
        self.network = (network or drawn_network()).eval().requires_grad_(False)

    def unusual(self, head: FramedHead, device: torch.device) -> Floats:
        """What of the network's logit is above that of an ordinary place, (52, 64, 64)."""
        found = logits(self.network, self.norm.z_maps(head.grey), head.inside, device)
        smooth = gaussian_filter(found, SMOOTHING)
        return np.asarray(np.logaddexp(0, smooth - np.float32(ORDINARY)), np.float32)

    def tensors(self) -> dict[str, Tensor]:
        """As of the base, and the network's weights."""
        weights = {f"{NETWORK}{name}": each for name, each in self.network.state_dict().items()}
        return super().tensors() | weights

    @classmethod
    def restore(
        cls,
        recipe: Recipe,  # noqa: ARG003
        part: DetectorRecipe,  # noqa: ARG003
        tensors: dict[str, Tensor],
        device: torch.device,
    ) -> Self:
        """The detector of stored tensors. Raises RuntimeError where they do not fit."""
        weights = {
            name.removeprefix(NETWORK): each
            for name, each in tensors.items()
            if name.startswith(NETWORK)
        }
        return cls(*_stored(tensors), stored_network(weights).to(device))

    @classmethod
    def shapes(cls, recipe: Recipe, part: DetectorRecipe) -> Shapes:
        """The shapes of the tensors."""
        weights = ZMapNetwork().state_dict()
        own = super().shapes(recipe, part)
        return own | {f"{NETWORK}{name}": tuple(each.shape) for name, each in weights.items()}


def _stored(tensors: dict[str, Tensor]) -> tuple[Template, Norm]:
    values = {name: each.numpy() for name, each in tensors.items() if "." not in name}
    if not (values["spread"] > 0).all():
        raise RuntimeError("the spread of healthy heads is not above 0 everywhere")
    return Template(values["template"], values["brain"]), Norm(values["mean"], values["spread"])


def _heads(slices: SliceBatch) -> Iterator[PlacedHead]:
    """The heads that the slices are of. Raises SettingsError where they were not placed."""
    if slices.poses is None:
        raise SettingsError("the detector 'normative' needs volumes that are registered")
    return placed_heads(slices.images, slices.poses)


def _laid(
    frame: SiteFrame, heads: Sequence[PlacedHead], healthy: HealthySlices
) -> Iterator[Floats]:
    """The grey values of heads laid upon the site's mean head, in order; says how far it is."""
    for number, head in enumerate(heads, 1):
        yield frame.of(head)[0].grey
        if healthy.progress is not None:
            healthy.progress(HeadsLaid(number, len(heads)))


def _all_heads(healthy: HealthySlices) -> Iterator[PlacedHead]:
    """The heads of slices that are learned from, then of those held out."""
    yield from _heads(healthy.train)
    if healthy.validation is not None:
        yield from _heads(healthy.validation)


def _summary(healthy: HealthySlices, seconds: float) -> TrainingSummary:
    held_out = 0 if healthy.validation is None else len(healthy.validation)
    return TrainingSummary(0, 0, None, seconds, len(healthy.train), held_out)


def _coarser(stack: SliceStack, size: int) -> SliceStack:
    """The grid of the stack's slices at so many pixels a side."""
    own = stack.images.shape[-1]
    images = np.broadcast_to(np.float32(0), (len(stack.images), size, size))
    return SliceStack(images, stack.pixel * own / size, stack.heights)
