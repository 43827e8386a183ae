import gc

import pytest

from flows.runtime.imports import frozen_imports


def test_garbage_is_collected_again_after_the_block_also_where_an_import_fails() -> None:
    with frozen_imports():
        assert not gc.isenabled()
        with frozen_imports():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), frozen_imports():
        raise ImportError
    assert gc.isenabled()
    gc.unfreeze()
