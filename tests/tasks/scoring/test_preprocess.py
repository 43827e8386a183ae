"""The steps between: preprocessing, datasets, stored models, runs, the home."""

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from db.repository.intake.rejections import rejections_of
from db.repository.runs import run_by_id
from db.repository.training.models import dataset_roles
from mriad_model.datasets.labels import Labelling
from mriad_model.enums import LabelValue, RejectionReason, Role, RunStatus
from mriad_model.errors import HomeError, ModelFileError, RecordError, TooFewScans
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from tasks.runtime.connections import database
from tasks.runtime.home import JUST_MADE_SECONDS, STALE_WORK_SECONDS, prepare_home, work_folder
from tasks.runtime.model_cache import loaded_model
from tasks.runtime.progress import Progress, listening, tell
from tasks.runtime.runs import recorded_run
from tests.conftest import Trained
from tests.tasks.conftest import Bench


def test_prepared_slices_come_back_from_their_file(bench: Bench, scans: Path) -> None:
    ids = [scan_id for scan_id, _ in bench.ingest(scans).seen]
    prepared = bench.prepare(ids)
    side = AUTOENCODER.preprocessing.size
    assert [each.scan_id for each in prepared] == ids
    assert [each.slices.batch.images.shape for each in prepared] == [(1, side, side)] * 3
    assert [each.source.name for each in prepared] == ["0.png", "1.png", "2.png"]
    assert {(p.height, p.width) for each in prepared for p in each.slices.placements} == {
        (128, 128)
    }


def test_a_file_that_vanished_is_left_out_and_recorded(bench: Bench, scans: Path) -> None:
    ids = [scan_id for scan_id, _ in bench.ingest(scans).seen]
    (scans / "1.png").unlink()
    assert [each.scan_id for each in bench.prepare(ids)] == [ids[0], ids[2]]
    (row,) = rejections_of(bench.engine, [bench.run_id])
    assert row.reason is RejectionReason.UNREADABLE
    assert row.path.endswith("1.png")


def test_a_chunk_with_nothing_to_read_makes_no_file(bench: Bench, scans: Path) -> None:
    ids = [scan_id for scan_id, _ in bench.ingest(scans).seen]
    shutil.rmtree(scans)
    assert bench.prepare(ids) == []


def test_twins_never_span_the_roles_of_a_dataset(bench: Bench, heads: Path, tmp_path: Path) -> None:
    """Mirrored and re-contrasted copies count as the same head."""
    scans = tmp_path / "scans"
    scans.mkdir()
    for i, source in enumerate(sorted((heads / "no").iterdir())[:12]):
        pixels = cv2.imread(str(source), cv2.IMREAD_GRAYSCALE)
        assert pixels is not None
        bright = np.clip(pixels * 1.2 + 8, 0, 255).astype(np.uint8)
        for name, picture in (("a", pixels), ("mirrored", pixels[:, ::-1]), ("bright", bright)):
            cv2.imwrite(str(scans / f"{i:02d}-{name}.png"), picture)
    seen = bench.ingest(scans).seen
    bench.label(scans, Labelling("me", LabelValue.HEALTHY), seen)
    dataset = bench.freeze()
    role_of = dataset_roles(bench.engine, dataset.id)
    head_of = {scan_id: Path(path).name[:2] for scan_id, path in seen}
    roles_of_head = {
        head: {role_of[scan_id] for scan_id in head_of if head_of[scan_id] == head}
        for head in set(head_of.values())
    }
    assert len(role_of) == 36
    assert all(len(roles) == 1 for roles in roles_of_head.values())
    assert {role for (role,) in roles_of_head.values()} == {
        Role.TRAIN, Role.VALIDATION, Role.CALIBRATION,
    }  # fmt: skip


def test_without_healthy_scans_training_says_how_to_add_some(bench: Bench) -> None:
    with pytest.raises(TooFewScans, match="mriad ingest"):
        bench.freeze()


def test_weights_that_were_changed_are_refused(trained: Trained) -> None:
    (weights,) = (trained.home / "models").iterdir()
    weights.write_bytes(weights.read_bytes() + b"\0")
    with pytest.raises(ModelFileError, match="not the file that was recorded"):
        loaded_model(str(trained.home), trained.model_id, "cpu")
    weights.unlink()
    with pytest.raises(ModelFileError, match="cannot be read"):
        loaded_model(str(trained.home), trained.model_id, "cpu")


def test_a_run_that_fails_is_recorded_as_failed(bench: Bench) -> None:
    def fail() -> None:
        with recorded_run(bench.engine, "test", None) as run:
            run.counts["done"] = 3
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    _, end = run_by_id(bench.engine, bench.run_id + 1)
    assert end is not None
    assert end.status is RunStatus.FAILED
    assert json.loads(end.counts) == {"done": 3}


def test_a_run_says_with_which_software_it_ran(bench: Bench) -> None:
    with recorded_run(bench.engine, "test", None, "cpu") as run:
        pass
    row, end = run_by_id(bench.engine, run.id)
    assert json.loads(row.libraries).keys() >= {"python", "torch", "numpy", "pillow"}
    assert row.device == "cpu"
    assert end is not None
    assert end.status is RunStatus.COMPLETED


def test_scratch_files_go_with_their_run_and_those_of_dead_runs_later(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    dead = home / "work" / "run-1"
    dead.mkdir()
    long_ago = dead.stat().st_mtime - 2 * STALE_WORK_SECONDS
    os.utime(dead, (long_ago, long_ago))

    def fail() -> None:
        with work_folder(home, 2) as folder:
            (folder / "chunk").write_bytes(b"x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list((home / "work").iterdir()) == []


def test_scratch_files_of_a_killed_run_go_with_the_next_and_not_those_of_one_alive(
    tmp_path: Path,
) -> None:
    home = prepare_home(tmp_path / "home")
    killed = home / "work" / "run-1"
    killed.mkdir()
    (killed / "voxels.npy").write_bytes(b"x")
    with work_folder(home, 2) as alive:
        for folder in (killed, alive):
            a_while_ago = folder.stat().st_mtime - 2 * JUST_MADE_SECONDS
            os.utime(folder, (a_while_ago, a_while_ago))
        with work_folder(home, 3) as own:
            assert sorted((home / "work").iterdir()) == [alive, own]


def test_a_run_that_starts_again_finds_nothing_of_its_own(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    (home / "work" / "run-1").mkdir()
    (home / "work" / "run-1" / "prepared.safetensors").write_bytes(b"x")
    with work_folder(home, 1) as folder:
        assert list(folder.iterdir()) == []


def test_a_home_is_the_owners_alone(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "deep" / "home")
    assert {path.stat().st_mode & 0o777 for path in (home, *home.iterdir())} == {0o700}


def test_a_home_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match="choose another home"):
        prepare_home(tmp_path / "file" / "home")


def test_progress_is_heard_while_somebody_listens() -> None:
    heard: list[Progress] = []
    with listening(heard.append):
        tell("reading", 1, 2, "half", unit="files")
    tell("reading", 2, 2)
    assert heard == [Progress("reading", 1, 2, "half", "files")]


def test_a_record_that_went_missing_is_not_silently_begun_again(trained: Trained) -> None:
    (trained.home / "mriad.db").write_bytes(b"")
    with pytest.raises(RecordError, match="backup"):
        database(str(trained.home))
    (trained.home / "mriad.db").unlink()
    with pytest.raises(RecordError, match="backup"):
        database(str(trained.home))
