from pathlib import Path

import pytest

from mriad_model.errors import ModelFileError
from mriad_model.normative.registration import mean_heads as drawn
from mriad_model.normative.shipped_file import shipped
from mriad_model.normative.z_maps import network


@pytest.mark.parametrize(
    ("path", "sha256"), [(drawn.PATH, drawn.SHA256), (network.WEIGHTS, network.SHA256)]
)
def test_a_shipped_file_is_read_as_it_was_made_and_no_other(
    path: Path, sha256: str, tmp_path: Path
) -> None:
    data = shipped(path, sha256)
    other = tmp_path / path.name
    other.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ModelFileError, match="has the hash"):
        shipped(other, sha256)
    with pytest.raises(ModelFileError, match="cannot be read"):
        shipped(tmp_path / "gone", sha256)
