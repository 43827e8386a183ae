"""`mriad backup` and `mriad check` as users and scripts meet them."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from db.engine import chain_head as heads
from db.engine.connect import open_record
from flows.cli import main as cli
from flows.cli import options
from flows.cli.commands.maintenance_commands import (
    NOT_RECOMPUTED,
    NOTHING_TO_VERIFY,
    show_verify,
)
from mriad_model.enums import NOTICE
from mriad_model.errors import HomeError
from tasks.maintenance.verify_model import FROM_FILE
from tasks.maintenance.verify_report import ReplayReport
from tests.conftest import REPOSITORY
from tests.support.record.hand import Hand
from tests.support.record.kept import KeptHome, kept_home


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptHome]:
    made = kept_home(tmp_path / "home")
    yield made
    made.engine.dispose()


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def start(*_: object) -> Iterator[None]:
        raise HomeError("a server would be started")
        yield

    monkeypatch.setattr(options, "prefect_server", start)


@pytest.mark.usefixtures("_no_server")
def test_a_home_without_decisions_and_models_has_nothing_to_verify_and_starts_nothing(
    migrated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Path(shutil.copytree(migrated, tmp_path / "home"))
    verify = ("verify", "--all", "--home", home)
    status, out, _ = run(capsys, *verify)
    assert (status, out.splitlines()[0]) == (0, NOTHING_TO_VERIFY)
    status, out, _ = run(capsys, *verify, "--json")
    assert (status, json.loads(out)["checked"]) == (0, 0)
    Hand(open_record(home)).ready()  # a model without decisions: the next ones stand on it
    status, _, err = run(capsys, *verify)
    assert (status, err) == (1, "mriad: a server would be started\n")


def test_a_backup_says_where_it_is_and_what_it_holds(
    kept: KeptHome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    status, out, _ = run(capsys, "backup", copy, "--home", kept.home)
    assert status == 0
    assert f"{copy}: the record and models, verified: 5 scans, 3 decisions, 1 model." in out
    assert NOTICE in out
    assert f"Head of the record, to keep elsewhere: {heads.head(kept.engine)}" in out
    status, out, err = run(capsys, "backup", copy, "--home", kept.home, "--json")
    assert (status, out) == (1, "")
    assert err.count("\n") == 1
    assert "is there already" in err
    status, out, _ = run(capsys, "backup", tmp_path / "two", "--home", kept.home, "--json")
    told = json.loads(out)
    assert told["head"] == str(heads.head(kept.engine))
    assert (status, told["record"], told["models"], told["missing"]) == (0, "mriad.db", 1, [])


def test_a_backup_without_a_model_exits_1(
    kept: KeptHome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept.model_file.unlink()
    status, out, _ = run(capsys, "backup", tmp_path / "copy", "--home", kept.home)
    assert status == 1
    assert "Not in it: model 1 " in out


def test_a_check_exits_1_where_something_is_wrong_and_0_where_not(
    kept: KeptHome, capsys: pytest.CaptureFixture[str]
) -> None:
    (kept.home / "models" / "left.safetensors").touch(0o600)
    status, out, _ = run(capsys, "check", "--home", kept.home)
    assert status == 0
    assert "5 scans, 3 decisions, 3 heatmaps and 1 model checked" in out
    assert "nothing wrong." in out
    assert "models/left.safetensors" in out
    kept.heatmap_files[0].write_bytes(b"another")
    status, out, _ = run(capsys, "check", "--home", kept.home, "--json")
    told = json.loads(out)
    assert (status, told["ok"], told["checked"]["heatmaps"]) == (1, False, 3)
    assert [each["kind"] for each in told["problems"]] == ["changed_heatmap"]
    assert told["orphans"] == ["models/left.safetensors"]
    assert (told["unfinished_runs"], told["open_arrivals"]) == ([], [])
    assert run(capsys, "check", "--quick", "--home", kept.home)[0] == 0


def test_missing_heatmaps_alone_are_said_to_be_what_a_restored_backup_lacks(
    kept: KeptHome, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "missing: expected in a home that was restored from a backup"
    for path in kept.heatmap_files:
        path.unlink()
    status, out, _ = run(capsys, "check", "--home", kept.home)
    assert status == 1
    assert f"3 heatmaps are {told}" in out
    kept.model_file.unlink()
    assert told not in run(capsys, "check", "--home", kept.home)[1]


def test_a_kept_head_shows_what_was_put_back(
    kept: KeptHome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "check", "--home", kept.home)
    before = heads.head(kept.engine)
    assert f"Head of the record, to keep elsewhere: {before}\n" in out
    run(capsys, "backup", tmp_path / "copy", "--home", kept.home)
    kept.hand.label(1)
    after = heads.head(kept.engine)
    given = ("--since", before, "--since", after)
    status, out, _ = run(capsys, "check", "--quick", *given, "--home", kept.home)
    assert status == 0
    assert "The links continue all 2 heads given with --since." in out
    quick = ("check", "--quick", "--home", tmp_path / "copy", "--json")
    status, out, _ = run(capsys, *quick, "--since", before)
    told = json.loads(out)
    assert told["head_to_keep"] == str(before)
    assert before is not None
    assert told["head"]["sha256"] == before.sha256
    status, out, _ = run(capsys, *quick, *given)
    assert status == 1
    assert "other_record" in [each["kind"] for each in json.loads(out)["problems"]]
    status, out, err = run(capsys, "check", "--since", "12:ab", "--home", kept.home)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "'12:ab' is no head of a record" in err


def test_without_a_record_there_is_nothing_to_keep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (("check",), ("backup", tmp_path / "copy")):
        status, out, err = run(capsys, *arguments, "--home", tmp_path / "none")
        assert (status, out) == (1, "")
        assert "There is no record" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["check", "history", "backup", "up", "score"])
def test_a_record_that_is_lost_is_not_begun_anew(
    kept: KeptHome, capsys: pytest.CaptureFixture[str], command: str, tmp_path: Path
) -> None:
    for file in kept.home.glob("mriad.db*"):
        file.unlink()
    further = [tmp_path / "copy"] if command == "backup" else []
    status, out, err = run(capsys, command, *further, "--home", kept.home)
    assert (status, out) == (1, "")
    assert "mriad.db is empty or gone" in err
    assert "restore the record from a backup" in err
    assert not (kept.home / "mriad.db").exists()


def test_neither_loads_the_engine_or_networks_and_a_backup_no_migrations(
    kept: KeptHome, tmp_path: Path
) -> None:
    code = (
        "import sys; from flows.cli import main as cli\n"
        f"status = cli.main(['backup', {str(tmp_path / 'copy')!r}, '--home', {str(kept.home)!r}])\n"
        "assert 'alembic' not in sys.modules\n"
        f"status += cli.main(['check', '--home', {str(kept.home)!r}])\n"
        "print(status, sorted({'torch', 'prefect'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 []"


def test_what_was_not_recomputed_reads_as_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    report = ReplayReport(identical=1)
    report.leave("weights, standards and colour limits of models", FROM_FILE)
    report.leave("heatmaps", "they differ in their last bits, the scores do not", 2)
    show_verify(report, as_json=False)
    out = capsys.readouterr().out
    assert out.startswith("1 decision replayed: 1 identical")
    models = "weights, standards and colour limits of 1 model"
    assert NOT_RECOMPUTED.format(what=models, why=FROM_FILE) in out
    assert "Not recomputed: 2 heatmaps; they differ in their last bits" in out
