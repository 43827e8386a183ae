"""Affine registration of a head to a mean one: Gauss-Newton on grey values, robust to lesions.

A head's grey values, under one gain and offset, are brought to those of the mean; 12 parameters,
coarse then fine; Huber's weights keep a lesion from pulling (Baker and Matthews 2004,
https://doi.org/10.1023/B:VISI.0000011205.11775.fd; Huber 1964). The fit shows failures.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter, label

from mriad_model.normative.registration.frame import (
    FIRST,
    SHAPE,
    SPACING,
    Floats,
    Matrix,
    SliceStack,
    evened,
    frame_points,
)
from mriad_model.normative.registration.resampling import Sampler, chained, to_voxels
from mriad_model.normative.registration.template import Template

SCALE = 100.0  # mm: the unit of places in the equations, so that turns and shifts weigh alike
DAMPING = 0.01  # of the diagonal (Levenberg 1944)
LONGEST = 8.0  # mm, of one step that shifts only
STILL = 0.05  # mm; a step that moves the head less is the last
HEAD_HEIGHT = 130.0  # mm below the vertex: what lies lower is neck and face
SMALLEST_AREA = 120.0  # mm2 of a plane's head; planes with less lie above the vertex
DEEP = 25.0  # mm below the head's surface: brain
FEWEST_DEEP = 500  # voxels of it, else it is not looked for
BRIGHTER = 1.25  # times the brain's 98th percentile: where it is capped
BLOCK = 1024  # points in one product of matrices: larger ones are split among threads
MOST_STRETCHED = 1.6  # a head so much larger than the mean one, or bent so that one side is more
MOST_UNEVEN = 1.7  # than so many times another, is a registration that failed
GOOD_FIT = 0.55  # below it other starts are tried
# Of the brain's grey value: where skulls and scalps have less, there are none. Drawn and real
# heads have 0.4 to 0.8; brains without skull 0.1, and 0.3 before they are registered.
BARE, BARE_AT_START = 0.2, 0.35
# The other starts: mm up, degrees of nod, scale. For a cut vertex, a bowed head, a child.
STARTS: Final = (
    (-25.0, 0.0, 1.0),
    (25.0, 0.0, 1.0),
    (0.0, 15.0, 1.0),
    (0.0, -15.0, 1.0),
    (0.0, 0.0, 0.85),
)


@dataclass(frozen=True, slots=True)
class Level:
    """One scale of the search."""

    step: tuple[int, int, int]  # of the frame's voxels: every so many planes, rows, columns
    sigma: float  # mm, of the Gaussian over both heads
    shifts: int  # steps that shift only
    steps: int  # at most


COARSE: Final = Level((3, 2, 2), 6.0, 8, 25)
FINE: Final = Level((2, 2, 2), 3.0, 0, 20)


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """Where the frame lies in a stack."""

    matrix: Matrix  # the frame's mm -> the stack's mm
    # Of the correlation with the mean head inside its brain, both smoothed: its size, 0 to 1.
    # Its sign is that of the contrast.
    fit: float


def register(stack: SliceStack, templates: Sequence[Template]) -> Registration:
    """Where the frame lies in a head, to a few millimetres; `refine` makes it exact.

    The first mean head and one start, the heads' vertices one upon the other, serve nearly all
    heads. Where the fit is low, other starts are tried, and the brain alone, with every mean head.
    """
    first = Search(stack, templates[0])
    start = _start(first.stack, templates[0])
    bare = first.is_bare(start, COARSE, BARE_AT_START)
    search = Search(stack, templates[0], brain_alone=True) if bare else first
    best = search.matched(start, COARSE)
    if best.fit >= GOOD_FIT:
        return best
    tried = [best]
    for template in templates:
        start = _start(first.stack, template)
        head, brain = (Search(stack, template, brain_alone=alone) for alone in (False, True))
        found = [head.matched(each, COARSE) for each in (start, *_other_starts(start))]
        tried += found + [brain.matched(each.matrix, COARSE) for each in found]
    return max(tried, key=lambda each: each.fit)


def refine(stack: SliceStack, template: Template, start: Registration) -> Registration:
    """A registration to the fraction of a millimetre, from one that is near.

    Of a head that was stripped of its skull, the brain alone is compared.
    """
    search = Search(stack, template)
    if search.is_bare(start.matrix, FINE, BARE):
        search = Search(stack, template, brain_alone=True)
    return search.matched(start.matrix, FINE)


class Search:
    """A stack and a mean head, ready to be compared at every scale."""

    def __init__(self, stack: SliceStack, template: Template, *, brain_alone: bool = False) -> None:
        self.stack = halved(evened(stack))
        self.template = template
        self.weight = template.brain_weight if brain_alone else template.weight
        self._levels: dict[Level, _Compared] = {}

    def matched(self, matrix: Matrix, level: Level) -> Registration:
        """The registration that steps from `matrix` lead to."""
        return self._compared(level).matched(matrix)

    def is_bare(self, matrix: Matrix, level: Level, share: float) -> bool:
        """Whether the head has next to nothing where the mean head has skull and scalp.

        Less than `share` of the brain's grey value, that is.
        """
        return self._compared(level).skull_to_brain(matrix) < share

    def _compared(self, level: Level) -> "_Compared":
        if level not in self._levels:
            self._levels[level] = _Compared(self.stack, self.template, self.weight, level)
        return self._levels[level]


class _Compared:
    """Both heads at one scale."""

    def __init__(self, stack: SliceStack, template: Template, weight: Floats, level: Level) -> None:
        self.level = level
        self.to_voxels = to_voxels(stack)
        spacing = (stack.step, stack.pixel, stack.pixel)
        smooth = gaussian_filter(stack.images, [level.sigma / each for each in spacing])
        slopes = [np.gradient(smooth, spacing[axis], axis=axis) for axis in (2, 1, 0)]
        self.stack = Sampler(np.stack([smooth, *slopes], -1))
        every = tuple(slice(None, None, each) for each in level.step)
        used = weight[every].ravel() > 0
        mean = gaussian_filter(template.mean, [level.sigma / each for each in SPACING])
        self.points = frame_points(level.step)[used]  # (n, 3)
        self.target = mean[every].ravel()[used]
        self.weight = weight[every].ravel()[used]
        self.brain = (template.brain[every].ravel() > 0.5)[used]
        self.skull = ((template.brain < 0.05) & (template.mean > 0.3))[every].ravel()[used]
        self.places = np.hstack(
            [self.points / np.float32(SCALE), np.ones((len(self.points), 1), np.float32)]
        )  # (n, 4)

    def matched(self, start: Matrix) -> Registration:
        """The matrix that steps of Gauss and Newton lead to, and how well it fits."""
        matrix = np.array(start)
        for number in range(self.level.steps):
            found = self._found(matrix)
            residual, gain = self._residual(found[:, 0])
            weight = self._robust(residual)
            slopes = found[:, 1:] * np.float32(gain)  # (n, 3)
            if number < self.level.shifts:
                step = _solved(slopes, weight, residual)
                matrix[:, 3] += np.clip(step, -LONGEST, LONGEST)
                continue
            jacobian = (slopes[:, :, None] * self.places[:, None, :]).reshape(-1, 12)
            change = _solved(jacobian, weight, residual).reshape(3, 4)
            change[:, :3] /= SCALE
            matrix += change
            if self._moved(change) < STILL:
                break
        return Registration(matrix, self._fit(matrix))

    def skull_to_brain(self, matrix: Matrix) -> float:
        """Mean grey value where the mean head has skull and scalp, over that of the brain."""
        grey = self._found(matrix)[:, 0]
        brain = float(grey[self.brain].mean())
        return float(grey[self.skull].mean()) / brain if self.skull.any() and brain > 0 else 1.0

    def _found(self, matrix: Matrix) -> Floats:
        """The stack's values and slopes, (n, 4)."""
        return self.stack.at(self.points, chained(self.to_voxels, matrix))

    def _residual(self, values: Floats) -> tuple[Floats, float]:
        """What of the target is left under the best gain and offset, (n,); the gain."""
        share = self.weight / self.weight.sum(dtype=np.float64)
        values = values - np.float32((share * values).sum(dtype=np.float64))
        target = self.target - np.float32((share * self.target).sum(dtype=np.float64))
        power = float((share * values * values).sum(dtype=np.float64))
        gain = float((share * values * target).sum(dtype=np.float64)) / (power + 1e-9)
        return np.asarray(np.float32(gain) * values - target, np.float32), gain

    def _robust(self, residual: Floats) -> Floats:
        """Weights of points, less where the heads are most unlike (Huber 1964), (n,)."""
        size = np.abs(residual)
        spread = np.float32(1.4826) * np.median(size) + np.float32(1e-6)
        return np.asarray(
            self.weight * np.minimum(2 * spread / np.maximum(size, 1e-9), 1), np.float32
        )

    def _moved(self, change: Matrix) -> float:
        """How far a change moves the head at most, mm."""
        points = self.points[::50]
        moves = [row[:3] * points + row[3] / 3 for row in change]
        return float(max(np.abs(each.sum(1)).max() for each in moves))

    def _fit(self, matrix: Matrix) -> float:
        stretches = np.linalg.svd(matrix[:, :3], compute_uv=False)
        if stretches.max() > MOST_STRETCHED or stretches.max() > MOST_UNEVEN * stretches.min():
            return 0.0
        found = self._found(matrix)[self.brain, 0].astype(np.float64)
        target = self.target[self.brain].astype(np.float64)
        found, target = found - found.mean(), target - target.mean()
        scale = float(np.sqrt((found * found).sum() * (target * target).sum()))
        return abs(float((found * target).sum())) / scale if scale > 0 else 0.0


