"""The lists of scans that the results are made of, and their tables."""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.evaluation import figures
from benchmarks.evaluation.figures import (
    SETS,
    ixi,
    kaggle253_without,
    lgg55,
    markdown,
    masks59,
    write_list,
)
from flows.cli.documents.evaluation import evaluate_document
from flows.evaluate import EvaluationResult
from mriad_model.evaluation.listing import read_scan_csv
from mriad_model.evaluation.summary import summarise
from tests.support.evaluations import heldout_folds

DATA = Path(__file__).parents[3].parent / "shared" / "data"


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_slices_with_a_mask_are_abnormal_and_know_patient_and_level(tmp_path: Path) -> None:
    folder = tmp_path / "lgg55" / "p000"
    touch(*(folder / name for name in ("01.png", "02.png", "02_mask.png", "04.png")))
    rows = lgg55(tmp_path)
    assert [(str(row["path"]), row["label"], row["level"]) for row in rows] == [
        ("p000/01.png", "no", 0.25),
        ("p000/02.png", "yes", 0.5),
        ("p000/04.png", "no", 1.0),
    ]
    listed = tmp_path / "list.csv"
    write_list(listed, rows)
    read = read_scan_csv(listed)
    assert {each.patient for each in read} == {"p000"}
    assert [each.mask for each in read] == [None, "p000/02_mask.png", None]


def test_a_head_stands_there_as_it_is_and_with_its_infarct(tmp_path: Path) -> None:
    touch(tmp_path / "ixi_t1" / "A_T1.nii.gz", tmp_path / "ixi_t1" / "B_T1.nii.gz")
    touch(tmp_path / "ixi_infarcts" / "A_delta.nii.gz", tmp_path / "ixi_infarcts" / "A_mask.nii.gz")
    listed = tmp_path / "list.csv"
    write_list(listed, ixi(tmp_path))
    read = read_scan_csv(listed)
    assert [(each.patient, each.difference) for each in read] == [
        ("A", None),
        ("A", "ixi_infarcts/A_delta.nii.gz"),
        ("B", None),
    ]


def test_slices_of_one_patient_are_known_as_such(tmp_path: Path) -> None:
    names = ("bt_Othe_t2_71.png", "bt_Othe_fla_77.png", "fig_2.png")
    touch(tmp_path / "kaggle253" / "no" / "a.png")
    touch(*(tmp_path / "masks59" / part / each for part in ("images", "masks") for each in names))
    rows = {Path(str(row["path"])).name: row.get("patient") for row in masks59(tmp_path)}
    assert rows == {"a.png": None, names[0]: "Othe", names[1]: "Othe", "fig_2.png": ""}


def test_a_document_becomes_tables() -> None:
    report = summarise(heldout_folds(), resamples=20)
    document = evaluate_document(EvaluationResult(report, "page.html", 0, []))
    text = markdown("drawn", document)
    assert text.startswith("### drawn\n")
    assert "| `seed` | 1.000 (" in text
    assert "| brightness | " in text
    assert "less asymmetry: " in text
    assert "what its thresholds promise, " in text
    assert "`seed`, healthy scans: normal " in text


def test_a_set_that_is_done_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kaggle253").mkdir()
    report = summarise(heldout_folds(), resamples=20)
    document = evaluate_document(EvaluationResult(report, "page.html", 0, []))
    (tmp_path / "kaggle253.json").write_text(json.dumps(document))
    monkeypatch.setattr(figures, "measure", lambda *_: pytest.fail("measured again"))
    tmp_path.chmod(0o755)
    argv = ["figures", "--data", str(tmp_path), "--out", str(tmp_path), "kaggle253"]
    monkeypatch.setattr(sys, "argv", argv)
    figures.main()
    assert "done before" in capsys.readouterr().out
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "kaggle253.md").read_text().startswith("### kaggle253\n")


@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is absent")
def test_the_public_sets_are_read_as_they_lie() -> None:
    assert Counter(row["label"] for row in lgg55(DATA)) == {"no": 967, "yes": 675}
    assert Counter(row["label"] for row in ixi(DATA)) == {"no": 93, "yes": 93}
    assert len(kaggle253_without(DATA)) == 253 - 7
    assert all((DATA / each.folder).is_dir() for each in SETS.values())
