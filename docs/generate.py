"""The parts of the handbook that follow from the code: the table of settings, the tables' diagram.

python -m docs.generate     # a test holds the files to what this writes
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from sqlalchemy import Column, Table

from db.schema import metadata
from flows.runtime.settings import Settings

DOCS = Path(__file__).parent
SETTINGS_PAGE, DIAGRAM = DOCS / "settings.md", DOCS / "schema.svg"
BEGIN, END = "<!-- generated: python -m docs.generate -->\n", "<!-- end -->\n"
SIGNS = {"Ge": "≥ {}", "Gt": "> {}", "Le": "≤ {}", "Lt": "< {}"}  # bounds of pydantic

# Where the tables stand, by the stages of the street; one that is named nowhere goes last.
STAGES = (
    ("run", "run_end", "arrival", "arrival_end", "warning", "rejection"),
    ("scan", "sighting", "label", "review", "decision"),
    ("score", "slice_score", "heatmap", "sending", "unscored", "dataset", "dataset_scan", "link"),
    ("threshold", "model", "activation", "comparison", "report"),
)
BOX, GAP, ROW, HEAD = 212, 44, 17, 24  # pixels
UNDRAWN = "run"  # nearly every row names its run: lines to it would cover all others
STYLE = (
    "text{font:12px sans-serif;fill:#222}.t{font-weight:bold;fill:#fff}.r{fill:#1a5f8a}"
    ".k{fill:#777}.b{fill:#fff;stroke:#8aa}.h{fill:#2b5b6e}.l{fill:none;stroke:#1a5f8a;opacity:.55}"
)


def settings_table() -> str:
    """All settings as a Markdown table: variable, default, values, meaning."""
    lines = ["| setting | default | values | meaning |", "| --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{_shown(field.default)}`"
        options = getattr(field.annotation, "__args__", ())
        words = [f"`{each}`" for each in options if isinstance(each, str)]
        bounds = [
            SIGNS[type(each).__name__].format(getattr(each, type(each).__name__.lower()))
            for each in field.metadata
            if type(each).__name__ in SIGNS
        ]
        values = ", ".join(words or bounds)
        lines.append(f"| `MRIAD_{name.upper()}` | {default} | {values} | {field.description} |")
    return "\n".join(lines) + "\n"


def _shown(default: object) -> str:
    """A default as it is typed in the environment."""
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def settings_page() -> str:
    """The page of settings, its table made anew."""
    before, _, rest = SETTINGS_PAGE.read_text().partition(BEGIN)
    return f"{before}{BEGIN}{settings_table()}{END}{rest.partition(END)[2]}"


@dataclass(frozen=True, slots=True)
class Box:
    """A table, drawn: its upper left corner."""

    table: Table
    x: int
    y: int

    @property
    def height(self) -> int:
        """In pixels."""
        return HEAD + ROW * len(self.table.columns) + 6


def schema_diagram() -> str:
    """All tables with their columns, and lines to the tables that they refer to, as SVG."""
    boxes = {box.table.name: box for box in _placed()}
    lines = [line for box in boxes.values() for line in _references(box, boxes)]
    width = max(box.x for box in boxes.values()) + BOX + GAP
    height = max(box.y + box.height for box in boxes.values()) + 12
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
            f"<style>{STYLE}</style>",
            *lines,
            *(part for box in boxes.values() for part in _drawn(box)),
            "</svg>\n",
        ]
    )


def _placed() -> Iterator[Box]:
    named = {name for stage in STAGES for name in stage}
    rest = tuple(name for name in metadata.tables if name not in named)
    for number, stage in enumerate((*STAGES[:-1], STAGES[-1] + rest)):
        y = 12
        for name in stage:
            if name in metadata.tables:
                box = Box(metadata.tables[name], 12 + number * (BOX + GAP), y)
                y += box.height + 18
                yield box


def _drawn(box: Box) -> Iterator[str]:
    x, y = box.x, box.y
    yield f'<rect class="b" x="{x}" y="{y}" width="{BOX}" height="{box.height}"/>'
    yield f'<rect class="h" x="{x}" y="{y}" width="{BOX}" height="{HEAD}"/>'
    yield f'<text class="t" x="{x + 8}" y="{y + 16}">{box.table.name}</text>'
    for number, column in enumerate(box.table.columns):
        line = y + HEAD + ROW * number + 14
        target = _target(column)
        kind = f"→ {target}" if target else str(column.type).lower()
        kind += " or none" if column.nullable else ""
        style = "r" if target else "k"
        yield f'<text x="{x + 8}" y="{line}">{escape(column.name)}</text>'
        yield (
            f'<text class="{style}" x="{x + BOX - 8}" y="{line}" text-anchor="end">{kind}</text>'
        )


def _target(column: Column[object]) -> str | None:
    return next((key.column.table.name for key in column.foreign_keys), None)


def _references(box: Box, boxes: dict[str, Box]) -> Iterator[str]:
    """A curve from each column that refers to a table to that table's head."""
    for number, column in enumerate(box.table.columns):
        target = _target(column)
        if target is None or target == UNDRAWN:
            continue
        to = boxes[target]
        y1, y2 = box.y + HEAD + ROW * number + 10, to.y + HEAD // 2
        if to.x == box.x:  # round the right-hand side
            x1, x2, bend1, bend2 = box.x + BOX, to.x + BOX, 40, 40
        elif to.x > box.x:
            x1, x2, bend1, bend2 = box.x + BOX, to.x, 40, -40
        else:
            x1, x2, bend1, bend2 = box.x, to.x + BOX, -40, 40
        yield (f'<path class="l" d="M{x1} {y1}C{x1 + bend1} {y1} {x2 + bend2} {y2} {x2} {y2}"/>')


def main() -> None:
    """Write both."""
    SETTINGS_PAGE.write_text(settings_page())
    DIAGRAM.write_text(schema_diagram())


if __name__ == "__main__":
    main()
