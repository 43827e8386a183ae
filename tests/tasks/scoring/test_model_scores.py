"""A model's scores of many scans: the same however they are shared among the cores."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from mriad_model.detection.model import FittedModel, fit
from mriad_model.phantom.write import write_folder
from mriad_model.preprocessing.scan_slices import prepare_scan, training_slices
from mriad_model.preprocessing.slices import PreparedScan, joined
from mriad_model.readers.images.reading import store_image
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from mriad_model.recipes.recipe import DetectorRecipe
from tasks.scoring import model_scores
from tasks.scoring.model_scores import ModelScore, score_and_draw
from tasks.scoring.preprocess import PreparedItem

RECIPE = replace(AUTOENCODER, detectors=(DetectorRecipe("asymmetry"),))
N = 7


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[PreparedItem]:
    """Drawn slices, as the step before leaves them."""
    folder = tmp_path_factory.mktemp("drawn")
    write_folder(folder, N, 0, 3, size=64)
    paths = sorted((folder / "no").iterdir())
    return [_item(number, path, folder) for number, path in enumerate(paths, start=1)]


@pytest.fixture(scope="module")
def fitted(items: list[PreparedItem]) -> FittedModel:
    slices = [training_slices(each.slices, RECIPE) for each in items]
    return fit(joined(slices), None, RECIPE, "cpu")


def _item(scan_id: int, path: Path, folder: Path) -> PreparedItem:
    stored = store_image((path, folder))
    return PreparedItem(scan_id, path, stored, prepare_scan(stored.load(), RECIPE))


def scored(
    fitted: FittedModel, items: list[PreparedItem], piece: int, monkeypatch: pytest.MonkeyPatch
) -> list[ModelScore]:
    monkeypatch.setattr(model_scores, "PIECE", piece)
    return score_and_draw(fitted, items, 1, {})


@pytest.mark.parametrize("piece", [1, 3, N])
def test_scans_are_scored_and_drawn_alike_in_pieces_of_any_size(
    fitted: FittedModel, items: list[PreparedItem], piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scored(fitted, items, 10 * N, monkeypatch)
    found = scored(fitted, items, piece, monkeypatch)
    assert [each.scan_id for each in found] == [each.scan_id for each in items]
    assert [each.found.score for each in found] == [each.found.score for each in whole]
    assert len({each.found.score for each in whole}) == N
    for mine, theirs in zip(found, whole, strict=True):
        np.testing.assert_array_equal(mine.found.maps, theirs.found.maps)
        assert mine.maps.files[0].data == theirs.maps.files[0].data


def test_no_scan_has_no_score(fitted: FittedModel) -> None:
    assert score_and_draw(fitted, [], 1, {}) == []


def test_a_scan_of_several_slices_is_in_one_piece(
    items: list[PreparedItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_scores, "PIECE", 3)
    of_two = [replace(each, slices=cast(PreparedScan, range(2))) for each in items[:5]]
    pieces = list(model_scores._pieces(of_two))
    assert pieces == [of_two[:2], of_two[2:4], of_two[4:]]