def _solved(jacobian: Floats, weight: Floats, residual: Floats) -> Matrix:
    """The damped step that makes the weighted residual smallest, (parameters,)."""
    n = -(-len(jacobian) // BLOCK) * BLOCK - len(jacobian)
    rows = np.hstack([jacobian, residual[:, None]])
    rows = np.pad(rows, ((0, n), (0, 0))).reshape(-1, BLOCK, rows.shape[1])
    weighted = rows * np.pad(weight, (0, n)).reshape(-1, BLOCK, 1)
    products = np.matmul(rows.transpose(0, 2, 1), weighted).sum(0, dtype=np.float64)
    normal, slope = products[:-1, :-1], products[:-1, -1]
    damped = normal + np.diag(DAMPING * normal.diagonal() + 1e-8)
    return np.asarray(-np.linalg.solve(damped, slope), np.float64)


def capped(stack: SliceStack) -> SliceStack:
    """The stack with what is brighter than its brain as bright as that, nearly.

    Fat near a coil can be four times as bright as the brain, and then is all that is registered.
    The brain is taken to be what lies deep in the picture, where all but the head is 0.
    """
    coarse = halved(evened(stack))
    inside = np.stack([binary_fill_holes(image > 0) for image in coarse.images])
    closed = np.pad(inside, ((0, 1), (1, 1), (1, 1)))  # the picture ends below, not the head
    spacing = (coarse.step, coarse.pixel, coarse.pixel)
    depth = distance_transform_edt(closed, sampling=spacing)[:-1, 1:-1, 1:-1]
    planes = np.flatnonzero(inside.any((1, 2)))
    top = int(planes[-1]) if len(planes) else 0
    below = (top - np.arange(len(inside))) * coarse.step
    deep = (depth > DEEP) & (below < HEAD_HEIGHT - DEEP)[:, None, None]
    if np.count_nonzero(deep) < FEWEST_DEEP:
        return stack
    level = BRIGHTER * float(np.percentile(coarse.images[deep], 98))
    return SliceStack(np.minimum(stack.images, np.float32(level)), stack.pixel, stack.heights)


def halved(stack: SliceStack) -> SliceStack:
    """The stack at half the pixels a side, which are even: finer finds no head better."""
    n, size, _ = stack.images.shape
    parts = stack.images.reshape(n, size // 2, 2, size // 2, 2)
    return SliceStack(np.asarray(parts.mean((2, 4)), np.float32), 2 * stack.pixel, stack.heights)


def _start(stack: SliceStack, template: Template) -> Matrix:
    """The vertices of a head, halved, and of a mean one, one upon the other."""
    heights = np.arange(SHAPE[0], dtype=np.float64) * SPACING[0]
    x, y, z = vertex(SliceStack(template.mean, SPACING[1], heights))
    # As a stack the frame has its middle pixel and its lowest plane at 0.
    middle = FIRST[1] + SPACING[1] * (SHAPE[1] - 1) / 2
    of_frame = np.array([x, y + middle, z + FIRST[0]])
    return np.hstack([np.eye(3), (vertex(stack) - of_frame)[:, None]])


def vertex(stack: SliceStack) -> NDArray[np.float64]:
    """Middle of the head across, and its top: mm of the stack, (3,)."""
    spacing = (stack.step, stack.pixel, stack.pixel)
    smooth = gaussian_filter(stack.images, [3.0 / each for each in spacing])
    head = largest_part(smooth > 0.7 * otsu(smooth))
    planes = np.flatnonzero(head.sum((1, 2)) * stack.pixel**2 > SMALLEST_AREA)
    top = int(planes[-1]) if len(planes) else len(head) - 1
    low = max(0, int(top - HEAD_HEIGHT / stack.step))
    places = np.argwhere(head[low : top + 1])
    middle = (stack.images.shape[-1] - 1) / 2
    _, y, x = places.mean(0) if len(places) else (0.0, middle, middle)
    return np.array([(x - middle) * stack.pixel, (y - middle) * stack.pixel, top * stack.step])


def largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part of a mask; all True where there is none."""
    parts, n = label(mask)
    if n == 0:
        return np.ones_like(mask)
    return np.asarray(parts == np.bincount(parts.ravel())[1:].argmax() + 1, np.bool_)


def otsu(values: Floats) -> float:
    """The grey value that parts dark from bright best (Otsu 1979)."""
    counts, edges = np.histogram(values, 128)
    middles = (edges[:-1] + edges[1:]) / 2
    below, sums = np.cumsum(counts), np.cumsum(counts * middles)
    n, total = below[:-1], below[-1]
    between = (sums[-1] * n / total - sums[:-1]) ** 2 / np.maximum(n * (total - n), 1)
    return float(middles[between.argmax()])


def _other_starts(start: Matrix) -> Iterator[Matrix]:
    for up, degrees, scale in STARTS:
        nod = np.radians(degrees)
        sine, cosine = np.sin(nod), np.cos(nod)
        turn = scale * np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
        yield np.hstack([turn, start[:, 3:] + np.array([[0.0], [0.0], [up]])])
