"""The command line as users and scripts meet it."""

import csv
import ctypes
import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from db.engine.connect import open_record
from db.repository.history import HistoryQuery, decisions
from db.repository.runs import runs_since
from flows.cli import main as cli
from tests.conftest import N_ABNORMAL, REPOSITORY, Trained

GROUP = typer.main.get_command(cli.app)
COMMANDS = sorted(GROUP.commands)  # type: ignore[attr-defined]
NOTICE = "Not a medical device"
CAP_DAC_OVERRIDE = 1
PR_CAPBSET_DROP = 24


@pytest.fixture(autouse=True)
def _settings_of_the_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MRIAD_")]:
        monkeypatch.delenv(name)
    mask = os.umask(0)
    os.umask(mask)
    monkeypatch.setattr(os, "umask", lambda _: mask)


@pytest.fixture
def served(prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the session's Prefect server."""
    from prefect.settings import PREFECT_API_URL

    monkeypatch.setenv("MRIAD_PREFECT_API_URL", str(PREFECT_API_URL.value()))
    monkeypatch.setenv("MRIAD_OWN_PREFECT", "true")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def one_line(text: str) -> str:
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("mriad: ")
    return lines[0]


def apart(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "flows.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
        **options,  # type: ignore[call-overload]
    )


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


def test_heads_are_drawn_without_a_home(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, _ = run(capsys, "draw", "heads", "--healthy", 1, "--lesions", 1, "--json")
    document = json.loads(out)
    healthy, abnormal = document["files"]
    assert (status, NOTICE in document["notice"]) == (0, True)
    assert (healthy["label"], healthy["lesion"], healthy["mask"]) == ("healthy", None, None)
    assert (abnormal["label"], abnormal["lesion"]) == ("abnormal", "infarct")
    assert all(Path(each).is_file() for each in (healthy["path"], *list(abnormal.values())[::3]))
    assert [path.name for path in tmp_path.iterdir()] == ["heads"]
    status, _, err = run(capsys, "draw", "heads")
    assert status == 2
    assert "not empty" in one_line(err)


def test_without_arguments_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys)
    assert status == 0
    assert all(command in out for command in COMMANDS)
    assert "not for diagnosis" in " ".join(out.split())


@pytest.mark.parametrize("package", ["mriad_model", "db", "tasks", "flows"])
def test_the_packages_imported_are_this_checkouts(package: str) -> None:
    """The names are generic: another project's `tasks` must not be picked up."""
    module = __import__(package)
    assert Path(str(module.__file__)).parent == REPOSITORY / package


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("db.repository.history", {"torch", "prefect", "numpy", "alembic"}),
        ("flows.cli.main", {"torch", "prefect", "cv2", "matplotlib"}),
    ],
)
def test_a_history_query_loads_nothing_heavy(module: str, heavy: set[str]) -> None:
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
    assert one_line(err).startswith("mriad: MRIAD_CHUNK_SIZE '0': input should be greater")
    monkeypatch.delenv("MRIAD_CHUNK_SIZE")
    monkeypatch.setenv("MRIAD_QUIET_SECONDS", "abc")
    _, _, err = run(capsys, "history")
    assert "MRIAD_QUIET_SECONDS (or --quiet) 'abc': input should be a valid number" in err


