import gc

import pytest

from flows.runtime.imports import without_collection


def test_garbage_is_collected_again_after_the_block_also_where_an_import_fails() -> None:
    with without_collection():
        assert not gc.isenabled()
        with without_collection():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), without_collection():
        raise ImportError
    assert gc.isenabled()
    gc.unfreeze()
