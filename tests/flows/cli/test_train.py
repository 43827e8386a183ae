"""`mriad train` with what it is taught beside healthy scans, on drawn heads."""

import json
from pathlib import Path

import pytest

from mriad_model.phantom.write import write_folder
from tests.support.processes.commands import run


def test_a_model_learns_of_abnormal_scans_and_is_adapted_to_another_scanner(
    served: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, options = tmp_path / "home", ("--epochs", 1, "--device", "cpu", "--json")

    def command(*words: object) -> dict[str, object]:
        status, out, err = run(capsys, *words, "--home", home)
        assert status == 0, err
        return dict(json.loads(out))

    scans, masks = tmp_path / "one" / "scans", tmp_path / "one" / "masks"
    write_folder(scans, 9, 3, seed=3, size=128, masks=masks)
    command("ingest", scans / "no", "--label", "healthy", "--json")
    command("ingest", scans / "yes", "--label", "abnormal", "--json")
    first = command("train", "--use-abnormal", "--masks", masks, *options)
    assert (first["n_abnormal"], first["n_masks"], first["n_folds"]) == (3, 3, 3)
    assert (first["n_train"], first["n_calibration"], first["from_model_id"]) == (9, 9, None)
    write_folder(tmp_path / "two" / "scans", 8, 0, seed=900, size=96)
    other = tmp_path / "two" / "scans" / "no"
    command("ingest", other, "--label", "healthy", "--json")
    second = command("train", "--from", "active", *options)
    assert second["from_model_id"] == first["model_id"]
    assert (second["n_train"], second["n_calibration"], second["n_abnormal"]) == (8, 8, 0)
    compared = second["comparison"]
    assert isinstance(compared, dict)
    assert compared["active_model_id"] == first["model_id"]
    verified = command("verify", "--all", "--device", "cpu", "--json")
    assert verified["faults"] == []
