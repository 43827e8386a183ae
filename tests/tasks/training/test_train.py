"""Who is in a dataset of volumes, and in which role."""

from pathlib import Path

import pytest

from mriad_model.datasets.labels import Labelling
from mriad_model.enums import LabelValue
from mriad_model.errors import SettingsError
from mriad_model.phantom.scanner import Contrast
from mriad_model.recipes.built_in_recipes import VOLUME_AUTOENCODER
from tests.support.scans.phantoms import write_head
from tests.tasks.conftest import Bench


def test_of_several_contrasts_one_has_to_be_chosen_and_is_learned_alone(
    bench: Bench, folder: Path
) -> None:
    for number in range(6):
        write_head(folder / f"head-{number}_T1w.nii.gz", number, contrast=Contrast.T1)
        write_head(folder / f"head-{number}_FLAIR.nii.gz", number, contrast=Contrast.FLAIR)
    seen = bench.ingest(folder).seen
    bench.label(folder, Labelling("me", LabelValue.HEALTHY), seen)
    with pytest.raises(SettingsError, match=r"6 FLAIR, 6 T1w.*--contrast"):
        bench.freeze(VOLUME_AUTOENCODER)
    dataset = bench.freeze(VOLUME_AUTOENCODER.with_contrast(["FLAIR"]))
    assert dataset.contrasts == ["FLAIR"] * 6
