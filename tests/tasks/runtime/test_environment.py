"""What sways the last bits of a score is recorded with the run, and named where it differs."""

import json
import os
import socket
import subprocess
import sys

from db.repository.runs import run_by_id
from tasks.runtime.environment import VARIABLES, differences, environment_now, recorded_environment
from tasks.runtime.runs import recorded_run
from tests.support.places import REPOSITORY
from tests.tasks.conftest import Bench


def recorded(bench: Bench, device: str) -> str | None:
    with recorded_run(bench.engine, "score_new_scans", None, device) as run:
        pass
    row, _ = run_by_id(bench.engine, run.id)
    return row.environment


def test_a_run_that_scores_records_its_environment(bench: Bench) -> None:
    text = recorded(bench, "cpu")
    assert text is not None
    assert json.loads(text) == environment_now()
    assert recorded_environment(text) == environment_now()


def test_a_run_that_computes_no_score_records_none(bench: Bench) -> None:
    assert recorded(bench, "none") is None
    assert recorded_environment(None) is None
    assert recorded_environment("[]") is None
    assert recorded_environment("{") is None


def test_neither_the_host_nor_a_path_is_recorded(bench: Bench) -> None:
    variables = {name: f"/home/someone/{name}" for name in VARIABLES}
    text = json.dumps(environment_now(variables))
    assert "/" not in text.replace("w/", "")
    assert socket.gethostname() not in text
    assert environment_now(variables)["variables"] == dict.fromkeys(VARIABLES, "(set)")


def test_what_differs_is_named_with_both_values() -> None:
    before = {"torch_cpu": "AVX512", "machine": "x86_64", "variables": {"OMP_NUM_THREADS": "1"}}
    after = {"torch_cpu": "AVX2", "machine": "x86_64", "variables": {"MKL_CBWR": "AVX2"}}
    assert differences(before, before) == {}
    assert differences(before, after) == {
        "MKL_CBWR": [None, "AVX2"],
        "OMP_NUM_THREADS": ["1", None],
        "torch_cpu": ["AVX512", "AVX2"],
    }


def test_a_variable_that_chooses_the_kernels_is_seen_in_the_environment() -> None:
    """Asked of a fresh process: torch reads the variable once."""
    code = "import json; from tasks.runtime.environment import environment_now as now"
    code += "; print(json.dumps(now()))"
    found = subprocess.run(  # our own interpreter
        [sys.executable, "-c", code],
        env=os.environ | {"ATEN_CPU_CAPABILITY": "default"},
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    now = json.loads(found.stdout)
    assert now["variables"]["ATEN_CPU_CAPABILITY"] == "default"
    assert now["torch_cpu"] == "DEFAULT"
