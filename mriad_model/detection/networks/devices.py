"""Where tensors live, and arithmetic that repeats itself there."""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import torch

from mriad_model.errors import SettingsError


def resolve_device(device: str) -> torch.device:
    """The device of that name; "auto" is the accelerator where there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise SettingsError(f"no device is named {device!r}: choose auto, cpu or cuda") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise SettingsError("device cuda is not available here: choose auto or cpu")
    return found


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """While it lasts, arithmetic on `device` gives the same bits each time, in full float32.

    On the CPU that takes one thread: how a sum is split among several changes its last bit. It
    costs little, for threads waiting for each other spin; work is spread over cores by running
    slices, chunks or folds side by side. On an accelerator it takes deterministic convolutions.
    The settings are torch's own (of the calling thread, and global ones); they are put back.

    OpenCV works on one thread from here on: how it splits an image changes the last bits too, from
    run to run, and slices are too small to gain by it. That is left so, for it has one setting for
    all threads of the process.
    """
    cv2.setNumThreads(1)
    if device.type == "cuda":
        with torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        ):
            yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
