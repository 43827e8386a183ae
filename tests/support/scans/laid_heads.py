"""Heads laid upon mean heads once, where several models are fitted to the same ones."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import pytest

from mriad_model.detection.detectors import site_frame
from mriad_model.normative.framed_head import framed_head
from mriad_model.normative.registration.affine import refine


def remembering(lay: Callable[..., Any]) -> Callable[..., Any]:
    """As `lay`, but each head is laid upon each mean head once: recipes fitted here share both.

    For fitting alone; what is scored is laid anew.
    """
    known = {}

    def found(stack, template, where):
        arrays = (stack.images, stack.heights, template.mean, template.brain, where.matrix)
        key = (*(sha256(each.tobytes()).digest() for each in arrays), stack.pixel)
        if key not in known:
            known[key] = lay(stack, template, where)
        return known[key]

    return found


@contextmanager
def laying_once() -> Iterator[None]:
    """While it lasts, a training lays each head once for all of its steps: mean, norm and gate."""
    with laying({"refine": remembering(refine), "framed_head": remembering(framed_head)}):
        yield


@contextmanager
def laying(functions: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """While it lasts, these take the place of those that a site's frame lays heads by."""
    with pytest.MonkeyPatch.context() as patch:
        for name, function in functions.items():
            patch.setattr(site_frame, name, function)
        yield
