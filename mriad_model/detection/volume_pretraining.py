"""What volumes are measured by before a site has shown any: made of drawn heads, of no patient.

    python -m mriad_model.detection.volume_pretraining

draws heads and writes the mean heads that scans are registered to. The same version on the same
machine writes the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mriad_model.files import write_atomically
from mriad_model.normative.drawn import FLAIR, PATH, T1, to_file
from mriad_model.normative.frame import Floats, Matrix, SliceStack, evened
from mriad_model.normative.registration import COARSE, FINE, Search, halved, vertex
from mriad_model.normative.resampling import onto_frame
from mriad_model.normative.template import Template, levelled
from mriad_model.phantom.render import phantom_volume
from mriad_model.phantom.scanner import BRAIN, Contrast, Tissue

SEED: Final = 81_000_000  # of the first head; tests and demonstrations draw others
DRAWN_SHAPE: Final = (60, 128, 128)  # slices of 3 mm, pixels of 1.7 to 2 mm
N_MEAN: Final = 12  # heads in a mean
ROUNDS: Final = 2  # of registering them to their mean
VERTEX: Final = (0.0, 17.0, 77.0)  # mm: where a drawn head's lies in the frame, about
WINDOW: Final = (1.0, 99.5)  # percentiles of the head that become 0 and 1
AIR: Final = 0.1  # of the 99th percentile


@dataclass(frozen=True, slots=True, eq=False)
class DrawnStack:
    """A drawn head."""

    head: SliceStack
    brain: SliceStack  # 1 where its brain or the fluid around it is


def drawn_stack(number: int, contrast: Contrast) -> DrawnStack:
    """The head of a number; the same person in both contrasts."""
    drawn = phantom_volume(SEED + number, contrast, None, DRAWN_SHAPE)
    voxels = drawn.voxels.astype(np.float32)
    seen = voxels[voxels > AIR * np.percentile(voxels, 99)]
    low, high = np.percentile(seen, WINDOW)
    grey = np.clip((voxels - np.float32(low)) / np.float32(high - low), 0, 1)
    inside = np.isin(drawn.labels, [*map(int, BRAIN), int(Tissue.CSF)])
    step, pixel, _ = drawn.spacing
    heights = np.arange(len(voxels), dtype=np.float64) * step
    return DrawnStack(
        SliceStack(grey, pixel, heights), SliceStack(inside.astype(np.float32), pixel, heights)
    )


def mean_heads(
    t1: Sequence[DrawnStack], flair: Sequence[DrawnStack]
) -> tuple[dict[str, Floats], Floats]:
    """The symmetric mean of heads in each contrast, (52, 64, 64) each, and their brains' share.

    The same people are in both, so one registration of each serves both.
    """
    matrices = [_about(each.head) for each in t1]
    for _ in range(ROUNDS):
        template = _mean(t1, matrices)
        matrices = [_registered(each.head, template) for each in t1]
    found = {T1: _mean(t1, matrices), FLAIR: _mean(flair, matrices)}
    return {name: each.mean for name, each in found.items()}, found[T1].brain


def _about(stack: SliceStack) -> Matrix:
    """Vertex upon vertex."""
    return np.hstack([np.eye(3), (vertex(halved(stack)) - np.array(VERTEX))[:, None]])


def _registered(stack: SliceStack, template: Template) -> Matrix:
    search = Search(stack, template)
    return search.matched(search.matched(_about(stack), COARSE).matrix, FINE).matrix


def _mean(stacks: Sequence[DrawnStack], matrices: Sequence[Matrix]) -> Template:
    heads, brains = (
        np.mean([onto_frame(evened(part), at) for part, at in zip(parts, matrices, strict=True)], 0)
        for parts in ([each.head for each in stacks], [each.brain for each in stacks])
    )
    mean, brain = ((each + each[..., ::-1]) / 2 for each in (heads, brains))
    return Template(levelled(mean.astype(np.float32), brain), brain.astype(np.float32))


def main() -> None:
    """Draw, and write the file that is shipped."""
    t1, flair = (
        [drawn_stack(number, contrast) for number in range(N_MEAN)]
        for contrast in (Contrast.T1, Contrast.FLAIR)
    )
    write_atomically(PATH, to_file(*mean_heads(t1, flair)))


if __name__ == "__main__":
    main()
