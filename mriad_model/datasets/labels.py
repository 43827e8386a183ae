"""Labels from the names of folders, or from a CSV file."""

import csv
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mriad_model.enums import LabelValue
from mriad_model.errors import SettingsError
from mriad_model.paths import escape_path

WORDS = {
    "no": LabelValue.HEALTHY,
    "healthy": LabelValue.HEALTHY,
    "normal": LabelValue.HEALTHY,
    "yes": LabelValue.ABNORMAL,
    "abnormal": LabelValue.ABNORMAL,
}


def label_of_word(word: str) -> LabelValue | None:
    """The label that a word stands for, in any case of letters; None for other words."""
    return WORDS.get(word.strip().lower())


def label_from_folder(path: Path, root: Path) -> LabelValue | None:
    """The label in the names of folders from the file's own up to `root`; the nearest one wins."""
    inside = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    names = [root.name, *inside.parts[:-1]]
    labels = (label_of_word(name) for name in reversed(names))
    return next((label for label in labels if label is not None), None)


@dataclass(frozen=True, slots=True)
class Labelling:
    """How scans are labelled: one value for all, by folder names, by a CSV, or not at all."""

    author: str
    value: LabelValue | None = None
    from_folders: bool = False
    csv: str | None = None


def labeller(folder: Path, labelling: Labelling) -> Callable[[Path], LabelValue | None]:
    """A file's label, by the labelling's one rule."""
    if labelling.csv is not None:
        table = read_label_csv(Path(labelling.csv))
        return lambda path: table.get(os.path.relpath(path, folder)) or table.get(path.name)
    if labelling.from_folders:
        return lambda path: label_from_folder(path, folder)
    return lambda _: labelling.value


@dataclass(frozen=True, slots=True)
class LabelLine:
    """A line of a CSV of labels."""

    line: int  # counted from 1, the header's
    file: str  # path as written
    label: LabelValue


def read_label_csv(path: Path) -> dict[str, LabelValue]:
    """Labels from a CSV, see `read_label_lines`: path as written -> label."""
    return {each.file: each.label for each in read_label_lines(path)}


def read_label_lines(path: Path) -> list[LabelLine]:
    """The lines of a CSV with columns `path` or `file`, and `label`. May raise SettingsError."""
    labels: dict[str, LabelValue] = {}
    lines = []
    for line, file, word in _rows(path):
        where = f"{escape_path(path)}, line {line}"
        label = label_of_word(word)
        if not file:
            raise SettingsError(f"{where}: no file is named")
        if label is None:
            raise SettingsError(f"{where}: label {word!r} is none of {', '.join(WORDS)}")
        if labels.setdefault(file, label) is not label:
            raise SettingsError(f"{where}: {file!r} was labelled otherwise further up")
        lines.append(LabelLine(line, file, label))
    return lines


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, file and label word of each row that is not empty."""
    reader = csv.DictReader(io.StringIO(csv_text(path), newline=""), strict=True)
    try:
        columns = {name.strip().lower(): name for name in reader.fieldnames or ()}
        file = columns.get("path", columns.get("file"))
        label = columns.get("label")
        if file is None or label is None:
            raise SettingsError(
                f"{escape_path(path)}, line 1: the header needs a column path or file, and label"
            )
        for row in reader:
            yield reader.line_num, (row[file] or "").strip(), (row[label] or "").strip()
    except csv.Error as error:
        where = f"{escape_path(path)}, line {reader.reader.line_num}"
        raise SettingsError(f"{where}: {error}") from error


def csv_text(path: Path) -> str:
    """A CSV file's text. Raises SettingsError where it cannot be read or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(f"cannot read {escape_path(path)}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SettingsError(f"{escape_path(path)}, line {line}: not UTF-8 text") from error
