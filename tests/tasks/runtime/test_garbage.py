import gc

import pytest

from tasks.runtime.garbage import without_collection


def test_garbage_is_collected_again_after_the_outermost_block_also_after_an_error() -> None:
    with without_collection():
        assert not gc.isenabled()
        with without_collection():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="broken"), without_collection():
        raise ValueError("broken")
    assert gc.isenabled()
