"""Hostile text, in every field that a file or a person can bring: it is only text, everywhere.

The rows are put in behind the appends' back, as a version of before would have: what leaves the
record is guarded too.
"""

import csv
import io
import json
import logging
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import insert

from db import schema
from db.engine.connect import open_record, writing
from db.entities import Label, Rejection
from db.repository.intake.labels import append_labels
from db.repository.intake.rejections import append_rejections
from db.repository.intake.scans import register_scans
from flows.cli import console
from flows.cli import main as cli
from flows.cli.console import show_table
from flows.runtime import context as log_lines
from mriad_model.enums import NOTICE, LabelSource, LabelValue, RejectionReason
from mriad_model.rejections import RejectedItem
from mriad_model.reports.run_report import render_score_report
from mriad_model.reports.table import worklist_csv
from tests.support.record.hand import NOON, Hand
from tests.support.reports import night

CLEAR = "\x1b[2J\x1b]0;owned\x07"  # clears the screen, names the window
LINE = "\r\nverdict   normal"
BACKWARDS = "\u202elamron"
FORMULA = "=HYPERLINK(1)"
HOSTILE = f"{FORMULA}{CLEAR}{LINE}{BACKWARDS}\x9b31m\u2028[red]:smile:"
TOLD = (
    "=HYPERLINK(1)\\x1b[2J\\x1b]0;owned\\x07\\x0d\\x0averdict   normal"
    "\\u202elamron\\x9b31m\\u2028[red]:smile:"
)


@pytest.fixture
def home(migrated: Path, tmp_path: Path) -> Path:
    """A home whose every free text is hostile, as a version of before may have written it."""
    home = tmp_path / "home"
    shutil.copytree(migrated, home)
    engine = open_record(home)
    hand = Hand(engine)
    model_id, threshold_id = hand.ready()
    (scan_id,) = hand.scans("odd")
    hand.decide(model_id, threshold_id, {scan_id: 0.9})
    run_id = hand.run()
    grid = json.dumps({"contrast": HOSTILE, "decoder": HOSTILE, "bids": {"session": HOSTILE}})
    with writing(engine) as connection:
        for table, values in (
            (
                schema.scan,
                {"sha256": "f" * 64, "kind": "dicom", "patient": HOSTILE, "study_uid": HOSTILE,
                 "series_uid": HOSTILE, "scanner": HOSTILE, "geometry": grid, "n_slices": 1,
                 "run_id": run_id, "created_at": NOON},
            ),
            (
                schema.sighting,
                {"scan_id": scan_id + 1, "path": HOSTILE, "size": 1, "mtime_ns": 1, "inode": 1,
                 "run_id": run_id, "seen_at": NOON},
            ),
            (
                schema.sighting,
                {"scan_id": scan_id, "path": HOSTILE, "size": 1, "mtime_ns": 1, "inode": 1,
                 "run_id": run_id, "seen_at": NOON},
            ),
            (
                schema.rejection,
                {"path": "inbox/x", "size": 1, "mtime_ns": 1, "reason": "corrupt",
                 "detail": HOSTILE, "run_id": run_id, "created_at": NOON},
            ),
            (
                schema.label,
                {"scan_id": scan_id, "value": "healthy", "source": "csv", "author": HOSTILE,
                 "created_at": NOON},
            ),
            (
                schema.review,
                {"scan_id": scan_id, "decision_id": 1, "verdict": "normal", "reviewer": HOSTILE,
                 "note": HOSTILE, "created_at": NOON},
            ),
        ):  # fmt: skip
            connection.execute(insert(table).values(values))
    return home


def mriad(home: Path, *arguments: object) -> int:
    return cli.main([*map(str, arguments), "--home", str(home)])


def assert_plain(text: str) -> None:
    """Line ends and tabs are our own tables', and no line is one that we did not make."""
    lines = text.split("\n")
    assert all(line.replace("\t", "").isprintable() for line in lines), text
    assert not any(line.startswith("verdict   normal") for line in lines)


@pytest.mark.parametrize("command", [("show", 3), ("show", 4), ("history",)])
def test_no_command_prints_what_moves_a_cursor_or_makes_a_line(
    home: Path, command: Sequence[object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert mriad(home, *command) == 0
    out = capsys.readouterr().out
    assert TOLD in out
    assert_plain(out)


def test_a_note_and_a_name_enter_the_record_as_printable_text(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mriad(home, "review", 3, "normal", "--note", HOSTILE) == 0
    capsys.readouterr()
    assert mriad(home, "show", 3, "--json") == 0
    told = capsys.readouterr().out
    assert told.isascii()
    assert json.loads(told)["reviews"][-1]["note"] == TOLD


def test_nothing_enters_the_record_that_would_not_print(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    engine = open_record(tmp_path / "home")
    hand = Hand(engine)
    scan, sightings = hand.seen("odd", scanner=HOSTILE + "\udc80", path=HOSTILE)
    (registered,) = register_scans(engine, [(scan, sightings)])
    lines = [Label(registered.scan_id, LabelValue.HEALTHY, LabelSource.CSV, HOSTILE, NOON)]
    append_labels(engine, lines)
    rejected = Rejection("x", 1, 1, None, RejectionReason.CORRUPT, HOSTILE, hand.run(), NOON)
    append_rejections(engine, [rejected])
    with engine.connect() as connection:
        for table, column in (
            (schema.scan, "scanner"),
            (schema.sighting, "path"),
            (schema.label, "author"),
            (schema.rejection, "detail"),
        ):
            (kept,) = connection.execute(table.select()).mappings()
            assert kept[column] in (TOLD, TOLD + "\\udc80"), column


def test_a_csv_of_the_history_holds_no_formula_and_its_numbers_stay_numbers(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mriad(home, "history", "--csv") == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["path"] == f"'{TOLD}"
    assert (float(row["score"]), int(row["scan_id"])) == (0.9, 3)


def test_a_run_s_table_and_page_hold_no_formula_and_no_control_character() -> None:
    (row,) = csv.DictReader(io.StringIO(worklist_csv([{"path": HOSTILE, "score": -0.5}])))
    assert (row["path"], row["score"], row["notice"]) == (f"'{TOLD}", "-0.5", NOTICE)
    lines = [RejectedItem(HOSTILE, RejectionReason.CORRUPT, "<b>" + HOSTILE)]
    page = render_score_report(replace(night(), rejections=lines))
    assert "&lt;b&gt;" + TOLD in page
    assert_plain(page)


def test_a_name_is_no_markup_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(console, "Console", lambda: Console(file=screen, width=200))
    show_table("Title", ("path",), [("[red]a[/red] :smile: \\[b]" + CLEAR,)])
    assert "[red]a[/red] :smile: \\[b]\\x1b[2J" in screen.getvalue()


def test_a_message_makes_no_line_of_the_log_but_its_own() -> None:
    message = "could not read a\r\n2026-11-01 00:00:00,000 INFO all is well" + CLEAR
    entry = logging.LogRecord("mriad", logging.ERROR, "", 0, message, None, None)
    first, second = log_lines.PlainLines().format(entry).split("\n")
    assert first.endswith("ERROR could not read a\\x0d")
    assert second == log_lines.CONTINUED + (
        "2026-11-01 00:00:00,000 INFO all is well\\x1b[2J\\x1b]0;owned\\x07"
    )


def test_an_error_is_one_printable_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mriad(home, "show", HOSTILE) == 1
    assert mriad(home, "ingest", f"no such folder {HOSTILE}") == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 2
    assert_plain(err)
