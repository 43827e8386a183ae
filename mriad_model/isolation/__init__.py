"""Untrusted files are read in children with limits of memory and time; the parent survives them.

    readers     `Readers.map`: a function over many items, in children that are restarted
    limits      `ChildLimits`
    budget      `TimeBudget`: what items that take too long may cost a run
    child       what a child does with a batch
    processes   how children come to be: forked from a small server, tied to their parent
    preload     what that server imports

A decoder of hostile bytes may abort, loop or take all memory. Python cannot catch that; the
kernel can, in a process of its own.
"""

from mriad_model.isolation.budget import TimeBudget
from mriad_model.isolation.limits import ChildLimits
from mriad_model.isolation.readers import Readers

__all__ = ["ChildLimits", "Readers", "TimeBudget"]
