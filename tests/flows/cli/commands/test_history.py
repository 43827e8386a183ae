"""`mriad history`: what it lists, counts, refuses, and how it fits a terminal."""

import csv
import io
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from db.engine.connect import open_record
from db.entities import Rejection
from db.repository.intake.rejections import append_rejections
from db.repository.intake.scans import register_scans
from db.repository.scoring.decisions import ScoredScan, append_scored
from db.repository.training.models import activate
from db.timestamps import since, until
from flows.cli.commands.history import DATES
from flows.cli.documents.scans import COUNT_COLUMNS, HISTORY_COLUMNS
from mriad_model.enums import RejectionReason, Verdict
from tests.support.processes.commands import NOTICE, one_line, run
from tests.support.record.hand import Hand

PATIENT = "ab" * 16
STYLES = re.compile(r"\x1b\[[0-9;]*m")
LONG = "inbox/" + "a folder with a long name/" * 4


@pytest.fixture
def home(migrated: Path, tmp_path: Path) -> Iterator[Path]:
    """A record with three decisions, of two scanners and days; one is by a threshold of before."""
    place = tmp_path / "home"
    shutil.copytree(migrated, place)
    engine = open_record(place)
    hand = Hand(engine)
    model_id, threshold_id = hand.ready()
    seen = [
        (replace(scan, patient=PATIENT, scanner=scanner), files)
        for (scan, files), scanner in (
            (hand.seen("a", path=f"{LONG}a.png"), "=SIEMENS Skyra"),
            (hand.seen("b", path=f"{LONG}b.png"), "GE Signa"),
        )
    ]
    a, b = (each.scan_id for each in register_scans(engine, seen))
    hand.decide(model_id, threshold_id, {a: 0.9}, "2026-11-01T06:00:00.000000+00:00")
    hand.decide(model_id, threshold_id, {b: 0.2}, "2026-11-02T06:00:00.000000+00:00")
    later = hand.threshold(model_id, 1, k=2.0)
    activate(engine, later, "stricter", "me")
    hand.decide(model_id, later, {a: 0.9}, "2026-11-03T06:00:00.000000+00:00", line=1.0)
    engine.dispose()
    return place


def scans_in(out: str) -> list[str]:
    return [Path(line["path"]).name for line in json.loads(out)["decisions"]]


@pytest.mark.parametrize(
    ("options", "listed"),
    [
        ([], ["a.png", "b.png", "a.png"]),
        (["--patient", f" {PATIENT.upper()}"], ["a.png", "b.png", "a.png"]),
        (["--patient", "ab" * 15], []),
        (["--min-score", "0.5", "--sort", "oldest"], ["a.png", "a.png"]),
        (["--max-p", "0.2"], []),
        (["--scanner", "skyra", "--active"], ["a.png"]),
        (["--sort", "score", "--limit", "1"], ["a.png"]),
        (["--unreviewed", "--until", "2026-11-02"], ["b.png", "a.png"]),
        (["--reviewer", "Ann"], []),
    ],
)
def test_filters_and_orders_can_be_mixed(
    home: Path, options: list[str], listed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, "history", *options, "--home", home, "--json")
    assert status == 0, err
    assert scans_in(out) == listed


