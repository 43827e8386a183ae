"""The command line as users and scripts meet it."""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from db.engine.connect import open_record
from db.repository.runs import newest_runs
from flows.cli import main as cli
from flows.cli.main import UNKNOWN_SETTING
from mriad_model.enums import RunStatus
from tests.conftest import REPOSITORY
from tests.support.processes.commands import apart, one_line, run
from tests.support.processes.prefect_database import put_database

GROUP = typer.main.get_command(cli.app)


COMMANDS = sorted(GROUP.commands)  # type: ignore[attr-defined]


CAP_DAC_OVERRIDE = 1


PR_CAPBSET_DROP = 24


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_stands_in_the_readme(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, command, "--help")
    assert status == 0
    assert f"mriad {command}" in out
    assert "--json" in out
    assert GROUP.commands[command].help  # type: ignore[attr-defined]
    assert f"mriad {command}" in (REPOSITORY / "README.md").read_text()


def test_without_arguments_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys)
    assert status == 0
    assert all(command in out for command in COMMANDS)
    assert "not for diagnosis" in " ".join(out.split())


def test_the_version_is_the_installed_packages(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "--version")
    assert (status, out, err) == (0, f"mriad {version('mriad')}\n", "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("mriad his", "history"),
        ("mriad history --unrev", "--unreviewed"),
        ("mriad history --verdict sus", "suspicious"),
    ],
)
def test_a_shell_completes_commands_options_and_words(words: str, expected: str) -> None:
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = apart(env={**os.environ, **asked, "_MRIAD_COMPLETE": "complete_bash"})
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, [expected], "")


@pytest.mark.parametrize("package", ["mriad_model", "db", "tasks", "flows"])
def test_the_packages_imported_are_this_checkouts(package: str) -> None:
    """The names are generic: another project's `tasks` must not be picked up."""
    module = __import__(package)
    assert Path(str(module.__file__)).parent == REPOSITORY / package


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("db.repository.reports.history", {"torch", "prefect", "numpy", "alembic"}),
        ("flows.cli.main", {"torch", "prefect", "cv2", "sqlalchemy", "pydantic", "rich"}),
        ("flows.cli.commands.history", {"torch", "prefect", "cv2", "matplotlib"}),
        ("flows.cli.commands.flow_commands", {"torch", "prefect", "cv2", "matplotlib"}),
        ("flows.service.pages, web.app", {"torch", "prefect", "cv2", "scipy", "alembic", "pebble"}),
    ],
)
def test_a_history_query_and_the_pages_load_nothing_heavy(module: str, heavy: set[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["score", "--nonsense"],
        ["history", "--limit", "0"],
        ["history", "--limit", "many"],
        ["ingest"],
        ["ingest", "/nowhere/at/all"],
        ["score", "/nowhere/at/all"],
        ["evaluate", "/nowhere/at/all"],
        ["recalibrate", "--sigmas", "1", "--quantile", "0.9"],
        ["verify"],
        ["verify", "1", "--all"],
        ["activate", "99999999999999999999"],
        ["history", "--limit", "99999999999999999999"],
        ["history", "--model", "99999999999999999999"],
        ["recalibrate", "--rate", "0.1", "--quantile", "0.9"],
        ["train", "--rate", "0.1", "--sigmas", "1"],
        ["train", "--rate", "1"],
        ["recalibrate", "--sigmas", "nan"],
        ["recalibrate", "--sigmas", "-1"],
        ["recalibrate", "--sigmas", "1e308", "--dry-run"],
        ["ingest", str(REPOSITORY), "--labels", "/nowhere/at/all.csv"],
        ["train", "--recipe", "nonsense"],
        ["draw", "heads", "--healthy", "0", "--lesions", "0"],
    ],
)
def test_misuse_is_one_plain_line_and_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    home = ["--home", str(tmp_path / "home")] if len(arguments) > 1 else []
    status, out, err = run(capsys, *arguments, *home)
    lines = [line for line in err.splitlines() if "starting a temporary one" not in line]
    assert status == 2
    assert out == ""
    one_line("\n".join(lines))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["ingest", "scans", "--label", "healthi"],
            "mriad: Invalid value for '--label': 'healthi' is not one of 'healthy', 'abnormal'. "
            "See: mriad ingest --help\n",
        ),
        (
            ["score", "A", "B"],
            "mriad: Got unexpected extra argument(s) (B): give one folder. "
            "See: mriad score --help\n",
        ),
        (["ingest"], "mriad: Missing argument 'PATH'. See: mriad ingest --help\n"),
        (
            ["activate", "nine"],
            "mriad: threshold takes a whole number, not 'nine'. See: mriad activate --help\n",
        ),
        (
            ["history", "--model", "1.5"],
            "mriad: --model takes a whole number, not '1.5'. See: mriad history --help\n",
        ),
        (
            ["history", "--min-score", "high"],
            "mriad: --min-score takes a number, not 'high'. See: mriad history --help\n",
        ),
        (
            ["history", "--limit", "0"],
            "mriad: --limit takes 1 or more, not '0'. See: mriad history --help\n",
        ),
        (["nonsense"], "mriad: No such command 'nonsense'. See: mriad --help\n"),
    ],
)
def test_misuse_says_whose_help_to_read(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, *arguments) == (2, "", told)


