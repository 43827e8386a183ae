"""What commands say to whoever reads along: to the end, a few lines, or until they are stopped."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from db.engine.connect import open_record
from db.repository.scoring.decisions import ScoredScan, append_scored
from flows.cli import main as cli
from flows.cli.commands.history import past_decisions
from flows.cli.interruption import NOTHING, interruption_text
from flows.runtime.messages import counted
from tasks.runtime import runs
from tasks.runtime.connections import database
from tasks.runtime.home import prepare_home
from tests.conftest import REPOSITORY
from tests.support.record.hand import Hand

N = 3000  # decisions: more than fits a pipe


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = prepare_home(tmp_path_factory.mktemp("pipes") / "home")
    hand = Hand(open_record(home))
    model_id, threshold_id = hand.ready()
    ids = hand.scans(*(f"scan-{i}" for i in range(N)), scanner="GE")
    hand.decide(model_id, threshold_id, {i: 0.9 if i % 3 else 0.1 for i in ids})
    return home


def mriad(home: Path, *arguments: object) -> int:
    return cli.main([*map(str, arguments), "--home", str(home)])


def apart(home: Path, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "flows.cli.main", *map(str, arguments), "--home", str(home)]


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]])
def test_a_reader_who_has_had_enough_is_no_error(home: Path, form: list[str]) -> None:
    with subprocess.Popen(
        apart(home, "history", "--limit", N, *form),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")


def test_nobody_listening_at_all_is_no_error(home: Path) -> None:
    shell = 'exec "$@" >&- 2>&-'
    command = ["sh", "-c", shell, "sh", *apart(home, "history")]
    assert subprocess.run(command, cwd=REPOSITORY, check=False).returncode == 0


def test_a_gone_listener_of_progress_does_not_stop_the_work(home: Path) -> None:
    """As `mriad ... 2>&1 >file | head -1`: the work goes on, and its result is whole."""
    code = (
        "import sys; from flows.runtime import messages; from flows.cli import main as cli\n"
        "for i in range(3): messages.say('progress')\n"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    ear, mouth = os.pipe()
    os.close(ear)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, "history", "--json", "--home", str(home)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=mouth,
            check=False,
        )
    finally:
        os.close(mouth)
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["decisions"]) == 50


def test_a_history_that_was_cut_says_how_much_is_left(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mriad(home, "history", "--limit", 10, "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["more"] == N - 10
    assert f"{N - 10} more; --limit {N} lists all" in err
    for filters, n in (
        (["--verdict", "normal"], N // 3),
        (["--scanner", "GE", "--verdict", "suspicious"], N - N // 3),
        (["--model", "1"], N),
    ):
        assert mriad(home, "history", "--limit", 10, *filters) == 0
        assert f"10 of {n} listed: {n - 10} more" in capsys.readouterr().err
    for whole in (["--limit", N], ["--model", "2"]):
        assert mriad(home, "history", "--csv", *map(str, whole)) == 0
        assert capsys.readouterr().err == ""


def test_a_stopped_command_waits_for_none_of_its_threads() -> None:
    """A training that was stopped would go on to its end, minutes after the command said so."""
    code = (
        "import sys, time; from concurrent.futures import ThreadPoolExecutor\n"
        "from flows.cli import main as cli\n"
        "ThreadPoolExecutor(1).submit(time.sleep, 600)\n"
        "def main():\n"
        "    print('said', end='')\n"
        "    return cli.STOPPED\n"
        "cli.main = main\n"
        "cli.run()"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, check=False, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (cli.STOPPED, "said")


def test_csv_and_json_at_once_is_misuse(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mriad(home, "history", "--csv", "--json") == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "mriad: give --csv or --json, not both\n")


def test_one_thing_is_no_plural() -> None:
    assert [counted(n, "model") for n in (0, 1, 2)] == ["0 models", "1 model", "2 models"]
    assert counted(1, "file is", "files are") == "1 file is"
    assert counted(3, "file is", "files are") == "3 files are"


def test_a_stopped_command_says_what_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = prepare_home(tmp_path / "home")
    hand = Hand(database(str(home)))
    model_id, threshold_id = hand.ready()
    ids = hand.scans("a", "b", "c")
    monkeypatch.setattr(runs, "_BEGUN", [])
    assert interruption_text(home) == NOTHING
    with pytest.raises(KeyboardInterrupt), runs.recorded_run(hand.engine, "score", None) as run:
        raise KeyboardInterrupt
    told = interruption_text(home)
    assert told.startswith(f"stopped; run {run.id} had recorded nothing yet")
    rows = [
        ScoredScan(each, 0.9, (0.9,), verdict=verdict, p_value=0.5)
        for each, verdict in zip(ids, ("normal", "normal", "suspicious"), strict=True)
    ]
    append_scored(hand.engine, model_id, threshold_id, rows, run_id=run.id, now=hand.noon)
    assert interruption_text(home) == (
        f"stopped; run {run.id} has recorded 3 decisions (1 suspicious), and that stays; "
        "run the same command again to go on"
    )
    assert interruption_text(None) == NOTHING


def test_an_interrupt_before_anything_begins_is_one_line_and_130(tmp_path: Path) -> None:
    """With the signal's own way through Python, before a run is begun."""
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from flows.cli import main as cli\n"
        "from flows.cli.commands import history\n"
        "history.read_context = lambda _: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.exit(cli.main(['history']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (128 + signal.SIGINT, f"mriad: {NOTHING}\n")


def test_what_an_inactive_threshold_decided_is_not_taken_for_what_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = prepare_home(tmp_path / "home")
    hand = Hand(open_record(place))
    model_id, first = hand.ready()
    (scan,) = hand.scans("a")
    second = hand.threshold(model_id, 1, k=2.0, value=0.6)
    hand.decide(model_id, first, {scan: 0.3})
    hand.decide(model_id, second, {scan: 0.3})
    assert mriad(place, "history", "--json") == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert [each["threshold_id"] for each in document["decisions"]] == [second, first]
    assert document["active_threshold_id"] == first
    assert err == f"mriad: {past_decisions(1, first)}\n"
    assert mriad(place, "history", "--active", "--json") == 0
    out, err = capsys.readouterr()
    assert [each["threshold_id"] for each in json.loads(out)["decisions"]] == [first]
    assert err == ""
