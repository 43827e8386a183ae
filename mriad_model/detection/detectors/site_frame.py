"""A site's mean head, and heads laid upon it."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from threading import Lock
from typing import Final

import numpy as np

from mriad_model.normative.framed_head import FramedHead, framed_head
from mriad_model.normative.registration.affine import Registration, capped, refine
from mriad_model.normative.registration.frame import Floats, Matrix
from mriad_model.normative.registration.mean_heads import drawn_templates
from mriad_model.normative.registration.poses import PlacedHead
from mriad_model.normative.registration.template import Template, in_mean, template_of

KEPT: Final = 16  # heads in the frame, the last ones, 1 MB each
LEAST_SHARE: Final = 0.75  # of the fit on the drawn mean head: with less, it went astray


class SiteFrame:
    """The mean head, and the last heads that were laid upon it. Several threads may ask at once.

    Members of a model share one, so that a head is registered once for all of them.
    """

    def __init__(self, template: Template, *, cap: bool) -> None:
        self.template, self.cap = template, cap
        self._recent: dict[bytes, tuple[FramedHead, Matrix]] = {}
        self._lock = Lock()

    def of(self, head: PlacedHead) -> tuple[FramedHead, Matrix]:
        """A head in the site's frame, and where that lies; a head is looked at more than once."""
        key = head_key(head)
        with self._lock:
            known = self._recent.get(key)
        if known is not None:
            return known
        found = refined(head, self.template, cap=self.cap)
        made = framed_head(head.stack, self.template, found), found.matrix
        with self._lock:
            self._recent[key] = made
            while len(self._recent) > KEPT:
                del self._recent[next(iter(self._recent))]
        return made


def head_key(head: PlacedHead) -> bytes:
    """What tells a head from others: all that its place in the frame follows from."""
    stack, found = head.stack, head.registration
    numbers = np.array([stack.pixel, found.fit, *stack.heights, *found.matrix.ravel()])
    return sha256(numbers.tobytes() + stack.images.tobytes()).digest()


def site_template(heads: Sequence[PlacedHead], contrast: str | None, *, cap: bool) -> Template:
    """The median of some of the heads, spread over all of them, placed on drawn ones."""
    some = [*heads_of_mean(heads, contrast, cap=cap).values()]
    return template_of(some, drawn_templates(contrast)[0].brain)


def heads_of_mean(
    heads: Sequence[PlacedHead], contrast: str | None, *, cap: bool
) -> dict[int, Floats]:
    """The grey values (52, 64, 64) of those that a site's mean is made of, by their positions."""
    places = in_mean(len(heads)).tolist()
    framed = framed_heads([heads[i] for i in places], drawn_templates(contrast)[0], cap=cap)
    return dict(zip(places, framed, strict=True))


def framed_heads(heads: Sequence[PlacedHead], template: Template, *, cap: bool) -> Iterator[Floats]:
    """The grey values of heads laid upon a mean head, (52, 64, 64) each."""
    for head in heads:
        yield framed_head(head.stack, template, refined(head, template, cap=cap)).grey


def refined(head: PlacedHead, template: Template, *, cap: bool) -> Registration:
    """The head on the site's mean head; as on the drawn one where it fits far worse."""
    seen = capped(head.stack) if cap else head.stack
    found = refine(seen, template, head.registration)
    return found if found.fit >= LEAST_SHARE * head.registration.fit else head.registration
