"""Arrays that are written piece by piece, and mapped: the same bits, and no memory."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mriad_model.enums import LabelValue
from mriad_model.evaluation.dataset import put_aside
from mriad_model.evaluation.mapped_file import map_arrays, write_arrays
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from tests.support.evaluations import image_of


def test_pieces_come_back_joined_to_the_last_bit_also_by_another_reader(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "a.safetensors"
    images = [rng.random((n, 3, 5)).astype(np.float32) for n in (2, 1, 4)]
    masks = [each > 0.5 for each in images]
    poses = [rng.random((len(each), 15)) for each in images]
    packed = np.packbits(masks[0])
    arrays = {"masks": masks, "images": images, "mask.0": [packed], "poses": poses}
    write_arrays(path, arrays, {"about": "text"})
    found, about = map_arrays(path)
    assert about == {"about": "text"}
    other = load_file(path)
    assert found.keys() == other.keys() == arrays.keys()
    for name, pieces in arrays.items():
        whole = np.concatenate(pieces)
        assert found[name].dtype == whole.dtype
        np.testing.assert_array_equal(found[name], whole)
        np.testing.assert_array_equal(other[name], whole)
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_written_to_a_mapped_array_is_not_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_arrays(path, {"images": [np.zeros((2, 2), np.float32)]}, {})
    first, _ = map_arrays(path)
    first["images"][:] = 1
    again, _ = map_arrays(path)
    assert not again["images"].any()


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    work()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def test_neither_writing_nor_mapping_takes_the_memory_of_the_arrays(tmp_path: Path) -> None:
    path, piece = tmp_path / "a.safetensors", np.zeros((16, 128, 128), np.float32)
    pieces = [piece] * 20
    assert peak(lambda: write_arrays(path, {"images": pieces}, {})) < piece.nbytes
    assert path.stat().st_size > 20 * piece.nbytes
    assert peak(lambda: map_arrays(path)) < piece.nbytes


def test_a_scan_that_was_put_aside_is_the_same_and_leaves_no_file(tmp_path: Path) -> None:
    scan = image_of(1, LabelValue.HEALTHY).prepared(AUTOENCODER)
    aside = put_aside(scan, tmp_path / "part")
    assert list(tmp_path.iterdir()) == []
    np.testing.assert_array_equal(aside.prepared.batch.images, scan.prepared.batch.images)
    np.testing.assert_array_equal(aside.prepared.batch.masks, scan.prepared.batch.masks)
    assert aside.prepared.placements == scan.prepared.placements
    assert aside.prepared.positions == scan.prepared.positions


@pytest.mark.parametrize("content", [b"", b"\x02\0\0\0\0\0\0\0{}", b"\xff" * 64])
def test_another_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises((ValueError, KeyError)):
        map_arrays(path)
