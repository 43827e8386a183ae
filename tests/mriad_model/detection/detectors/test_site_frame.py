from dataclasses import replace

import numpy as np
import pytest

from mriad_model.detection.detectors import site_frame
from mriad_model.detection.detectors.site_frame import KEPT, SiteFrame, head_key
from mriad_model.normative.registration.affine import Registration
from mriad_model.normative.registration.mean_heads import T1, drawn_template
from mriad_model.normative.registration.poses import PlacedHead
from tests.support.scans.stacks import another


@pytest.fixture(scope="module")
def placed() -> PlacedHead:
    stack = another().head
    return PlacedHead(slice(0, len(stack.images)), stack, Registration(np.eye(3, 4), 0.9))


def changed(head: PlacedHead, what: str) -> PlacedHead:
    stack, found = head.stack, head.registration
    match what:
        case "pixel":
            return replace(head, stack=replace(stack, pixel=stack.pixel * 1.1))
        case "heights":
            return replace(head, stack=replace(stack, heights=stack.heights * 1.1))
        case "images":
            return replace(head, stack=replace(stack, images=stack.images * np.float32(0.9)))
        case "fit":
            return replace(head, registration=replace(found, fit=0.5))
        case _:
            return replace(head, registration=replace(found, matrix=found.matrix + 0.01))


@pytest.mark.parametrize("what", ["pixel", "heights", "images", "fit", "matrix"])
def test_a_head_that_differs_in_anything_is_another(placed, what):
    """Else it would get the place of one that was looked at before."""
    assert head_key(changed(placed, what)) != head_key(placed)
    assert head_key(replace(placed)) == head_key(placed)


def test_the_last_heads_are_kept_and_no_more(placed, monkeypatch):
    monkeypatch.setattr(site_frame, "refined", lambda head, *_, cap: head.registration)
    monkeypatch.setattr(site_frame, "framed_head", lambda *_: object())
    frame = SiteFrame(drawn_template(T1), cap=True)
    heads = [
        replace(placed, registration=replace(placed.registration, fit=0.5 + n / 100))
        for n in range(KEPT + 1)
    ]
    first, *_, last = [frame.of(each)[0] for each in heads]
    assert frame.of(heads[-1])[0] is last
    assert frame.of(heads[0])[0] is not first
    assert len(frame._recent) == KEPT
