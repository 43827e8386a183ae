"""Each data set has a home of its own: no model learns of drawn heads and photographs together."""

from pathlib import Path

import pytest

from flows.cli import main as cli
from flows.runtime.demo_home import DEMO_HOME, demo_home, refuse_other_data
from mriad_model.errors import SettingsError
from tasks.runtime.connections import database
from tasks.runtime.home import prepare_home
from tests.support.record.pools import pool


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
