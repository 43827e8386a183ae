import numpy as np
import pytest

from mriad_model.normative.registration.affine import GOOD_FIT, refine, register
from mriad_model.normative.registration.frame import SliceStack, frame_points
from mriad_model.normative.registration.mean_heads import drawn_templates
from mriad_model.normative.registration.resampling import chained, onto_frame
from mriad_model.phantom.scanner import Contrast
from tests.support.scans.stacks import about, another, every, rigid, turned

TEMPLATES = drawn_templates("T1w")
STEP = (4, 8, 8)
BRAIN = frame_points(STEP)[TEMPLATES[0].brain[:: STEP[0], :: STEP[1], :: STEP[2]].ravel() > 0.5]
MIDDLE = (0.0, 0.0, 90.0)  # mm, of a drawn head's brain in its stack


def found(stack: SliceStack, templates=TEMPLATES):
    return refine(stack, templates[0], register(stack, templates))


def apart(first: np.ndarray, second: np.ndarray) -> float:
    """How far two matrices take the brain apart, mm, on average."""
    change = first - second
    return float(np.linalg.norm(BRAIN @ change[:, :3].T + change[:, 3], axis=1).mean())


@pytest.fixture(scope="module")
def plain():
    stack = another().head
    return stack, found(stack)


def test_a_head_lies_with_its_brain_where_the_mean_head_has_it():
    drawn = another(1)
    placed = found(drawn.head)

    brain = onto_frame(drawn.brain, placed.matrix) > 0.5
    mean = TEMPLATES[0].brain > 0.5
    seen = slice(6, None)
    both = np.count_nonzero((brain & mean)[seen])
    assert 2 * both / (brain[seen].sum() + mean[seen].sum()) > 0.93
    assert placed.fit > 0.8


@pytest.mark.parametrize(
    "move",
    [
        rigid(degrees=(12, 0, 0)),
        rigid(degrees=(0, 8, -10), shift=(6, -9, 0)),
        rigid(scale=1.12, shift=(0, 0, -12)),
        rigid(degrees=(-10, 4, 6), scale=0.9, shift=(4, 5, 8)),
    ],
    ids=["bowed", "turned", "small", "all"],
)
def test_a_moved_head_is_brought_back_within_two_millimetres(plain, move):
    stack, placed = plain
    move = about(MIDDLE, move)

    moved = found(turned(stack, move))

    assert apart(chained(move, moved.matrix), placed.matrix) < 2


@pytest.mark.parametrize("thick", [1, 2])
def test_thick_slices_tell_the_same_place(plain, thick):
    stack, placed = plain
    coarse = every(stack, thick)

    shift = np.zeros((3, 4))
    shift[2, 3] = (thick - 1) * stack.step / 2  # the middle of the first slice
    assert apart(found(coarse).matrix + shift, placed.matrix) < 1.5


def test_slices_of_a_millimetre_tell_the_same_place(plain):
    stack, placed = plain
    heights = np.arange(0, stack.heights[-1], 1.0)
    low = (heights / stack.step).astype(int)
    share = (heights / stack.step - low)[:, None, None].astype(np.float32)
    images = stack.images[low] * (1 - share) + stack.images[low + 1] * share

    assert apart(found(SliceStack(images, stack.pixel, heights)).matrix, placed.matrix) < 1.5


@pytest.mark.parametrize("cut", [slice(14, None), slice(None, -13)], ids=["base", "vertex"])
def test_a_cut_field_of_view_tells_the_same_place(plain, cut):
    stack, placed = plain
    images = stack.images[cut]
    shift = np.zeros((3, 4))
    shift[2, 3] = (cut.start or 0) * stack.step

    rest = SliceStack(images, stack.pixel, np.arange(len(images)) * stack.step)

    assert apart(found(rest).matrix + shift, placed.matrix) < 3


def test_a_head_without_skull_tells_the_same_place(plain):
    stack, placed = plain
    brain = SliceStack(stack.images * another().brain.images, stack.pixel, stack.heights)

    assert apart(found(brain).matrix, placed.matrix) < 3


def test_a_lesion_moves_nothing(plain):
    stack, placed = plain
    z, y, x = np.meshgrid(*(np.arange(n) for n in stack.images.shape), indexing="ij")
    away = ((z - 34) * stack.step) ** 2 + ((y - 70) ** 2 + (x - 45) ** 2) * stack.pixel**2
    dark = np.where(away < 30**2, np.float32(0.15), stack.images)  # 110 ml

    ill = found(SliceStack(dark, stack.pixel, stack.heights))

    assert apart(ill.matrix, placed.matrix) < 1.5


def test_another_contrast_of_the_head_tells_the_same_place(plain):
    _, placed = plain
    flair = another(contrast=Contrast.FLAIR).head

    assert apart(found(flair, drawn_templates("FLAIR")).matrix, placed.matrix) < 3
    assert apart(found(flair).matrix, placed.matrix) < 4  # beside the mean of another contrast


def test_what_is_no_head_has_a_low_fit(plain):
    stack, _ = plain
    noise = np.random.default_rng(0).random(stack.images.shape).astype(np.float32)
    on_its_side = SliceStack(
        np.ascontiguousarray(stack.images.transpose(1, 0, 2)[:, :, ::-1])[:, ::1].repeat(1, 0),
        stack.pixel,
        np.arange(stack.images.shape[1]) * stack.pixel,
    )
    square = np.zeros((on_its_side.images.shape[0], 128, 128), np.float32)
    square[:, 34:94] = on_its_side.images

    for stranger in (noise, square):
        heights = np.arange(len(stranger)) * stack.step
        assert register(SliceStack(stranger, stack.pixel, heights), TEMPLATES).fit < GOOD_FIT


def test_the_same_head_gives_the_same_bits(plain):
    stack, placed = plain
    again = found(stack)
    assert np.array_equal(again.matrix, placed.matrix)
    assert again.fit == placed.fit
