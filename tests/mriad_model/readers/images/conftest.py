"""Bytes read as a picture file, or the reason for which they are rejected."""

import pytest

from mriad_model.errors import RejectedFile
from mriad_model.readers.images.reading import read_image


@pytest.fixture
def read(tmp_path):
    def read_bytes(data, limits=None):
        path = tmp_path / "scan"
        path.write_bytes(data)
        return read_image(path, limits)

    return read_bytes


@pytest.fixture
def reason(read):
    """The reason for which these bytes are rejected."""

    def rejected(data, limits=None):
        with pytest.raises(RejectedFile) as caught:
            read(data, limits)
        assert caught.value.detail
        return caught.value.reason

    return rejected
