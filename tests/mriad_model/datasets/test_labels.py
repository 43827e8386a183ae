from pathlib import Path

import pytest

from mriad_model.datasets.labels import label_from_folder, read_label_csv
from mriad_model.enums import LabelValue
from mriad_model.errors import SettingsError

HEALTHY, ABNORMAL = LabelValue.HEALTHY, LabelValue.ABNORMAL


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("no/a.png", HEALTHY),
        ("YES/a.png", ABNORMAL),
        ("Healthy/site 1/a.png", HEALTHY),
        ("abnormal/a.png", ABNORMAL),
        ("normal/a.png", HEALTHY),
        ("yes/no/a.png", HEALTHY),
        ("a.png", None),
        ("nothing/a.png", None),
        ("yes", None),
    ],
)
def test_the_nearest_folder_that_says_anything_labels(path, label):
    assert label_from_folder(Path("/data/set") / path, Path("/data/set")) is label


def test_the_root_labels_and_what_lies_above_does_not():
    assert label_from_folder(Path("/yes/no/a.png"), Path("/yes/no")) is HEALTHY
    assert label_from_folder(Path("/yes/set/a.png"), Path("/yes/set")) is None


def write(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "file,label\na.png,healthy\nb/c d.png,yes\n",
        "\ufeffLabel , PATH,site\r\nHealthy, a.png,1\r\n\r\nabnormal,b/c d.png,2\r\n",
        'path,label\n"a.png",no\n"b/c d.png",abnormal\na.png,healthy\n',
    ],
)
def test_a_csv_gives_labels_by_path(tmp_path, text):
    assert read_label_csv(write(tmp_path, text)) == {"a.png": HEALTHY, "b/c d.png": ABNORMAL}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the header"),
        ("name,label\n", "line 1: the header"),
        ("file,label\na.png,healthy\nb.png,perhaps\n", "line 3: label 'perhaps' is none of"),
        ("file,label\na.png\n", "line 2: label '' is none of"),
        ("file,label\n,healthy\n", "line 2: no file"),
        ("file,label\na.png,yes\na.png,no\n", "line 3: 'a.png' was labelled otherwise"),
        (b"file,label\na.png,yes\n\xff\n", "line 3: not UTF-8"),
        ('file,label\n"a.png"x,yes\n', "line 2: "),
    ],
)
def test_a_bad_row_is_told_with_its_line(tmp_path, text, said):
    with pytest.raises(SettingsError, match=said):
        read_label_csv(write(tmp_path, text))


def test_a_missing_csv_is_told(tmp_path):
    with pytest.raises(SettingsError, match="No such file"):
        read_label_csv(tmp_path / "labels.csv")
