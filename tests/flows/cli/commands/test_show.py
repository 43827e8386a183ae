"""What `mriad show` tells of a scan, with rows put into the record as a scoring run does."""

import hashlib
import io
import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from db.engine.connect import open_record
from db.entities import FindingLimit, Label, Model, Rejection, Run, Scan, Sighting, Threshold
from db.repository.intake.labels import append_labels
from db.repository.intake.rejections import append_rejections
from db.repository.intake.scans import register_scans
from db.repository.runs import start_run
from db.repository.scoring.decisions import FoundPart, HeatmapFile, ScoredScan, append_scored
from db.repository.scoring.findings import append_finding_limit
from db.repository.training.models import append_model, append_threshold, freeze_dataset
from flows.cli import main as cli
from flows.cli.commands.show import NOT_SCORED, SLICES
from flows.cli.console import sparkline
from mriad_model.enums import (
    DecisionReason,
    HeatmapKind,
    LabelSource,
    LabelValue,
    Policy,
    RejectionReason,
    Role,
    ScanKind,
    Side,
    Verdict,
)

NOON = "2026-11-23T12:00:00.000000+00:00"
UID = "1.2.840.99.7"
GRID = {
    "shape": [24, 256, 240],
    "spacing": [0.9, 0.9, 5.0],
    "affine": [-0.9, 0, 0, 100, 0, -0.9, 0, 120, 0, 0, 5.0, -60, 0, 0, 0, 1],
    "bits": 16,
    "contrast": "T1w",
    "decoder": "native",
    "files": 24,
}
JUDGED = range(4, 20)
RECIPE = {"name": "volume", "volumes": {"slicing": {"plane": "axial"}}}
Answer = tuple[int, str, str]


@dataclass(frozen=True)
class Shown:
    """A home with a scored series, and its scan's id."""

    home: Path
    scan_id: int
    sha256: str


def kept(home: Path, name: str, data: bytes, kind: HeatmapKind) -> HeatmapFile:
    path = home / "heatmaps" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return HeatmapFile(kind, 0, f"heatmaps/{name}", hashlib.sha256(data).hexdigest())


@pytest.fixture
def shown(migrated: Path, tmp_path: Path) -> Shown:
    home = tmp_path / "home"
    shutil.copytree(migrated, home)
    engine = open_record(home)
    run = start_run(
        engine, Run("score_new_scans", "a", "0.1.0", None, '{"numpy": "2"}', "cpu", NOON)
    )
    sha256 = hashlib.sha256(b"voxels").hexdigest()
    series = Scan(
        sha256, ScanKind.DICOM, "0f" * 16, "1.2.840.99", UID, "GE Signa 3T",
        json.dumps(GRID), 24, run, NOON,
    )  # fmt: skip
    files = [Sighting(0, f"inbox/s/{n:02d}.dcm", 1000, n, n, run, NOON) for n in range(24)]
    others = [(replace(series, sha256=f"{n}" * 64, series_uid=f"1.{n}"), []) for n in range(2)]
    ids = [each.scan_id for each in register_scans(engine, [(series, files), *others])]
    dataset = freeze_dataset(engine, [(ids[1], Role.TRAIN, 1), (ids[2], Role.CALIBRATION, 2)], run)
    model = append_model(
        engine, Model("f00", "models/f00", json.dumps(RECIPE), dataset, "{}", run, NOON)
    )
    threshold = append_threshold(
        engine, Threshold(model, dataset, Policy.SIGMAS, 1.0, 0.5, 9, 1.0, 1.5, run, NOON)
    )
    values = [1.0 + (n == 11) + n / 100 for n in JUDGED]
    maps = [
        kept(home, "s.jpg", b"montage", HeatmapKind.MONTAGE),
        kept(home, "s.nii.gz", b"volume", HeatmapKind.VOLUME),
        kept(home, "s.dcm", b"segmentation", HeatmapKind.SEGMENTATION),
    ]
    (home / "heatmaps" / "s.nii.gz").write_bytes(b"another")
    (home / "heatmaps" / "s.dcm").unlink()
    row = ScoredScan(
        ids[0],
        2.11,
        values,
        maps,
        Verdict.SUSPICIOUS,
        0.1,
        positions=tuple(JUDGED),
        reason=DecisionReason.ABOVE_THRESHOLD,
    )
    append_scored(engine, model, threshold, [row], run, NOON)
    label = Label(ids[0], LabelValue.ABNORMAL, LabelSource.REVIEWER, "Dr Ito", NOON)
    append_labels(engine, [label])
    rejections = [
        Rejection(f"inbox/s/note {n}.txt", 1, 2, None, RejectionReason.EMPTY, "", run, NOON)
        for n in range(25)
    ]
    append_rejections(engine, rejections)
    engine.dispose()
    return Shown(home, ids[0], sha256)


