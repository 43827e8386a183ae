"""What is evaluated, prepared once and kept in a file."""

from pathlib import Path

import numpy as np
import pytest

from mriad_model.enums import LabelValue
from mriad_model.errors import (
    ModelFileError,
)
from mriad_model.evaluation.dataset import (
    EvaluationData,
)
from mriad_model.preprocessing.prepared_file import BESIDE_PIXELS
from mriad_model.recipes.built_in_recipes import AUTOENCODER, SEED
from tests.support.evaluations import data_of, gather, image_of

BESIDE = (*BESIDE_PIXELS, "placements")


def test_data_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    data = data_of()
    path = tmp_path / "data.safetensors"
    data.write(path)
    again = EvaluationData.from_file(path)
    assert again.untrained == data.untrained
    for ours, theirs in zip(again.scans, data.scans, strict=True):
        np.testing.assert_array_equal(ours.batch.images, theirs.batch.images)
        np.testing.assert_array_equal(ours.batch.masks, theirs.batch.masks)
        assert [getattr(ours, name) for name in BESIDE] == [
            getattr(theirs, name) for name in BESIDE
        ]
    assert again.features == data.features
    assert (again.names, again.labels, again.groups) == (data.names, data.labels, data.groups)


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.safetensors"
    path.write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ")
    with pytest.raises(ModelFileError, match="no evaluation data"):
        EvaluationData.from_file(path)


def test_seed_and_default_are_measured_beside_the_same_asymmetry() -> None:
    images = [image_of(n, LabelValue.HEALTHY) for n in range(3)]
    assert gather(images, SEED).untrained == gather(images, AUTOENCODER).untrained
