"""A mistake, or nothing to do, is said before any server is started."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from db.engine.connect import open_record
from db.entities import RunEnd
from db.repository.runs import end_run
from db.repository.training.models import activate
from flows.cli import main as cli
from flows.cli import options
from mriad_model.enums import LabelValue, RunStatus
from mriad_model.errors import HomeError
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from tasks.runtime.connections import database
from tasks.runtime.home import prepare_home
from tests.support.record.hand import Hand
from tests.support.record.next_step import bring_next_step


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The homes for which a server would have been started; none is."""
    homes: list[Path] = []

    @contextmanager
    def start(home: Path, *_: object) -> Iterator[None]:
        homes.append(home)
        raise HomeError("no server here")
        yield

    monkeypatch.setattr(options, "prefect_server", start)
    return homes


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return prepare_home(tmp_path / "home")


@pytest.fixture
def ready(home: Path) -> Path:
    """A home in which a model is active; the run that scored before has completed."""
    hand = Hand(database(str(home)))
    hand.ready()
    end_run(hand.engine, RunEnd(hand.run(), RunStatus.COMPLETED, "{}", hand.noon))
    return home


@pytest.fixture
def grown(ready: Path) -> Path:
    """The same, with one healthy scan that the active model has not learned from."""
    hand = Hand(database(str(ready)))
    train, calibration, another = hand.scans("taught", "calibrates", "another")
    dataset = hand.dataset(train=[train], calibration=[calibration])
    model = hand.model(dataset, "other weights", AUTOENCODER.to_json())
    activate(hand.engine, hand.threshold(model, dataset), "second", "me")
    hand.label(another)
    return ready


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    (folder / "no").mkdir(parents=True)
    return folder


