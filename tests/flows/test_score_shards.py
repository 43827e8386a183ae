"""A run and its shards: they share the scans, and what comes of it is one run's."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Cancelled, Completed, Crashed, Failed, Running

from db.engine.connect import open_record
from db.entities import Run
from db.repository.models import dataset_roles
from db.repository.runs import start_run, with_shards
from db.repository.scans import scans_by_id
from db.timestamps import now
from flows import score_shards as sharing
from flows.deployments import deployments
from flows.score import ScoringResult, Sharing, score_new_scans
from flows.score_shards import ShardPool, score_shard
from flows.settings import read_settings
from mriad_model.errors import SettingsError
from mriad_model.paths import escape_path
from mriad_model.phantom.write import write_folder
from tasks.runtime.batching import numbers_in, ranges_of
from tasks.scoring.claiming import claim, claimant_of, renewed
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
        return sorted(found, key=lambda each: each.idempotency_key or "")

    def states(self) -> list[StateType | None]:
        return [each.state_type for each in self.runs()]

    def scans(self) -> list[list[int]]:
        """That each is to go through."""
        return [numbers_in(each.parameters["scan_ids"]) for each in self.runs()]

    def become(self, state: State[None], of: int = -1) -> None:
        self.client.set_flow_run_state(self.runs()[of].id, state, force=True)


@pytest.fixture
def shards(prefect_server: None) -> Iterator[Shards]:
    """The deployment of shards is there, and no worker."""
    (planned,) = [each for each in deployments(read_settings()) if each.name == "score-shard"]
    deployment = cast(UUID, planned.to_serve().apply())
    with get_client(sync_client=True) as client:
        yield Shards(client, deployment)
        client.delete_deployment(deployment)


def begin_night(trained: Trained) -> tuple[int, str]:
    """A run that is under way elsewhere: its row, and what Prefect knows it by."""
    flow_run_id = str(uuid4())
    row = Run("score_new_scans", flow_run_id, "0", None, "{}", "cpu", now())
    return start_run(open_record(trained.home), row), flow_run_id


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
    assert len(with_shards(engine, [run_id])) == 2
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


def test_a_shard_whose_run_crashed_is_begun_again_over_the_same_scans(
    shards: Shards, tmp_path: Path
) -> None:
    helpers = ShardPool(tmp_path, str(uuid4()), threshold_id=1)
    helpers.start(range(1, 10), shards=2)
    first, second = shards.scans()
    assert sorted(first) == sorted(second) == list(range(1, 10))
    assert first[0] != second[0]  # each begins at another place
    shards.become(Running(), of=0)
    assert helpers.are_busy()
    shards.become(Crashed(), of=0)
    shards.become(Running(), of=1)
    assert helpers.are_busy()
    assert shards.scans() == [first, first, second]
    assert shards.states() == [StateType.CRASHED, StateType.SCHEDULED, StateType.RUNNING]
    helpers.end()
    assert shards.states() == [StateType.CRASHED, StateType.CANCELLED, StateType.RUNNING]


@pytest.mark.parametrize("how", [Crashed, Failed])
def test_a_shard_that_never_succeeds_is_tried_three_times_and_no_more(
    shards: Shards, tmp_path: Path, how: type[State[None]]
) -> None:
    helpers = ShardPool(tmp_path, str(uuid4()), threshold_id=1)
    helpers.start(range(1, 10), shards=1)
    for tried in (1, 2, 3, 3, 3):
        assert len(shards.runs()) == tried
        shards.become(how())
        assert not helpers.are_busy()
    helpers.end()
    assert len(shards.runs()) == 3


@pytest.mark.parametrize("how", [Completed, Cancelled])
def test_a_shard_that_is_done_or_was_called_off_is_not_begun_again(
    shards: Shards, tmp_path: Path, how: type[State[None]]
) -> None:
    helpers = ShardPool(tmp_path, str(uuid4()), threshold_id=1)
    helpers.start(range(1, 10), shards=1)
    shards.become(how())
    assert not helpers.are_busy()
    assert len(shards.runs()) == 1


def test_a_night_all_of_whose_shards_die_scores_everything_itself(
    trained: Trained, undecided: list[int], shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "LOOK_AGAIN_SECONDS", 0.0)
    over = threading.Event()

    def die() -> None:
        with get_client(sync_client=True) as client:
            seen = Shards(client, shards.deployment)
            while not over.wait(0.02):
                for number, state in enumerate(seen.states()):
                    if state is StateType.SCHEDULED:
                        seen.become(Crashed(), of=number)

    death = threading.Thread(target=die)
    death.start()
    try:
        found = score(trained, sharing=Sharing(shards=2), chunk_size=1)
    finally:
        over.set()
        death.join()
    assert (found.scored, found.elsewhere, found.unreadable) == (len(undecided), 0, 0)
    assert 2 <= len(shards.runs()) <= 3
    assert set(shards.states()) <= {StateType.CRASHED, StateType.CANCELLED}