def test_after_a_rollback_it_says_which_decision_counts_now(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = open_record(home)
    activate(engine, 1, "roll back", "me")
    engine.dispose()
    _, out, _ = run(capsys, "history", "--json", "--home", home)
    lines = json.loads(out)["decisions"]
    assert [(each["threshold_id"], each["active"]) for each in lines] == [
        (2, False),
        (1, True),
        (1, True),
    ]
    scan = str(lines[0]["scan_id"])
    _, out, _ = run(capsys, "history", "--csv", "--home", home)
    assert [each["active"] for each in csv.DictReader(io.StringIO(out))] == ["no", "yes", "yes"]
    _, out, _ = run(capsys, "history", "--home", home)
    assert [line.split("\t")[-1] for line in out.splitlines()[:4]] == ["active", "no", "yes", "yes"]
    _, out, _ = run(capsys, "show", scan, "--json", "--home", home)
    assert [each["active"] for each in json.loads(out)["decisions"]] == [True, False]
    _, out, _ = run(capsys, "show", scan, "--home", home)
    decided = out.partition("Decisions:")[2].splitlines()[1:4]
    assert [line.split("\t")[-1] for line in decided] == ["active", "yes", "no"]


@pytest.mark.parametrize("bound", [since, until])
def test_every_form_of_a_date_that_the_help_names_is_taken(bound: Callable[[str], str]) -> None:
    forms = DATES.replace("or how long ago: ", "").split(", ")
    assert len([bound(each) for each in forms]) == len(forms) == 8


def test_the_help_of_both_bounds_names_the_forms(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "history", "--help")
    words = " ".join(out.split())
    assert words.count("2026-W48") == words.count("7d, 2w") == 2


def test_a_scanner_that_is_not_in_the_record_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, "history", "--scanner", "skira", "--home", home)
    assert (status, out) == (1, "")
    assert "'skira' in its name; there are: =SIEMENS Skyra, GE Signa" in one_line(err)