def test_a_bad_setting_names_its_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRIAD_CHUNK_SIZE", "0")
    status, _, err = run(capsys, "history")
    assert status == 2
    assert one_line(err).startswith("mriad: MRIAD_CHUNK_SIZE takes 1 or more, not '0'")
    monkeypatch.delenv("MRIAD_CHUNK_SIZE")
    monkeypatch.setenv("MRIAD_QUIET_SECONDS", "abc")
    _, _, err = run(capsys, "history")
    assert "MRIAD_QUIET_SECONDS (or --quiet) takes a number, not 'abc'" in err


def test_a_variable_that_is_no_setting_is_named_by_every_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MRIAD_SIGMA", "3")
    for command in ("history", "train", "backup"):
        place = [tmp_path / "copy"] if command == "backup" else []
        status, _, err = run(capsys, command, *place, "--home", tmp_path / "none")
        assert status != 0
        assert UNKNOWN_SETTING.format(name="MRIAD_SIGMA") in err


def test_a_read_only_home_is_one_line(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o500)

    def obey_permissions() -> None:  # root would write all the same
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)

    done = apart("ingest", REPOSITORY / "db", "--home", home, preexec_fn=obey_permissions)
    assert done.returncode == 1
    assert str(home) in one_line(done.stderr)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("command", ["train", "retrain", "recalibrate", "score", "report", "web"])
def test_what_needs_a_home_makes_none_of_a_misspelt_name(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scans").mkdir()
    for place in (tmp_path / "hoem", tmp_path / "scans"):  # also a folder that is no home
        status, _, err = run(capsys, command, "--home", place)
        assert status == 2
        assert f"{place}: no home there; name one with --home or MRIAD_HOME." in one_line(err)
    assert [*tmp_path.rglob("*")] == [tmp_path / "scans"]


@pytest.mark.parametrize(("sign", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_command_says_so_and_leaves_no_server(
    sign: signal.Signals, status: int, few_heads: Path, prefect_database: Path, tmp_path: Path
) -> None:
    """As from a terminal or a service manager: the whole process group gets the signal."""
    home = tmp_path / "home"
    command = [sys.executable, "-m", "flows.cli.main", "train", "--home", str(home)]
    shutil.copytree(few_heads / "no", home / "healthy")
    put_database(prefect_database, home)
    environment = {**os.environ, "MRIAD_PREFECT_API_URL": "http://127.0.0.1:9/api"}
    with subprocess.Popen(
        [*command, "--epochs", "100000", "--device", "cpu"],
        cwd=REPOSITORY,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_hear_interrupts,  # noqa: PLW1509 - it only sets a handler
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if re.search(r"looking for twins: (\d+) of \1 ", line):
                break
        os.killpg(process.pid, sign)
        rest = process.stderr.read()
    assert process.returncode == status, rest
    assert one_line(rest).startswith("mriad: stopped")
    made = open_record(home, read_only=True)
    assert [end.status for _, end in newest_runs(made, 9) if end] == [RunStatus.STOPPED]
    made.dispose()
    assert not [each for each in Path("/proc").glob("[0-9]*") if _belongs_to(each, home)]


def _hear_interrupts() -> None:
    """A job in the background, as the tests may be, is started deaf to them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _belongs_to(process: Path, home: Path) -> bool:
    try:
        return f"PREFECT_HOME={home}".encode() in (process / "environ").read_bytes()
    except OSError:
        return False