def show(capsys: pytest.CaptureFixture[str], shown: Shown, *arguments: object) -> Answer:
    given = [str(each) for each in ("show", *arguments, "--home", shown.home)]
    status = cli.main(given)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def _mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.umask", lambda _: 0o022)


pytestmark = pytest.mark.usefixtures("_mask")


def test_a_series_is_told_line_by_line(capsys: pytest.CaptureFixture[str], shown: Shown) -> None:
    status, out, err = show(capsys, shown, shown.scan_id)
    assert status == 0, err
    for line in (
        "scan         1, dicom",
        "size         240 x 256 x 24 voxels (columns, rows, slices), 16 bit",
        "spacing      0.9 x 0.9 x 5 mm",
        "orientation  axial slices; axes run to the left, back, head (LPS)",
        "contrast     T1w",
        f"patient      {'0f' * 16} (pseudonym)",
        f"series UID   {UID}",
        "scanner      GE Signa 3T",
        "inbox/s/\t24\t24000\t2026-11-23 12:00:00",
        "abnormal\treviewer\tDr Ito\t2026-11-23 12:00:00\t",
        "2.11\t-\t-\t1\tvolume\t2026-11-23 12:00:00",
        SLICES.format(plane="axial", model=1, n=16, others=NOT_SCORED.format(n=8)),
        "montage\t1\theatmaps/s.jpg\tas recorded",
        "volume\t1\theatmaps/s.nii.gz\tchanged",
        "segmentation\t1\theatmaps/s.dcm\tmissing",
        "and 5 more",
    ):
        assert line in out.splitlines()
    assert "  highest: slice 12 (2.11), slice 20 (1.19), slice 19 (1.18)" in out
    (line,) = [line for line in out.splitlines() if line.startswith("  1 ")]
    drawn = line.split()[1]
    assert (len(drawn), drawn.count(".")) == (24, 8)
    assert drawn[11] == max(drawn)
    assert out.count("inbox/s/note") == 20
    assert "suspicious\tabove threshold\t2.11\t1.5\t0.1" in out
    assert "Reviews" not in out
    assert "Not a medical device" in out


def test_the_document_holds_objects_where_rows_hold_json(
    capsys: pytest.CaptureFixture[str], shown: Shown
) -> None:
    status, out, err = show(capsys, shown, shown.scan_id, "--json")
    assert status == 0, err
    found = json.loads(out)
    assert found["scan"]["geometry"] == GRID
    assert found["run"]["libraries"] == {"numpy": "2"}
    (score,) = found["scores"]
    assert score["model"]["recipe"] == RECIPE
    assert score["positions"] == list(JUDGED)
    assert (len(score["slice_values"]), score["n_slices"]) == (16, 24)
    assert [each["file"] for each in score["heatmaps"]] == ["as recorded", "changed", "missing"]
    assert len(found["sightings"]) == 24
    assert (found["beside"]["total"], len(found["beside"]["rejections"])) == (25, 20)


def test_a_scan_goes_by_id_path_folder_hash_and_series_uid(
    capsys: pytest.CaptureFixture[str], shown: Shown
) -> None:
    names = (
        shown.scan_id, "inbox/s/07.dcm", shown.home / "inbox/s/07.dcm", shown.sha256[:8], UID,
        "inbox/s", shown.home / "inbox/s/",
    )  # fmt: skip
    for name in names:
        status, out, err = show(capsys, shown, name, "--json")
        assert status == 0, err
        assert json.loads(out)["scan"]["sha256"] == shown.sha256


def test_what_is_not_there_is_said_as_it_was_asked(
    capsys: pytest.CaptureFixture[str], shown: Shown
) -> None:
    for name in (shown.home / "inbox/s/99.dcm", "1.2.840.99", "inbox"):
        status, _, err = show(capsys, shown, name)
        assert status == cli.FAILURE
        assert f"no scan {name} in the record" in err


def test_a_series_of_several_scans_is_named_with_their_ids(
    capsys: pytest.CaptureFixture[str], shown: Shown
) -> None:
    engine = open_record(shown.home)
    scan = Scan("ab" * 32, ScanKind.DICOM, None, None, UID, None, "{}", 3, 1, NOON)
    (other,) = register_scans(engine, [(scan, [])])
    engine.dispose()
    status, _, err = show(capsys, shown, UID)
    assert status == cli.FAILURE
    assert f"name one of them by id: {shown.scan_id}, {other.scan_id}" in err