def test_an_impossible_quantile_is_refused_before_anything_is_started(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    status, _, err = run(capsys, "recalibrate", "--quantile", "1.5", "--home", home)
    assert status == 2
    assert one_line(err) == "mriad: a quantile lies between 0 and 1, not at 1.5"
    assert not home.exists()


@pytest.mark.parametrize("command", [["history"], ["show", "1"], ["recalibrate", "--dry-run"]])
def test_reading_before_anything_is_recorded_makes_nothing(
    command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    status, _, err = run(capsys, *command, "--home", home)
    assert status == 1
    assert "no record" in one_line(err)
    assert not home.exists()


def test_ingesting_counts_new_known_and_rejected(
    served: None, heads: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    source = sorted((heads / "no").iterdir())[0].read_bytes()
    (scans / "a.png").write_bytes(source)
    (scans / "again.JPG").write_bytes(source)
    (scans / "note.txt").write_text("not a picture")
    home = tmp_path / "home"
    status, out, _ = run(capsys, "ingest", scans, "--label", "healthy", "--home", home, "--json")
    found = json.loads(out)
    assert status == 0
    assert (found["new"], found["known"]) == (1, 1)
    assert [(Path(f["path"]).name, f["reason"]) for f in found["rejected"]] == [
        ("note.txt", "unsupported")
    ]
    status, out, _ = run(capsys, "show", 1, "--home", home, "--json")
    story = json.loads(out)
    assert [label["value"] for label in story["labels"]] == ["healthy"]
    assert {Path(seen["path"]).name for seen in story["sightings"]} == {"a.png", "again.JPG"}


def test_a_scored_folder_can_be_queried(
    served: None, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(
        capsys, "score", trained.heads, "--home", trained.home, "--device", "cpu", "--json"
    )
    found = json.loads(out)
    assert status == 0, err
    assert "starting a temporary one" not in err
    expected = {"new", "known", "rejected", "scored", "suspicious", "model_id", "threshold_id"}
    assert expected | {"report", "seconds", "notice"} <= found.keys()
    assert (trained.home / found["report"]).is_file()

    status, out, _ = run(capsys, "history", "--home", trained.home, "--json")
    rows = json.loads(out)["decisions"]
    assert len(rows) == found["scored"]
    assert {
        "decision_id", "scan_id", "path", "kind", "model_id", "threshold_id", "score", "threshold",
        "p_value", "verdict", "heatmap_path", "decided_at", "review",
    } == rows[0].keys()  # fmt: skip

    status, out, _ = run(capsys, "history", "--home", trained.home, "--csv")
    assert [row["verdict"] for row in csv.DictReader(io.StringIO(out))] == [
        row["verdict"] for row in rows
    ]
    status, out, _ = run(capsys, "history", "--home", trained.home, "--verdict", "suspicious")
    assert len(out.splitlines()) == 2 + found["suspicious"]
    assert NOTICE in out

    status, out, _ = run(capsys, "verify", "--all", "--home", trained.home, "--json")
    replayed = json.loads(out)
    assert status == 0
    assert replayed["checked"] == replayed["identical"] == found["scored"]
    assert replayed["within_tolerance"] == 0
    assert replayed["mismatched"] == []


def test_a_dry_run_says_what_would_turn_and_writes_nothing(
    served: None, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "score", trained.heads, "--home", trained.home, "--device", "cpu")
    database = (trained.home / "mriad.db").read_bytes()
    status, out, _ = run(
        capsys, "recalibrate", "--dry-run", "--quantile", 0.5, "--home", trained.home, "--json"
    )
    found = json.loads(out)
    assert status == 0
    assert (found["policy"], found["k"], found["dry_run"]) == ("quantile", 0.5, True)
    assert found["threshold_id"] is None
    assert {"mean", "sd", "n", "value"} <= found.keys()
    assert found["flips"].keys() == {"to_suspicious", "to_normal"}
    assert (trained.home / "mriad.db").read_bytes() == database


def test_rolling_back_is_one_more_activation(
    served: None, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "score", trained.heads, "--home", trained.home, "--device", "cpu")
    _, out, _ = run(capsys, "recalibrate", "--sigmas", 9, "--home", trained.home, "--json")
    assert json.loads(out)["threshold_id"] != trained.threshold_id
    status, out, _ = run(capsys, "activate", trained.threshold_id, "--home", trained.home, "--json")
    assert status == 0
    assert json.loads(out)["threshold_id"] == trained.threshold_id
    _, out, _ = run(capsys, "recalibrate", "--dry-run", "--home", trained.home, "--json")
    assert json.loads(out)["flips"] == {"to_suspicious": 0, "to_normal": 0}
    before = runs_since(open_record(trained.home), "")
    status, _, err = run(capsys, "activate", 999, "--home", trained.home)
    assert status == 1
    assert "999" in one_line(err)
    assert runs_since(open_record(trained.home), "") == before  # no failed run


def test_thresholds_can_be_looked_up_to_roll_back_to(
    served: None, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "activate", "--home", trained.home, "--json")
    (row,) = json.loads(out)["thresholds"]
    assert status == 0
    assert (row["id"], row["model_id"], row["active"]) == (
        trained.threshold_id,
        trained.model_id,
        True,
    )
    found = row["compared"]  # the training looked at what its model comes to
    assert found["n_healthy"] == row["n"] > 1
    assert found["n_abnormal"] == N_ABNORMAL
    assert 0 <= found["flagged"] <= found["n_healthy"]
    assert 0 < found["auroc_implanted"] <= 1
    status, out, _ = run(capsys, "activate", "--home", trained.home)
    words = " ".join(out.split())
    assert "AUROC lesions" in words
    assert f"{found['flagged']} of {found['n_healthy']}" in words
    assert f"{found['auroc_implanted']:.3f} (n {found['n_healthy']})" in words


def test_a_model_can_be_trained_compared_and_left_inactive(
    served: None, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ("--home", trained.home, "--device", "cpu", "--epochs", 2)
    _, before, _ = run(capsys, "activate", "--home", trained.home, "--json")
    status, out, _ = run(capsys, "train", "--no-activate", *place, "--json")
    found = json.loads(out)
    assert status == 0
    assert (found["activated"], found["why"]) == (False, "left inactive, as was asked")
    compared = found["comparison"]
    assert compared["active_model_id"] == trained.model_id
    assert compared["model"].keys() == compared["active"].keys()
    assert compared["model"]["n_healthy"] == found["n_calibration"]  # the same split
    assert compared["model"]["n_abnormal"] == N_ABNORMAL
    assert "too few scans to tell which is better" in compared["text"]
    _, out, _ = run(capsys, "activate", "--home", trained.home, "--json")
    old, new = json.loads(out)["thresholds"]
    assert [old] == json.loads(before)["thresholds"]
    assert (old["active"], new["active"]) == (True, False)
    assert new["compared"]["flagged"] == compared["model"]["flagged"]
    assert new["compared"]["auroc_abnormal"] == compared["model"]["auroc_abnormal"]

    status, out, _ = run(capsys, "train", *place[:-1], 1)
    words = " ".join(out.split())
    assert f"Compared with the active model {trained.model_id}: AUROC on implanted" in words
    assert f"Threshold {new['id'] + 1} is active." in words
    # Other roles: of these calibration scans the active model learned from most.
    _, out, _ = run(capsys, "train", *place, "--seed", 1, "--json")
    found = json.loads(out)
    assert found["comparison"]["model"]["n_healthy"] < found["n_calibration"]


def test_a_scan_is_shown_by_any_path_that_the_shell_knows(
    served: None,
    trained: Trained,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    name = scans / "new\nline.png"
    name.write_bytes(sorted((trained.heads / "yes").iterdir())[0].read_bytes())
    (scans / "note.txt").write_text("no picture")
    run(capsys, "ingest", scans, "--home", trained.home)
    monkeypatch.chdir(scans)
    for path in (name, name.name):
        status, out, err = run(capsys, "show", path, "--home", trained.home, "--json")
        assert status == 0, err
        assert json.loads(out)["scan"]["kind"] == "image"
    status, _, err = run(capsys, "show", "note.txt", "--home", trained.home)
    assert status == 1
    assert "rejected" in one_line(err)
    assert "unsupported" in err


def test_a_full_disk_is_one_line_and_leaves_no_row(
    served: None,
    trained: Trained,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import tasks.scoring.score

    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "heatmaps")

    monkeypatch.setattr(tasks.scoring.score, "write_all_atomically", full)
    status, out, err = run(
        capsys, "score", trained.heads, "--home", trained.home, "--device", "cpu"
    )
    assert status == 1
    assert "disk is full" in one_line(err)
    _, out, _ = run(capsys, "history", "--home", trained.home, "--json")
    assert json.loads(out)["decisions"] == []
    assert list((trained.home / "work").iterdir()) == []


def test_a_read_only_home_is_one_line(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o500)

    def obey_permissions() -> None:  # root would write all the same
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)

    done = apart("ingest", REPOSITORY / "db", "--home", home, preexec_fn=obey_permissions)
    assert done.returncode == 1
    assert str(home) in one_line(done.stderr)
    assert list(home.iterdir()) == []


def test_the_demonstration_does_the_whole_job_on_a_folder(
    served: None, heads: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    status, out, err = run(
        capsys, "demo", "--data", heads, "--epochs", 2, "--device", "cpu", "--home", home, "--json"
    )
    found = json.loads(out)
    assert status == 0, err
    assert found.keys() == {"ingest", "train", "score", "evaluate", "verify", "notice"}
    assert found["verify"]["identical"] == found["score"]["scored"] > 0
    assert found["train"]["warnings"] == []
    for report in (found["score"]["report"], found["evaluate"]["report"]):
        assert (home / report).is_file()


@pytest.mark.parametrize(("sign", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_command_says_so_and_leaves_no_server(
    sign: signal.Signals, status: int, heads: Path, tmp_path: Path
) -> None:
    """As from a terminal or a service manager: the whole process group gets the signal."""
    home = tmp_path / "home"
    command = [sys.executable, "-m", "flows.cli.main", "train", "--home", str(home)]
    shutil.copytree(heads / "no", home / "healthy")
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
            if "looking for twins" in line:
                break
        os.killpg(process.pid, sign)
        rest = process.stderr.read()
    assert process.returncode == status
    assert one_line(rest).startswith("mriad: stopped")
    assert not [each for each in Path("/proc").glob("[0-9]*") if _belongs_to(each, home)]


def _hear_interrupts() -> None:
    """A job in the background, as the tests may be, is started deaf to them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _belongs_to(process: Path, home: Path) -> bool:
    try:
        return f"PREFECT_HOME={home}".encode() in (process / "environ").read_bytes()
    except OSError:
        return False


def test_two_at_once_decide_each_scan_once(served: None, trained: Trained) -> None:
    from db.engine.connect import open_record

    command = [sys.executable, "-m", "flows.cli.main", "score", str(trained.heads)]
    command += ["--home", str(trained.home), "--device", "cpu", "--json"]
    both = [
        subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    outcomes = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], outcomes
    scored = [json.loads(out)["scored"] for out, _ in outcomes]
    rows = decisions(open_record(trained.home), HistoryQuery(limit=None))
    assert len({row.scan_id for row in rows}) == len(rows) == sum(scored)
