"""`import mriad`: what a notebook gets, and that it writes and loads nothing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mriad
from db.engine.connect import open_record
from db.entities import Review
from db.repository.intake.scans import register_scans
from db.repository.reports.history import decisions
from db.repository.reports.reviews import append_review, withdraw_review
from mriad_model.enums import NOTICE, ReviewVerdict
from mriad_model.errors import NotInRecord, RecordError, SettingsError
from tests.support.places import REPOSITORY
from tests.support.record.hand import NOON
from tests.support.record.kept import AFFINE, VALUES, KeptHome, home_with_a_map


@pytest.fixture
def kept(tmp_path: Path) -> KeptHome:
    return home_with_a_map(tmp_path / "home")


def test_decisions_and_scans_are_data_frames(kept: KeptHome) -> None:
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    home = mriad.open(kept.home)
    frame = home.decisions()
    assert frame.attrs["notice"] == NOTICE
    assert list(frame["verdict"]) == ["suspicious"] * 3 + ["not_scorable", "suspicious"]
    assert frame["active"].all()
    assert frame["decided_at"].iloc[0] == pd.Timestamp(NOON)
    assert frame["score"].isna().tolist() == [False, False, False, True, False]
    assert frame["p_value"].iloc[0] == 0.25
    assert len(home.decisions(since="2026-11-02")) == 0
    assert len(home.worklist()) == 5
    assert len(home.unscored()) == 0
    assert home.daily()["scans"].sum() == 5
    assert len(home.daily(since="2026-11-01")) == 2  # of a scanner that is named, and of none
    scans = home.scans()
    assert scans["scan_id"].is_monotonic_increasing
    assert scans.set_index("scan_id").loc[frame["scan_id"].iloc[-1], "path"] == "in/v/"
    with pytest.raises(SettingsError, match="is not a valid date"):
        home.decisions(since="tomorrow")


def test_reviews_are_those_that_hold(kept: KeptHome) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    home = mriad.open(str(kept.home))
    assert list(home.reviews().columns[:3]) == ["scan_id", "decision_id", "reviewer"]
    for line in decisions(kept.engine)[:2]:
        said = Review(line.scan_id, line.decision_id, "Ann", ReviewVerdict.NORMAL, "", NOON)
        append_review(kept.engine, said)
    withdraw_review(kept.engine, line.scan_id, "Ann", "", NOON)
    assert list(home.reviews()["reviewer"]) == ["Ann"]
    assert home.decisions()["review"].notna().sum() == 1


def test_a_map_comes_with_its_affine(kept: KeptHome) -> None:
    home = mriad.open(kept.home)
    array, affine = home.map("in/v/1")
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, VALUES)
    np.testing.assert_array_equal(affine, AFFINE)
    newest = decisions(kept.engine)[0].scan_id
    assert home.map(newest, model_id=kept.model_id).array.max() == 23
    with pytest.raises(NotInRecord, match="by model 99"):
        home.map(newest, model_id=99)
    with pytest.raises(NotInRecord, match="is a picture: its map"):
        home.map("inbox/scan 1.png")
    with pytest.raises(NotInRecord, match="has no map"):
        home.map("inbox/taught.png")
    with pytest.raises(NotInRecord, match="no scan 77"):
        home.map(77)


def test_a_map_that_is_not_as_recorded_is_refused(kept: KeptHome) -> None:
    home, newest = mriad.open(kept.home), decisions(kept.engine)[0].scan_id
    path = next((kept.home / "heatmaps").rglob("*.nii.gz"))
    path.write_bytes(path.read_bytes() + b"0")
    with pytest.raises(RecordError, match="not as it was recorded"):
        home.map(newest)
    path.unlink()
    with pytest.raises(RecordError, match="cannot be read: no such file"):
        home.map(newest)


def test_a_home_without_a_record_is_refused_and_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(NotInRecord, match="no record"):
        mriad.open(tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_without_a_name_the_settings_say_which_home(
    kept: KeptHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRIAD_HOME", str(kept.home))
    assert mriad.open().path == kept.home
    assert repr(mriad.open()) == f"mriad.open('{kept.home}')"


def test_what_is_written_meanwhile_is_read(kept: KeptHome) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    kept.engine.dispose()
    home = mriad.open(kept.home)
    before = len(home.scans())
    register_scans(open_record(kept.home), [kept.hand.seen("new")])
    assert len(home.scans()) == before + 1


def test_the_import_loads_nothing_heavy() -> None:
    code = "import sys, mriad; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert not {"torch", "prefect", "cv2", "pandas", "matplotlib"} & set(done.stdout.split())


def test_without_pandas_one_line_says_what_to_install(
    kept: KeptHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(SettingsError, match=r"pip install -e '.\[notebook\]'"):
        mriad.open(kept.home).decisions()
