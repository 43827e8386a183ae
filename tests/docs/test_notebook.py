"""The notebook's cells run on a home, and its page shows what it holds."""

from pathlib import Path

import pytest

from docs import notebook
from tests.support.record.kept import home_with_a_map


def test_the_cells_run_on_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    home_with_a_map(tmp_path / "mriad-home")
    monkeypatch.chdir(tmp_path)
    done = notebook.run_cells(notebook.cells())
    shown = [each for cell in done for each in cell.get("outputs", ())]
    assert len(shown) >= 5
    assert any("suspicious" in "".join(each["data"].get("text/plain", "")) for each in shown)
    assert any("image/png" in each["data"] for each in shown)
    text, pictures = notebook.page(done)
    assert list(pictures) == ["images/notebook-1.png"]
    assert "scan_id" in text


def test_the_page_is_the_notebooks() -> None:
    text, pictures = notebook.page(notebook.cells())
    assert notebook.PAGE.read_text() == text, "make it again: python -m docs.notebook HOME"
    for name, data in pictures.items():
        assert (notebook.DOCS / name).read_bytes() == data
    assert Path(notebook.PAGE).name in (notebook.DOCS.parent / "mkdocs.yml").read_text()
