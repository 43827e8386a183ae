"""`mriad pseudonym`: a patient's pseudonym, without the id in a shell's history."""

import io
import json
import sys
from pathlib import Path

import pytest

from mriad_model.pseudonyms import pseudonym
from tasks.runtime.home import site_key
from tests.support.processes.commands import one_line, run

PATIENT = "MRN-0042"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a key."""
    from db.engine.connect import open_record

    open_record(tmp_path).dispose()
    site_key(tmp_path)
    return tmp_path


@pytest.mark.parametrize("arguments", [[PATIENT], ["-"], []])
def test_the_id_is_an_argument_or_read_from_the_input(
    home: Path,
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PATIENT}\r\nanother\n"))
    status, out, err = run(capsys, "pseudonym", *arguments, "--home", home)
    assert (status, err) == (0, "")
    assert out.strip() == pseudonym(site_key(home), PATIENT)
    monkeypatch.setattr(sys, "stdin", io.StringIO(PATIENT))
    _, out, _ = run(capsys, "pseudonym", *arguments, "--home", home, "--json")
    assert json.loads(out)["pseudonym"] == pseudonym(site_key(home), PATIENT)
    assert PATIENT not in out


def test_an_empty_id_has_no_pseudonym(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    status, out, err = run(capsys, "pseudonym", "--home", home)
    assert (status, out) == (2, "")
    assert "empty patient id" in one_line(err)


def test_without_a_key_none_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "pseudonym", PATIENT, "--home", tmp_path / "home")
    assert (status, out) == (1, "")
    assert "the key is made when the first scan" in one_line(err)
    assert not (tmp_path / "home").exists()


def test_a_pseudonym_shows_the_patients_newest_scan_and_names_the_others(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    from db.engine.connect import open_record
    from db.repository.intake.scans import register_scans
    from tests.support.record.hand import Hand

    hand = Hand(open_record(home))
    name = "ab" * 16
    seen = [(replace(hand.seen(each)[0], patient=name), hand.seen(each)[1]) for each in "ab"]
    a, b = (each.scan_id for each in register_scans(hand.engine, seen))
    hand.engine.dispose()
    status, out, _ = run(capsys, "show", name, "--home", home, "--json")
    document = json.loads(out)
    assert status == 0
    assert document["scan"]["id"] == b
    assert [each["id"] for each in document["patient_scans"]] == [b, a]
    _, out, _ = run(capsys, "show", a, "--home", home)
    assert "Scans of this patient" in out
    status, _, err = run(capsys, "show", "cd" * 16, "--home", home)
    assert status == 1
    assert "There is no scan" in one_line(err)