def test_decisions_are_counted_whatever_the_limit(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counted = ("history", "--count-by", "scanner", "--limit", "1", "--home", home)
    status, out, err = run(capsys, *counted, "--json")
    assert status == 0
    assert "2 decisions counted by thresholds that are not active: threshold 2" in one_line(err)
    document = json.loads(out)
    assert document["count_by"] == "scanner"
    assert [(row["scanner"], row["decisions"]) for row in document["counts"]] == [
        ("=SIEMENS Skyra", 2),
        ("GE Signa", 1),
    ]
    _, out, _ = run(capsys, *counted, "--csv")
    assert out.splitlines() == [
        ",".join(("scanner", *COUNT_COLUMNS)),
        "'=SIEMENS Skyra,2,1,0,0,1,0",
        "GE Signa,1,0,0,0,1,0",
    ]
    _, out, _ = run(capsys, "history", "--count-by", "day", "--active", "--home", home)
    assert out.splitlines()[1] == "2026-11-03\t1\t0\t0\t0\t1\t0"
    assert NOTICE in out


def test_the_csv_has_every_column_and_no_cell_that_a_spreadsheet_runs(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "history", "--csv", "--home", home)
    lines = list(csv.DictReader(io.StringIO(out)))
    assert status == 0
    assert tuple(lines[0]) == HISTORY_COLUMNS
    assert {line["scanner"] for line in lines} == {"'=SIEMENS Skyra", "GE Signa"}
    assert {line["patient"] for line in lines} == {PATIENT}


def test_the_csv_leaves_out_the_figures_of_what_is_not_scorable_and_json_keeps_them(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = open_record(home)
    hand = Hand(engine)
    (blank,) = hand.scans("blank")
    row = ScoredScan(blank, 9.5, (9.5,), (), Verdict.NOT_SCORABLE, 0.125)
    append_scored(engine, 1, 2, [row], hand.run(), "2026-11-04T06:00:00.000000+00:00")
    engine.dispose()
    listed = ("history", "--verdict", "not_scorable", "--home", home)
    (line,) = csv.DictReader(io.StringIO(run(capsys, *listed, "--csv")[1]))
    assert (line["score"], line["p_value"], line["threshold"]) == ("", "", "0.5")
    (kept,) = json.loads(run(capsys, *listed, "--json")[1])["decisions"]
    assert (kept["score"], kept["p_value"]) == (9.5, 0.125)
    _, out, _ = run(capsys, "history", "--verdict", "normal", "--csv", "--home", home)
    assert all(each["score"] for each in csv.DictReader(io.StringIO(out)))


@pytest.mark.parametrize("width", [80, 100, 240])
def test_a_terminals_width_is_kept_and_no_file_name_is_cut(
    home: Path, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    status, out, _ = run(capsys, "history", "--home", home)
    table = STYLES.sub("", out).partition(NOTICE)[0]
    assert status == 0
    assert max(map(len, table.splitlines())) <= width
    letters = "".join(table.split())
    assert "suspicious" in letters
    assert ("Toonarrowfor" in letters) == (width < 200)
    assert "2026-11-03 06:00:00" in table
    assert {"active", "yes", "no"} <= set(table.split())
    if width > 200:
        assert f"{LONG}a.png" in table
        assert {"why", "limit", "threshold", "model", "decision"} <= set(table.split())


def test_scans_that_have_no_score_are_listed_and_counted_as_not_scorable(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = open_record(home)
    hand = Hand(engine)
    hand.scans("c")
    moment = "2026-11-02T12:00:00.000000+00:00"
    failed = RejectionReason.UNREGISTERED
    row = Rejection("inbox/c.png", 10, 20, None, failed, "fit 0.2", hand.run(), moment, 40)
    append_rejections(engine, [row])
    engine.dispose()
    _, out, _ = run(capsys, "history", "--home", home)
    lines = [line.split("\t") for line in out.splitlines()[1:-1]]
    assert lines[1][2] == "not scorable"
    assert lines[1][3] == "registration failed"
    assert lines[1][5:8] == ["-", "-", "-"]
    _, out, err = run(capsys, "history", "--limit", "2", "--json", "--home", home)
    document = json.loads(out)
    listed = [len(document[key]) for key in ("decisions", "without_score")]
    assert (listed, document["more"]) == ([1, 1], 2)
    assert "2 of 4 listed: 2 more" in one_line(err)
    oldest = ("history", "--sort", "oldest", "--limit", "1", "--json", "--home", home)
    assert json.loads(run(capsys, *oldest)[1])["without_score"] == []
    _, out, err = run(capsys, "history", "--limit", "4", "--home", home)
    assert len(out.splitlines()) == 6
    assert "more" not in err
    _, out, _ = run(capsys, "history", "--csv", "--verdict", "not_scorable", "--home", home)
    (line,) = csv.DictReader(io.StringIO(out))
    assert (line["path"], line["decision_id"]) == ("inbox/c.png", "")
    _, out, _ = run(capsys, "history", "--json", "--home", home)
    (told,) = json.loads(out)["without_score"]
    assert (told["verdict"], told["reason"]) == ("not_scorable", "registration_failed")
    assert (told["detail"], told["other_decision"]) == ("fit 0.2", None)
    _, out, _ = run(capsys, "history", "--json", "--count-by", "reason", "--home", home)
    counts = {each["reason"]: each["not_scorable"] for each in json.loads(out)["counts"]}
    assert counts["registration_failed"] == 1
    _, out, _ = run(capsys, "history", "--count-by", "reason", "--home", home)
    assert "registration failed\t1\t" in out
    _, out, _ = run(capsys, "history", "--count-by", "verdict", "--home", home)
    assert "not scorable\t1\t" in out
    _, out, _ = run(capsys, "show", "inbox/c.png", "--home", home)
    assert "Not scorable: registration failed: fit 0.2" in out
    assert "Rejected beside it" not in out
    for command in (["verify", "inbox/c.png"], ["review", "inbox/c.png", "normal"]):
        status, _, err = run(capsys, *command, "--home", home)
        assert status == 1
        assert "it is not scorable: registration failed: fit 0.2" in err
    assert "-\t2026-11-02 12:00:00\tnot scorable\tregistration failed" in out


def test_without_decisions_it_says_what_makes_some(
    migrated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Path(shutil.copytree(migrated, tmp_path / "home"))
    for options in ([], ["--verdict", "suspicious"], ["--count-by", "day"]):
        status, out, _ = run(capsys, "history", *options, "--home", home)
        assert (status, len(out.splitlines())) == (0, 2)
        assert "No decisions yet." in out
        assert "mriad score" in out
    assert json.loads(run(capsys, "history", "--json", "--home", home)[1])["decisions"] == []
    assert run(capsys, "history", "--csv", "--home", home)[1].splitlines() == [
        ",".join(HISTORY_COLUMNS)
    ]


def test_where_no_decision_is_as_asked_for_it_says_so(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in (["--max-p", "0.01"], ["--verdict", "uncertain", "--count-by", "day"]):
        _, out, _ = run(capsys, "history", *options, "--home", home)
        assert out.splitlines()[0].startswith("No decision is like that.")
