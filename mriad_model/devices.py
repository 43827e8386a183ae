"""Where tensors live, and arithmetic that repeats itself there."""

from contextlib import AbstractContextManager, nullcontext

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


def repeatable(device: torch.device) -> AbstractContextManager[None]:
    """While it lasts, convolutions on `device` give the same bits each time, in full float32.

    The CPU's do so anyway. The flags are torch's global ones, put back at the end.
    """
    if device.type != "cuda":
        return nullcontext()
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return flags
