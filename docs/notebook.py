"""The notebook of the handbook: its cells run, their outputs kept in it, and shown as a page.

python -m docs.notebook HOME     # run it on a home; writes notebook.ipynb, notebook.md, pictures

No Jupyter is needed: a cell's code is run as it stands, and what its last line is worth is shown.
A test runs the cells on a home of its own, and holds the page to the notebook.
"""

import ast
import base64
import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
NOTEBOOK, PAGE = DOCS / "notebook.ipynb", DOCS / "notebook.md"
PICTURE = "images/notebook-{n}.png"
INTRODUCTION = (
    "<!-- generated: python -m docs.notebook HOME -->\n"
    "This page is [`notebook.ipynb`](notebook.ipynb), run on a small home of drawn heads.\n"
)
Cell = dict[str, Any]


def cells() -> list[Cell]:
    """The notebook's cells, as the notebook format 4 has them."""
    found: list[Cell] = json.loads(NOTEBOOK.read_text())["cells"]
    return found


def run_cells(given: list[Cell]) -> list[Cell]:
    """The cells with the outputs that they have now, in the current folder."""
    names: dict[str, Any] = {}
    done, n = [], 0
    for cell in given:
        if cell["cell_type"] == "code":
            n += 1
            outputs = _outputs(_source(cell), names, n)
            done.append({**cell, "execution_count": n, "outputs": outputs})
        else:
            done.append(cell)
    return done


def _source(cell: Cell) -> str:
    return "".join(cell["source"])


def _outputs(source: str, names: dict[str, Any], n: int) -> list[dict[str, Any]]:
    """What running a cell prints, draws, and is worth."""
    from matplotlib import pyplot  # noqa: PLC0415

    tree, said, value = ast.parse(source), io.StringIO(), None
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(said):
        exec(compile(tree, f"<cell {n}>", "exec"), names)  # the notebook's own code
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"<cell {n}>", "eval"), names)
    outputs: list[dict[str, Any]] = []
    if said.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": _lines(said.getvalue())})
    for number in pyplot.get_fignums():
        drawn = io.BytesIO()
        pyplot.figure(number).savefig(drawn, format="png", dpi=80, metadata={"Software": None})
        pyplot.close(number)
        png = base64.b64encode(drawn.getvalue()).decode()
        outputs.append({"output_type": "display_data", "metadata": {}, "data": {"image/png": png}})
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        result = {"output_type": "execute_result", "metadata": {}, "data": data}
        outputs.append({**result, "execution_count": n})
    return outputs


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def page(given: list[Cell]) -> tuple[str, dict[str, bytes]]:
    """The notebook as a page of the handbook, and its pictures by name."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in given:
        if cell["cell_type"] == "markdown":
            parts.append(_source(cell))
            if len(parts) == 1:
                parts.append(INTRODUCTION.rstrip())
            continue
        parts.append(f"```python\n{_source(cell)}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                name = PICTURE.format(n=len(pictures) + 1)
                pictures[name] = base64.b64decode(data["image/png"])
                parts.append(f"![The picture that the cell draws]({name})")
            else:
                text = "".join(output.get("text") or data["text/plain"])
                parts.append(f"```\n{text.rstrip()}\n```")
    return "\n\n".join(parts) + "\n", pictures


def write(home: Path) -> None:
    """Run the notebook beside a home; write notebook, page and pictures."""
    before = Path.cwd()
    os.chdir(home.resolve().parent)
    try:
        done = run_cells(cells())
    finally:
        os.chdir(before)
    notebook = json.loads(NOTEBOOK.read_text()) | {"cells": done}
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    write_page()


def write_page() -> None:
    """Write the page and its pictures as the notebook has them."""
    text, pictures = page(cells())
    PAGE.write_text(text)
    for name, data in pictures.items():
        (DOCS / name).write_bytes(data)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
