"""The site's key: one, private, never made anew behind the record's back."""

import os
import subprocess
import sys

import pytest
from sqlalchemy import Engine

from db.entities import Scan
from db.repository.intake.scans import register_scans
from mriad_model.enums import ScanKind
from mriad_model.errors import HomeError, SettingsError
from tasks.runtime.home import SITE_KEY, site_key
from tests.support.places import REPOSITORY
from tests.tasks.conftest import Bench


def name_a_patient(engine: Engine, run_id: int) -> None:
    scan = Scan("f00", ScanKind.DICOM, "pseudonym", None, None, None, "{}", 1, run_id, "noon")
    register_scans(engine, [(scan, [])])


def test_the_key_is_made_once_for_the_owner_alone(bench: Bench) -> None:
    before = os.umask(0)
    try:
        key = site_key(bench.home)
    finally:
        os.umask(before)
    assert len(key) == 32
    assert key != bytes(32)
    assert (bench.home / SITE_KEY).stat().st_mode & 0o777 == 0o600
    assert site_key(bench.home) == key
    assert not list(bench.home.glob(".*.tmp"))
    name_a_patient(bench.engine, bench.run_id)
    assert site_key(bench.home) == key


MAKER = """
import sys
from pathlib import Path
from tasks.runtime.home import site_key
print("ready", flush=True)
sys.stdin.readline()
print(site_key(Path(sys.argv[1])).hex())
"""


def test_processes_that_start_at_once_get_the_same_key(bench: Bench) -> None:
    several = [
        subprocess.Popen(
            [sys.executable, "-c", MAKER, str(bench.home)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in several:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in several:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=60)[0] for process in several}
    assert keys == {site_key(bench.home).hex() + "\n"}


def test_a_key_that_is_gone_is_not_made_anew_where_pseudonyms_stand(bench: Bench) -> None:
    site_key(bench.home)
    name_a_patient(bench.engine, bench.run_id)
    (bench.home / SITE_KEY).unlink()
    with pytest.raises(SettingsError, match=r"site\.key is gone.*restore it from a backup"):
        site_key(bench.home)
    assert not (bench.home / SITE_KEY).exists()


def test_a_key_that_others_can_read_is_refused(bench: Bench) -> None:
    site_key(bench.home)
    (bench.home / SITE_KEY).chmod(0o640)
    with pytest.raises(SettingsError, match="run chmod 600"):
        site_key(bench.home)


@pytest.mark.parametrize("content", [b"", b"0123\n", b"x" * 64, b"\xff" * 32, b"0" * 66])
def test_a_damaged_key_is_refused_and_kept(bench: Bench, content: bytes) -> None:
    path = bench.home / SITE_KEY
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SettingsError, match=r"site\.key is damaged.*restore it from a backup"):
        site_key(bench.home)
    assert path.read_bytes() == content


def test_a_link_that_leads_nowhere_is_one_plain_line(bench: Bench) -> None:
    (bench.home / SITE_KEY).symlink_to("secrets/gone")
    with pytest.raises(SettingsError, match="no such file or directory; mend it"):
        site_key(bench.home)


def test_a_folder_in_the_keys_place_is_refused(bench: Bench) -> None:
    (bench.home / SITE_KEY).mkdir(mode=0o700)
    with pytest.raises(SettingsError, match="damaged"):
        site_key(bench.home)


def test_a_full_disk_leaves_no_key(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mriad_model.files._sync", full)
    with pytest.raises(HomeError, match="the disk is full"):
        site_key(bench.home)
    monkeypatch.undo()
    assert not (bench.home / SITE_KEY).exists()
    assert len(site_key(bench.home)) == 32
