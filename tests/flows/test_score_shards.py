"""A run and its shards: they share the scans, and what comes of it is one run's."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed

from db.engine.connect import open_record
from db.entities import Run
from db.repository.intake.scans import scans_by_id
from db.repository.reports.history import decisions
from db.repository.reports.history_query import HistoryQuery
from db.repository.runs import start_run, with_shards
from db.repository.training.models import dataset_roles
from db.timestamps import now
from flows import score_shards
from flows.runtime.deployments import deployments
from flows.runtime.settings import read_settings
from flows.score import ScoringResult, score_new_scans
from flows.score_shards import SHARED, score_shard
from mriad_model.errors import SettingsError
from mriad_model.paths import escape_path
from mriad_model.phantom.write import write_folder
from tasks.runtime.home import work_folder
from tasks.scoring.chunks import SharedChunks, chunks_of
from tasks.scoring.selection import still_undecided
from tests.conftest import Trained


@pytest.fixture
def undecided(trained: Trained) -> list[int]:
    engine = open_record(trained.home)
    roles = dataset_roles(engine, 1)
    taught = {i for i, role in roles.items() if role.value in ("train", "validation")}
    return [i for i in scans_by_id(engine, range(1, 31)) if i not in taught]


@dataclass(frozen=True)
class Shards:
    """What the Prefect server knows of the shards; what becomes of them is the test's to say."""

    client: SyncPrefectClient
    deployment: UUID

    def runs(self) -> list[FlowRun]:
        """In the order in which they were asked for."""
        only = DeploymentFilter(id=DeploymentFilterId(any_=[self.deployment]))
        found = self.client.read_flow_runs(deployment_filter=only)
        return sorted(found, key=lambda each: each.parameters["shard"])

    def states(self) -> list[StateType | None]:
        return [each.state_type for each in self.runs()]


@pytest.fixture
def shards(prefect_server: None) -> Iterator[Shards]:
    """The deployment of shards is there, and no worker."""
    (planned,) = [each for each in deployments(read_settings()) if each.name == "score-shard"]
    deployment = cast(UUID, planned.to_serve().apply())
    with get_client(sync_client=True) as client:
        yield Shards(client, deployment)
        client.delete_deployment(deployment)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Five files that nobody has read, and one that is no scan."""
    folder = tmp_path / "new"
    write_folder(folder, 0, 5, seed=97, size=128)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    return folder


def begin_night(trained: Trained) -> tuple[int, str]:
    """A run that is under way elsewhere: its row, and what Prefect knows it by."""
    flow_run_id = str(uuid4())
    row = Run("score_new_scans", flow_run_id, "0", None, "{}", "cpu", now())
    return start_run(open_record(trained.home), row), flow_run_id


def score(trained: Trained, folder: Path | None = None, **options: object) -> ScoringResult:
    where = escape_path(folder or trained.heads)
    return score_new_scans(trained.home, where, device="cpu", **options)


def decided(trained: Trained) -> list[tuple[str, float, str]]:
    rows = decisions(open_record(trained.home), HistoryQuery(limit=None))
    return sorted((str(row.path), row.score, row.verdict.value) for row in rows)


def test_a_shards_decisions_are_in_the_report_of_the_night_after_its_own_died(
    trained: Trained, undecided: list[int]
) -> None:
    run_id, flow_run_id = begin_night(trained)
    with work_folder(trained.home, run_id) as scratch:
        wanted = still_undecided(str(trained.home), trained.threshold_id, undecided)
        SharedChunks(trained.home, scratch / SHARED).write(chunks_of(wanted, [], 4))
        shard = score_shard(flow_run_id, trained.threshold_id, 1, 2, trained.home)
        assert (shard.scored, shard.unreadable) == (len(undecided), 0)
        again = score_shard(flow_run_id, trained.threshold_id, 1, 2, trained.home)
        assert again.scored == 0
    assert len(with_shards(open_record(trained.home), [run_id])) == 3
    night = score(trained)
    assert (night.scored, night.recovered) == (0, len(undecided))


def test_a_shard_that_comes_after_the_end_finds_nothing_to_do(trained: Trained) -> None:
    _, flow_run_id = begin_night(trained)
    shard = score_shard(flow_run_id, trained.threshold_id, 1, 2, trained.home)
    assert (shard.scored, shard.unreadable) == (0, 0)


def test_a_worker_with_another_record_refuses_to_help(trained: Trained) -> None:
    with pytest.raises(SettingsError, match="not in this worker's record"):
        score_shard(str(uuid4()), trained.threshold_id, 1, 2, trained.home)


def test_where_nobody_serves_shards_the_run_scores_all_itself(
    trained: Trained, undecided: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    found = score(trained, shards=3, chunk_size=4)
    assert (found.scored, found.unreadable) == (len(undecided), 0)
    assert score_shards.NO_DEPLOYMENT in capsys.readouterr().err


@pytest.mark.parametrize("doer", ["the run itself", "its shard"])
def test_a_shared_night_comes_to_what_one_run_alone_comes_to(
    doer: str, trained: Trained, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(parameters: dict[str, object], shard: int, shards: int) -> UUID:
        if doer == "its shard":
            score_shard(**parameters, shard=shard, shards=shards)
        return uuid4()

    monkeypatch.setattr(score_shards, "_submit", work)
    found = score(trained, scans, shards=2, chunk_size=2)
    rows = decided(trained)
    assert (found.new, found.known, found.scored) == (5, 0, 5)
    assert [each.reason for each in found.rejected] == ["truncated"]
    again = score(trained, scans, shards=2, chunk_size=2)
    assert (again.new, again.known, again.scored, again.recovered) == (0, 5, 0, 0)
    assert [each.reason for each in again.rejected] == ["truncated"]
    assert decided(trained) == rows
    assert len(rows) == 5


def test_shards_are_told_numbers_alone_and_cancelled_when_nothing_is_left(
    trained: Trained, undecided: list[int], shards: Shards
) -> None:
    found = score(trained, shards=3, chunk_size=4)
    assert (found.scored, found.unreadable) == (len(undecided), 0)
    assert shards.states() == [StateType.CANCELLED] * 2
    for number, run in enumerate(shards.runs(), start=1):
        assert {**run.parameters, "of_run": "", "home": ""} == {
            "of_run": "",
            "threshold_id": trained.threshold_id,
            "shard": number,
            "shards": 3,
            "home": "",
        }
    assert list((trained.home / "work").iterdir()) == []


def test_what_shards_that_died_have_not_done_the_run_does(
    trained: Trained, undecided: list[int], shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = score_shards._submit

    def die(*given: object) -> UUID:
        run = submit(*given)
        shards.client.set_flow_run_state(run, Crashed(), force=True)
        return run

    monkeypatch.setattr(score_shards, "_submit", die)
    found = score(trained, shards=2, chunk_size=1)
    assert (found.scored, found.unreadable) == (len(undecided), 0)
    assert shards.states() == [StateType.CRASHED]
