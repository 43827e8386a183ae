"""Each data set has a home of its own: no model learns of drawn heads and photographs together."""

import json
from pathlib import Path

import pytest

from db.repository.scans import register_scans
from flows.cli import lines
from flows.cli import main as cli
from flows.demo_home import DEMO_HOME, demo_home, refuse_other_data
from flows.train import TrainingResult
from mriad_model.errors import SettingsError
from tasks.runtime.connections import database
from tasks.runtime.home import prepare_home
from tasks.training.candidate_figures import CandidateFigures
from tasks.training.mixtures import mixed_pool, source_of
from tests.support.hand import Hand


def pool(home: Path, *paths: str) -> list[int]:
    """Healthy scans as seen at these recorded paths."""
    hand = Hand(database(str(home)))
    ids = [register_scans(hand.engine, [hand.seen(path, path=path)])[0].scan_id for path in paths]
    for scan_id in ids:
        hand.label(scan_id)
    return ids


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return prepare_home(tmp_path / "home")


def test_a_demonstration_has_a_home_for_each_data_set(tmp_path: Path) -> None:
    homes = [demo_home(each) for each in (None, tmp_path / "kaggle", tmp_path / "site" / "b c")]
    assert homes == [DEMO_HOME, Path("demo-home-kaggle"), Path("demo-home-b c")]
    assert demo_home(tmp_path / "kaggle/") == Path("demo-home-kaggle")


def test_a_home_of_drawn_heads_refuses_a_folder_and_the_other_way_round(
    home: Path, tmp_path: Path
) -> None:
    engine, data = database(str(home)), tmp_path / "kaggle"
    refuse_other_data(engine, home, None)  # new: anything may come
    refuse_other_data(engine, home, data)
    pool(home, "demo-scans/no/1.png")
    refuse_other_data(engine, home, None)
    with pytest.raises(SettingsError, match=r"of another data set \(demo-scans/no\)"):
        refuse_other_data(engine, home, data)
    other = prepare_home(tmp_path / "other")
    pool(other, f"{data}/no/1.png", f"{data}/no/2.png")
    refuse_other_data(database(str(other)), other, data)
    for wrong in (None, tmp_path / "kaggle2", data / "no" / "x"):
        with pytest.raises(SettingsError, match="choose another home with --home"):
            refuse_other_data(database(str(other)), other, wrong)


def test_the_command_refuses_before_anything_is_started(
    home: Path, heads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pool(home, "demo-scans/no/1.png")
    assert cli.main(["demo", "--data", str(heads), "--home", str(home)]) == 2
    (line,) = capsys.readouterr().err.splitlines()  # and so not that a server is started
    assert "holds healthy scans of another data set" in line


def test_a_pool_of_drawn_and_other_heads_is_told_by_the_record(home: Path) -> None:
    ids = pool(home, "demo-scans/no/1.png", "demo-scans/no/2.png", "/data/kaggle/no/1.png")
    assert mixed_pool(str(home), ids[:2]) == []
    assert mixed_pool(str(home), ids[2:]) == []
    (said,) = mixed_pool(str(home), ids)
    assert "mixes drawn heads (2) and other scans (1)" in said
    assert source_of("/data/kaggle/healthy/no/1.png") == "/data/kaggle"
    assert source_of("1.png") == "the home"


def test_train_says_what_may_not_belong_together(capsys: pytest.CaptureFixture[str]) -> None:
    told = "the healthy pool mixes drawn heads (2) and other scans (1)"
    given = dict.fromkeys(TrainingResult.__dataclass_fields__, 40)
    said = {
        "validation_loss": 0.1,
        "comparison": CandidateFigures("none was active"),
        "warnings": [told],
    }
    trained = TrainingResult(**{**given, **said})  # type: ignore[arg-type]
    lines.show_train(trained, as_json=False)
    assert f"Warning: {told}.\n" in capsys.readouterr().out
    lines.show_train(trained, as_json=True)
    assert json.loads(capsys.readouterr().out)["warnings"] == [told]
