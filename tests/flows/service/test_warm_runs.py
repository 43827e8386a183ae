"""Forked runs are as those that Prefect's runner starts: environment, folder, end, death."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from flows.service.warm_runs import WarmRuns
from tests.conftest import REPOSITORY
from tests.support.processes.waiting import until

# In a process of its own: this one has threads.
STARTS = """
import asyncio, json, os, signal, sys
from pathlib import Path
import prefect.main
from flows.service.warm_runs import WarmRuns

folder, ends, how = Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3]
warm = WarmRuns("tests.support.processes.engine", late=("tabnanny", "no_such_module"))
if how == "warm":
    warm.warm_up()

def environment(number, end):
    return {"TOLD": str(folder / f"{number}.json"), "END": end, "PREFECT_HOME": str(folder)}

def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False

async def gone(pid):
    while alive(pid):
        await asyncio.sleep(0.02)

async def main():
    begun = [await warm.begin(environment(n, end), str(folder)) for n, end in enumerate(ends)]
    if how in ("end", "warm"):
        return [(await each.ended()).returncode for each in begun]
    (waits,) = begun
    pid = waits.process.pid
    told = folder / "0.json"
    while not told.exists() or not told.read_text():
        await asyncio.sleep(0.02)
    if how == "cancel":
        waiting = asyncio.ensure_future(waits.ended())
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.wait([waiting])
    elif how == "forker":
        forker = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        os.kill(forker, signal.SIGKILL)
        assert (await waits.ended()).returncode == -signal.SIGKILL
        try:
            await warm.begin(environment(1, "0"), None)
        except OSError:
            pass
        else:
            raise AssertionError
    elif how == "server":
        print(json.dumps(pid), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    await gone(pid)
    return pid

print(json.dumps(asyncio.run(main())))
"""


def started(folder: Path, ends: str, how: str = "end") -> Any:
    done = subprocess.run(
        [sys.executable, "-c", STARTS, str(folder), ends, how],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},  # runs stand in another folder
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def told(folder: Path, number: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{number}.json").read_text())
    return found


def test_runs_have_their_environment_and_folder_and_their_end_is_told(tmp_path: Path) -> None:
    assert started(tmp_path, "0,3,raises,killed") == [0, 3, 1, -9]
    found = [told(tmp_path, number) for number in range(4)]
    assert len({each["pid"] for each in found}) == 4
    assert {each["cwd"] for each in found} == {str(tmp_path)}
    assert [each["environment"]["END"] for each in found] == ["0", "3", "raises", "killed"]
    assert "PATH" not in found[0]["environment"]  # it has what it is given, and no more
    assert "tabnanny" not in found[0]["modules"]  # nobody asked for it
    ended = {each.stem for each in tmp_path.glob("*.ended")}
    assert ended == {"0", "1", "2"}  # what is to be done at the end is done


def test_runs_find_imported_what_they_need_late_once_it_was_asked_for(tmp_path: Path) -> None:
    assert started(tmp_path, "0", "warm") == [0]  # also where a module can't be imported
    assert "tabnanny" in told(tmp_path, 0)["modules"]


@pytest.mark.parametrize("how", ["cancel", "forker", "server"])
def test_no_run_outlives_who_waits_for_it(tmp_path: Path, how: str) -> None:
    pid = started(tmp_path, "waits", how)
    assert pid == told(tmp_path, 0)["pid"]
    until(lambda: has_ended(pid))


def has_ended(pid: int) -> bool:
    """Also as a zombie, until init looks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_a_process_with_threads_is_not_forked() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="threads"):
            WarmRuns()
    finally:
        done.set()
        thread.join()
