from hashlib import sha256

import numpy as np
import pytest

from mriad_model.normative.registration.frame import SHAPE
from mriad_model.normative.registration.mean_heads import (
    FLAIR,
    T1,
    drawn_template,
    drawn_templates,
    to_file,
)
from mriad_model.normative.registration.template import BRAIN_LEVEL, NECK, levelled, template_of

BRAIN = drawn_template(T1).brain


def test_a_template_is_the_median_of_heads_and_their_mirror_images():
    head = drawn_template(T1).mean
    lopsided = head.copy()
    lopsided[30, 30:34, 20:24] = 0.0

    found = template_of([head, head, lopsided], BRAIN)

    assert np.allclose(found.mean, found.mean[..., ::-1])
    assert np.allclose(found.mean[30, 30:34, 20:24], levelled(head, BRAIN)[30, 30:34, 20:24])


def test_the_brightest_tissue_has_one_level_in_every_mean():
    found = levelled(3 * drawn_template(FLAIR).mean, BRAIN)
    assert np.percentile(found[BRAIN > 0.5], 98) == pytest.approx(BRAIN_LEVEL, abs=1e-4)


def test_necks_have_no_weight_and_the_brain_the_most():
    template = drawn_template(T1)
    for weight in (template.weight, template.brain_weight):
        assert not weight[:NECK].any()
        assert (weight[NECK:][BRAIN[NECK:] > 0.5] == 1).all()
    assert not template.brain_weight[:, :4].any()


@pytest.mark.parametrize("contrast", [T1, FLAIR])
def test_a_drawn_mean_head_is_symmetric_and_of_the_frames_shape(contrast):
    template = drawn_template(contrast)
    for values in (template.mean, template.brain):
        assert values.shape == SHAPE
        assert np.array_equal(values, values[..., ::-1])


def test_grey_matter_is_brighter_than_white_on_flair_and_darker_on_t1():
    t1, flair = drawn_template(T1).mean, drawn_template(FLAIR).mean
    deep = (BRAIN > 0.99) & (t1 > np.percentile(t1[BRAIN > 0.99], 80))  # white matter
    others = (BRAIN > 0.99) & ~deep & (t1 > 0.4)
    assert t1[deep].mean() > t1[others].mean()
    assert flair[deep].mean() < flair[others].mean()


@pytest.mark.parametrize(
    ("contrast", "first"), [("FLAIR", FLAIR), ("T1w", T1), ("T2w", T1), (None, T1)]
)
def test_the_likelier_mean_head_comes_first(contrast, first):
    assert drawn_templates(contrast)[0] is drawn_template(first)


def test_a_file_of_mean_heads_gives_what_was_written(tmp_path, monkeypatch):
    import mriad_model.normative.registration.mean_heads as module

    template = drawn_template(T1)
    path = tmp_path / "drawn.safetensors"
    data = to_file({T1: template.mean}, template.brain)
    path.write_bytes(data)
    monkeypatch.setattr(module, "PATH", path)
    monkeypatch.setattr(module, "SHA256", sha256(data).hexdigest())
    again = module.drawn_template.__wrapped__(T1)

    assert np.array_equal(again.mean, template.mean)
    assert np.array_equal(again.brain, template.brain)
