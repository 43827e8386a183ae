"""What `mriad recalibrate` prints, and where it has nothing to do."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from db.engine.connect import open_record
from db.entities import Run, Threshold
from db.repository.runs import start_run
from db.repository.training.models import activate
from flows.cli import options
from flows.cli.threshold_lines import show_recalibrate
from mriad_model.detection.decisions.thresholds import Flips, ThresholdFit
from mriad_model.enums import Policy
from mriad_model.errors import HomeError
from mriad_model.recipes.built_in_recipes import AUTOENCODER
from tasks.calibration.thresholds import Proposal
from tests.support.processes.commands import run
from tests.support.record.hand import Hand

DRAWN = Threshold(1, 1, Policy.RATE, 0, 1, 45, 0.05, 2, 1, "noon", 40, 0.049, 0.006, 0.132, id=1)


def test_a_recalibration_to_the_active_threshold_says_so_and_starts_no_server(
    migrated: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(*_: object) -> None:
        raise HomeError("no server here")

    monkeypatch.setattr(options, "prefect_server", start)
    home = Path(shutil.copytree(migrated, tmp_path / "home"))
    hand = Hand(open_record(home))
    train, *calibration = hand.scans("taught", "calibrates", "calibrates too")
    dataset = hand.dataset(train=[train], calibration=calibration)
    model = hand.model(dataset, recipe=AUTOENCODER.to_json())
    threshold = hand.threshold(model, dataset)
    activate(hand.engine, threshold, "first", "me")
    hand.decide(model, None, dict(zip(calibration, (0.3, 0.5), strict=True)))

    def told(*options: str, status: int = 0) -> str:
        ended, out, err = run(capsys, "recalibrate", *options, "--home", home)
        assert ended == status, err
        return out

    same = f"Threshold {threshold} is that already, and active: "
    assert told().startswith(same + "nothing was drawn, and no scan is decided anew.")
    assert told("--dry-run", "--sigmas", "1").startswith(same + "nothing would change.")
    document = json.loads(told("--json"))
    assert (document["unchanged"], document["threshold_id"]) == (True, threshold)
    assert json.loads(told("--dry-run", "--sigmas", "2", "--json"))["unchanged"] is False
    begun = Run("recalibrate_threshold", "killed", "0.1.0", None, "{}", "cpu", hand.noon)
    start_run(hand.engine, begun)  # and not ended: it may have left scans undecided
    told(status=1)


@pytest.mark.parametrize(("k", "told"), [(2.0, False), (1.0, True)])
def test_a_threshold_of_another_policy_than_the_active_one_says_so(
    k: float, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    active = replace(DRAWN, policy=Policy.SIGMAS, k=2.0, id=7)
    fit = ThresholdFit(Policy.SIGMAS, 0, 1, 45, k, k)
    proposal = Proposal(1, 1, None, fit, 3, Flips(0, 0))
    show_recalibrate(proposal, None, active, asked=False, as_json=False)
    said = "Another policy than that of threshold 7, the active one until now"
    assert (f"{said}: to keep that, give --sigmas 2." in capsys.readouterr().out) is told


def test_a_threshold_that_comes_out_as_the_active_one_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    active = replace(DRAWN, policy=Policy.RATE, k=0.05, value=2.0, id=7)
    proposal = Proposal(1, 1, None, ThresholdFit(Policy.RATE, 0, 1, 45, 0.06, 2.0), 3, Flips(0, 0))
    show_recalibrate(proposal, 8, active, asked=True, as_json=False, ran=True)
    assert "It has the value of threshold 7, the active one until now." in capsys.readouterr().out
    proposal = replace(proposal, fit=replace(proposal.fit, k=0.05))
    show_recalibrate(proposal, 7, active, asked=True, as_json=False, ran=True)
    told = capsys.readouterr().out
    assert told.startswith("Threshold 7 is that already, and active: it stays")
    assert "turned" not in told
