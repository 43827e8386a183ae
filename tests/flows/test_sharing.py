"""A run and its shards: they share the scans, and what comes of it is one run's."""

from pathlib import Path
from uuid import uuid4

import pytest

from db import history, record
from db.engine import open_record
from db.times import now
from flows.scoring import ScoringResult, Sharing, score_new_scans
from flows.sharing import score_shard
from mriad_model.errors import SettingsError
from mriad_model.nouns import Run
from mriad_model.paths import escape_path
from mriad_model.phantom import write_folder
from tasks.chunks import numbers_in, ranges_of
from tasks.claiming import claim, claimant_of, renewed
from tests.conftest import Trained


@pytest.fixture
def undecided(trained: Trained) -> list[int]:
    engine = open_record(trained.home)
    roles = history.dataset_roles(engine, 1)
    taught = {i for i, role in roles.items() if role.value in ("train", "validation")}
    return [i for i in history.scans_by_id(engine, range(1, 31)) if i not in taught]


def begin_night(trained: Trained) -> tuple[int, str]:
    """A run that is under way elsewhere: its row, and what Prefect knows it by."""
    flow_run_id = str(uuid4())
    row = Run("score_new_scans", flow_run_id, "0", None, "{}", "cpu", now())
    return record.start_run(open_record(trained.home), row), flow_run_id


def score(trained: Trained, **options: object) -> ScoringResult:
    return score_new_scans(trained.home, escape_path(trained.heads), device="cpu", **options)


def test_scans_that_a_living_run_holds_are_left_to_it_and_counted(
    trained: Trained, undecided: list[int]
) -> None:
    home = str(trained.home)
    other = claimant_of(99, trained.model_id, trained.threshold_id)  # of this process
    with renewed(home, other):
        assert claim(home, other, undecided[:3]).ours == undecided[:3]
        found = score(trained)
    assert (found.scored, found.elsewhere) == (len(undecided) - 3, 3)
    assert "another run was at work on them" in (trained.home / found.report).read_text()
    again = score(trained)
    assert (again.scored, again.elsewhere) == (3, 0)


def test_a_shards_decisions_are_in_the_report_of_the_run_it_helped(
    trained: Trained, undecided: list[int]
) -> None:
    run_id, flow_run_id = begin_night(trained)  # and it dies
    half = undecided[: len(undecided) // 2]
    shard = score_shard(flow_run_id, trained.threshold_id, ranges_of(half), trained.home)
    assert (shard.scored, shard.unreadable, shard.elsewhere) == (len(half), 0, 0)
    engine = open_record(trained.home)
    assert len(history.with_shards(engine, [run_id])) == 2
    again = score_shard(flow_run_id, trained.threshold_id, ranges_of(undecided), trained.home)
    assert again.scored == len(undecided) - len(half)
    night = score(trained)
    assert (night.scored, night.recovered) == (0, len(undecided))


def test_a_worker_with_another_record_refuses_to_help(trained: Trained) -> None:
    with pytest.raises(SettingsError, match="not in this worker's record"):
        score_shard(str(uuid4()), trained.threshold_id, [(1, 30)], trained.home)


def test_where_nobody_serves_shards_the_run_scores_all_itself(
    trained: Trained, undecided: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    found = score(trained, sharing=Sharing(shards=3), chunk_size=4)
    assert (found.scored, found.elsewhere, found.unreadable) == (len(undecided), 0, 0)
    assert "no deployment score_shard/score-shard" in capsys.readouterr().err


def test_new_files_are_registered_before_they_are_shared(trained: Trained, tmp_path: Path) -> None:
    scans = tmp_path / "new"
    write_folder(scans, 0, 5, seed=97, size=128)
    (scans / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    found = score_new_scans(
        trained.home, escape_path(scans), device="cpu", chunk_size=2, sharing=Sharing(shards=2)
    )
    assert (found.new, found.scored, len(found.rejected)) == (5, 5, 1)


def test_ids_travel_to_a_shard_as_ranges_in_their_order() -> None:
    ids = [7, 8, 9, 3, 11, 12, 1]
    assert ranges_of(ids) == [(7, 9), (3, 3), (11, 12), (1, 1)]
    assert numbers_in(ranges_of(ids)) == ids
    assert numbers_in(ranges_of([])) == []
