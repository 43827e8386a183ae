"""Stored models, each loaded once a process."""

import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from db.repository.training.models import model_by_id
from mriad_model.detection.model_file import check_size
from mriad_model.errors import ModelFileError
from mriad_model.files import sha256_of
from mriad_model.paths import source_path
from tasks.runtime.connections import database

if TYPE_CHECKING:
    from mriad_model.detection.model import FittedModel

_loading = threading.Lock()


def device_in_use(device: str) -> str:
    """The device that a setting comes to on this machine: what a run records, never "auto".

    Raises:
        SettingsError: there is no such device.
    """
    from mriad_model.detection.networks.devices import resolve_device  # noqa: PLC0415 - torch

    return str(resolve_device(device))


def loaded_model(home: str, model_id: int, device: str) -> "FittedModel":
    """A stored model, loaded once and shared: torch is not reproducible when threads build.

    Raises:
        ModelFileError: the file is gone, or is not the one that the record names.
    """
    with _loading:
        return _load(home, model_id, device)


def forget_models() -> None:
    """Have models loaded, and their files looked at, anew."""
    with _loading:
        _load.cache_clear()


def recorded_file(home: str, model_id: int) -> Path:
    """The file of a stored model.

    Raises:
        ModelFileError: it is gone, or is not the one that the record names.
    """
    row = model_by_id(database(home), model_id)
    path = source_path(row.path, Path(home))
    try:
        check_size(path.stat().st_size)
        if sha256_of(path) != row.sha256:
            raise ModelFileError("it is not the file that was recorded")
    except OSError as error:
        raise ModelFileError(_message(path, model_id, "it cannot be read")) from error
    except ModelFileError as error:
        raise ModelFileError(_message(path, model_id, str(error))) from error
    return path


@lru_cache(maxsize=2)
def _load(home: str, model_id: int, device: str) -> "FittedModel":
    from mriad_model.detection.model import FittedModel  # noqa: PLC0415 - torch

    path = recorded_file(home, model_id)
    try:
        return FittedModel.from_bytes(path.read_bytes(), device)
    except OSError as error:
        raise ModelFileError(_message(path, model_id, "it cannot be read")) from error
    except ModelFileError as error:
        raise ModelFileError(_message(path, model_id, str(error))) from error


def _message(path: Path, model_id: int, what: str) -> str:
    return (
        f"{path}: the weights of model {model_id} cannot be used: {what}; "
        "restore the file from a backup, or activate another threshold"
    )