def test_on_a_terminal_it_is_drawn_as_tables(
    capsys: pytest.CaptureFixture[str], shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    status, out, err = show(capsys, shown, shown.scan_id)
    assert status == 0, err
    assert "Maps" in out
    assert re.search(r"^montage +1 +heatmaps", out, re.MULTILINE)
    assert "\t" not in out


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ""),
        ([None, 0.0, 1.0, None], ".▁█."),
        ([3.0, 3.0], "▁▁"),
        ([None, None], ".."),
        ([float(n) for n in range(8)], "▁▂▃▄▅▆▇█"),
    ],
)
def test_a_line_of_marks_shows_which_slices_are_high(
    values: list[float | None], expected: str
) -> None:
    assert sparkline(values) == expected


def test_many_slices_share_marks_and_the_highest_is_seen() -> None:
    values: list[float | None] = [0.0] * 1000
    values[700] = 1.0
    drawn = sparkline(values)
    assert len(drawn) <= 64
    assert drawn.count("█") == 1


def test_where_letters_have_no_blocks_digits_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    assert sparkline([0.0, None, 1.0]) == "0.7"


@pytest.mark.parametrize(
    ("kind", "whose"), [(ScanKind.IMAGE, "picture"), (ScanKind.NIFTI, "patient")]
)
def test_a_finding_says_whose_side_it_has(
    capsys: pytest.CaptureFixture[str], shown: Shown, kind: ScanKind, whose: str
) -> None:
    scan_id = another(shown, kind, Verdict.SUSPICIOUS, DecisionReason.ABOVE_THRESHOLD)
    _, out, _ = show(capsys, shown, scan_id)
    assert f"\t{whose}'s left\t" in out
    _, out, _ = show(capsys, shown, scan_id, "--json")
    (score,) = json.loads(out)["scores"]
    assert score["scorable"]
    (finding,) = score["findings"]
    assert (finding["side"], finding["side_of"]) == ("left", whose)


def test_what_is_not_scorable_shows_no_score_and_no_findings(
    capsys: pytest.CaptureFixture[str], shown: Shown
) -> None:
    scan_id = another(
        shown, ScanKind.NIFTI, Verdict.NOT_SCORABLE, DecisionReason.NEEDS_LOCAL_HEALTHY, gate=1.3
    )
    status, out, err = show(capsys, shown, scan_id)
    assert status == 0, err
    assert "Not scorable under model 1: a head as another scanner or protocol shows it" in out
    assert "Its score and findings are not to be read." in out
    assert "\n-\t-\t1.3\t1\tvolume\t" in out
    assert "train on 10 to 20 of them (distance to the learned scans 1.3, limit 1)" in out
    assert "7.25" not in out
    assert "Findings under" not in out
    assert "slices under model" not in out
    _, out, _ = show(capsys, shown, scan_id, "--json")
    assert [each["scorable"] for each in json.loads(out)["scores"]] == [False]


def test_why_a_scan_is_uncertain_is_said_in_plain_words(
    capsys: pytest.CaptureFixture[str], shown: Shown
) -> None:
    scan_id = another(shown, ScanKind.NIFTI, Verdict.UNCERTAIN, DecisionReason.FOLDS_DISAGREE)
    _, out, _ = show(capsys, shown, scan_id)
    assert "\tuncertain\tmodel's members disagree\t" in out
    assert "Uncertain by threshold 1: the members of the model disagree: their scores lie" in out
    assert (
        "(standard deviation of the members' scores 6.5, distance from the threshold 5.75)" in out
    )
    assert "\n7.25\t6.5\t0.4\t1\tvolume\t" in out
    assert "folds" not in out
    _, out, _ = show(capsys, shown, scan_id, "--json")
    assert json.loads(out)["decisions"][0]["reason"] == "folds_disagree"
    _, out, _ = show(capsys, shown, shown.scan_id)
    assert "Uncertain" not in out


def another(
    shown: Shown, kind: ScanKind, verdict: Verdict, reason: DecisionReason, gate: float = 0.4
) -> int:
    """A second scan of the record, with a finding, decided so."""
    engine = open_record(shown.home)
    scan = Scan("ab" * 32, kind, None, None, None, None, json.dumps(GRID), 24, 1, NOON)
    seen = Sighting(0, "inbox/b", 1000, 1, 99, 1, NOON, ctime_ns=1)
    (found,) = register_scans(engine, [(scan, [seen])])
    append_finding_limit(engine, FindingLimit(1, 5.0, 3.5, 0.15, 12, 0.9, 1, NOON))
    row = ScoredScan(
        found.scan_id,
        7.25,
        [7.25] * len(JUDGED),
        [kept(shown.home, "b.jpg", b"montage", HeatmapKind.MONTAGE)],
        verdict,
        0.1,
        positions=tuple(JUDGED),
        reason=reason,
        findings=[FoundPart(0.5, 7.5, (1.0, 2.0, 3.0), Side.LEFT)],
        spread=6.5,
        gate=gate,
    )
    append_scored(engine, 1, 1, [row], 1, NOON)
    engine.dispose()
    return found.scan_id