def mriad(home: Path, *arguments: object) -> int:
    return cli.main([*map(str, arguments), "--home", str(home)])


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (["score"], 1, "no model is active; ingest healthy scans with"),
        (["retrain"], 1, "no model is active; "),
        (["recalibrate"], 1, "no model is active; "),
        (["train"], 1, "no healthy scans in the record; add some with"),
        (["train", "--recipe", "nonesuch"], 2, "nonesuch"),
        (["train", "--contrast", "FLAIR"], 2, "contrast 'FLAIR'"),
        (["evaluate", "FOLDER"], 1, "no files there"),
        (["evaluate", "FOLDER", "--recipe", "nonesuch"], 1, "no files there"),
        (["evaluate", "CSV"], 2, "one file; an evaluation needs a folder"),
        (["demo", "--data", "FOLDER"], 1, "no scans there; name a folder with pictures in no/"),
        (["ingest", "FOLDER", "--labels", "CSV"], 2, "line 2: label 'perhaps' is none of"),
        (["evaluate", "FOLDER", "--labels", "CSV"], 2, "line 2: label 'perhaps' is none of"),
        (["evaluate", "FOLDER", "--patients", "CSV"], 2, "line 2: 'perhaps' is no label"),
        (["evaluate", "FOLDER", "--patients", "nobody"], 2, "give folder, bids or a CSV file"),
        (
            ["evaluate", "FOLDER", "--patients", "CSV", "--labels-from-masks"],
            2,
            "names their masks and labels itself",
        ),
        (["evaluate", "FOLDER", "--labels", "CSV", "--labels-from-masks"], 2, "one of --labels"),
    ],
)
def test_a_mistake_is_one_line_and_starts_no_server(
    home: Path,
    folder: Path,
    command: list[str],
    status: int,
    said: str,
    started: list[Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = folder.parent / "labels.csv"
    table.write_text("file,label\na.png,perhaps\n")
    given = [{"FOLDER": folder, "CSV": table}.get(each, each) for each in command]
    assert mriad(home, *given) == status
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert said in line
    assert out == ""
    assert started == []


def test_an_empty_folder_is_scored_and_ingested_without_a_server(
    ready: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / ".hidden").touch()
    (folder / "copy.part").touch()
    for command in (["score"], ["score", folder], ["ingest", folder]):
        assert mriad(ready, *command) == 0
        out, err = capsys.readouterr()
        assert out.startswith("There are no files in that folder")
        assert err == ""
    assert mriad(ready, "score", folder, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["scored"], told["report"], told["model_id"]) == (0, None, 1)
    assert mriad(ready, "ingest", folder, "--json") == 0
    assert json.loads(capsys.readouterr().out)["new"] == 0
    assert mriad(ready, "score", folder, "--files", "*.nii") == 0


def test_what_there_is_to_do_starts_one(
    ready: Path, folder: Path, started: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.calibration.thresholds.require_drawable", lambda *_, **__: None)
    (folder / "no" / "1.png").touch()
    commands = ["score", folder], ["ingest", folder], ["recalibrate", "--sigmas", "2"]
    assert ([mriad(ready, *each) for each in commands], started) == ([1] * 3, [ready] * 3)


def test_a_pool_that_has_not_grown_is_not_trained_on_again_and_starts_no_server(
    grown: Path, started: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert mriad(grown, "retrain", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert not document["activated"]
    assert document["why"] == "nothing to do: 1 new healthy scan beside 2; 20 are needed"
    assert (document["n_before"], document["n_new"], document["model_id"]) == (2, 1, None)
    assert started == []


@pytest.mark.parametrize("why", ["grown", "a new file", "forced"])
def test_a_retraining_that_may_find_something_to_do_starts_a_server(
    grown: Path, started: list[Path], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "grown":
        monkeypatch.setenv("MRIAD_RETRAIN_MIN", "1")
    if why == "a new file":
        (grown / "healthy" / "new.png").write_bytes(b"not read yet")
    assert mriad(grown, "retrain", *(["--force"] if why == "forced" else [])) == 1
    assert started == [grown]


def test_a_record_of_an_older_version_is_brought_up_to_date_by_a_command_with_nothing_to_do(
    home: Path,
    folder: Path,
    started: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    open_record(home).dispose()
    bring_next_step(tmp_path, monkeypatch)
    assert mriad(home, "history") == 1
    assert "run a command that writes, such as ingest" in capsys.readouterr().err
    assert mriad(home, "ingest", folder) == 0
    assert started == []
    assert mriad(home, "history") == 0


def test_a_run_that_was_cut_off_is_told_by_the_next_also_of_an_empty_folder(
    ready: Path, folder: Path, started: list[Path]
) -> None:
    Hand(database(str(ready))).run("killed")
    assert mriad(ready, "score", folder) == 1
    assert started == [ready]


def test_a_line_of_a_csv_that_names_no_file_is_named(
    home: Path, folder: Path, started: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "no" / "1.png").touch()
    table = folder.parent / "labels.csv"
    table.write_text("file,label\nno/1.png,healthy\n\nno/mistyped.png,healthy\n1.png,healthy\n")
    assert mriad(home, "ingest", folder, "--labels", table) == 1
    assert started == [home]
    lines = [line for line in capsys.readouterr().err.splitlines() if "line" in line]
    assert lines == [f"mriad: {table}, line 4: there is no file 'no/mistyped.png' in {folder}"]
    (folder / "no" / "1.png").unlink()
    assert mriad(home, "ingest", folder, "--labels", table, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["line"] for each in told["unmatched"]] == [2, 4, 5]


def test_settings_are_looked_at_where_there_is_nothing_to_do(
    home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRIAD_CHUNK_SIZE", "many")
    assert mriad(home, "ingest", folder) == 2


def test_nothing_that_is_looked_at_beforehand_loads_the_engine() -> None:
    """It reads its settings on import, which are set once a server is chosen."""
    code = "import sys, flows.cli.commands.flow_commands, flows.cli.preconditions as _"
    code += ", tasks.evaluation.labelled_scans, tasks.scoring.unchanged"
    code += "; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


RATE = ("--rate", "0.05", "--recipe", "seed")
CALIBRATE = "a false-positive rate of 0.05 takes 19 healthy calibration scans"


@pytest.mark.parametrize(
    ("n", "options", "status", "said"),
    [
        (5, ("--recipe", "volume"), 1, "none of the 5 healthy scans in the record is of the kind"),
        (3, (), 1, "3 healthy scans are too few: training, validation and calibration need 4"),
        (8, RATE, 1, CALIBRATE),
        (8, ("--use-abnormal",), 1, "no scan labelled abnormal can be used"),
        (8, ("--recipe", "seed", "--use-abnormal"), 2, "seed"),
        (8, ("--masks", "nowhere", "--use-abnormal"), 2, "nowhere: no such file or folder"),
    ],
)
def test_a_training_that_must_fail_starts_no_server(
    home: Path,
    n: int,
    options: tuple[str, ...],
    status: int,
    said: str,
    started: list[Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    hand = Hand(database(str(home)))
    for scan in hand.scans(*map(str, range(n))):
        hand.label(scan)
    if "--masks" in options:
        hand.label(*hand.scans("ill"), value=LabelValue.ABNORMAL)
    assert mriad(home, "train", *options) == status
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert started == []


def test_scans_of_one_patient_count_as_one_before_a_training(
    home: Path, started: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    hand = Hand(database(str(home)))
    for scan in hand.scans(*map(str, range(9)), patient="one"):
        hand.label(scan)
    assert mriad(home, "train") == 1
    assert "9 healthy scans of one patient are too few" in capsys.readouterr().err
    assert started == []


def test_files_that_wait_in_the_healthy_folder_are_left_to_a_run(
    home: Path, started: list[Path]
) -> None:
    (home / "healthy" / "scan.png").write_bytes(b"not read yet")
    assert mriad(home, "train") == 1
    assert started == [home]


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ((), 1, "1 healthy and 0 abnormal scans there (1 without a label); an evaluation needs"),
        (("--protocol", "seed", "--recipe", "volume"), 2, "the seed protocol is for pictures"),
    ],
)
def test_an_evaluation_that_must_fail_starts_no_server(
    home: Path,
    folder: Path,
    options: tuple[str, ...],
    status: int,
    said: str,
    started: list[Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("no/a.png", "b.png"):
        (folder / name).write_bytes(b"a file")
    assert mriad(home, "evaluate", folder, *options) == status
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert started == []


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("--rate", "0.01"), 1, "takes 99 healthy calibration scans"),
        (("--rate", "0.2", "--recipe", "autoencoder", "--healthy", "5"), 1, "and there are 2"),
        (("--rate", "0.05", "--protocol", "seed"), 1, "takes 19 healthy calibration scans"),
        (("--protocol", "seed", "--healthy", "10"), 2, "--healthy is for --protocol heldout"),
    ],
)
def test_an_evaluation_whose_rate_or_options_cannot_hold_starts_no_server(
    home: Path,
    folder: Path,
    options: tuple[str, ...],
    status: int,
    said: str,
    started: list[Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in (*(f"no/{n}.png" for n in range(12)), "yes/a.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"a file")
    assert mriad(home, "evaluate", folder, *options) == status
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert started == []


@pytest.mark.parametrize(("empty", "starts"), [(0, False), (1, False), (19, True)])
def test_an_evaluation_labelled_by_masks_whose_rate_cannot_hold_starts_no_server(
    home: Path,
    folder: Path,
    empty: int,
    starts: bool,
    started: list[Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A scan whose mask is empty is healthy: its mask is opened where that matters."""
    for n in range(30):
        (folder / f"{n}.png").write_bytes(b"not looked at yet")
    for n in range(20):
        mask = Image.new("L", (64, 64), 255 if n >= empty else 0)
        mask.save(folder / f"{n}_mask.png")
    rate = ("--labels-from-masks", "--rate", "0.1", "--folds", "2", "--recipe", "default")
    assert mriad(home, "evaluate", folder, *rate) == 1
    said = capsys.readouterr().err
    assert ("takes 9 healthy calibration scans" in said) is not starts
    assert started == [home] * starts


def test_an_evaluation_whose_masks_are_all_empty_or_none_starts_no_server(
    home: Path, folder: Path, started: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"not looked at yet")
    assert mriad(home, "evaluate", folder, "--labels-from-masks") == 1
    assert "2 healthy and 0 abnormal scans there" in capsys.readouterr().err
    (folder / "a_mask.png").write_bytes(b"no picture")
    (folder / "b_mask.png").write_bytes(b"no picture")
    assert mriad(home, "evaluate", folder, "--labels-from-masks") == 2
    assert "the mask a_mask.png: " in capsys.readouterr().err
    assert started == []


@pytest.mark.parametrize(("healthy", "starts"), [(12, False), (40, True)])
def test_an_evaluation_of_a_csv_of_scans_whose_rate_cannot_hold_starts_no_server(
    home: Path, folder: Path, healthy: int, starts: bool, started: list[Path]
) -> None:
    for n in range(50):
        (folder / f"{n}.png").write_bytes(b"not looked at yet")
    rows = [f"{n}.png,p{n},{'no' if n < healthy else 'yes'}" for n in range(50)]
    table = folder.parent / "scans.csv"
    table.write_text("\n".join(["path,patient,label", *rows, "gone.png,p,no"]))
    assert mriad(home, "evaluate", folder, "--patients", table, "--rate", "0.05") == 1
    assert started == [home] * starts


def test_an_evaluation_without_labels_names_the_masks_that_could_tell(
    home: Path, folder: Path, started: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "a_mask.png", "b.png"):
        (folder / name).write_bytes(b"a file")
    assert mriad(home, "evaluate", folder) == 1
    said = capsys.readouterr().err
    assert "0 healthy and 0 abnormal scans there (2 without a label)" in said
    assert "add --labels-from-masks (1 mask there), or put them" in said
    assert started == []
