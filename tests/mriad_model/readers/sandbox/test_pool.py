"""Children that abort, loop and eat memory, and a parent that goes on."""

import itertools
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile, SettingsError
from mriad_model.readers.sandbox.pool import ReaderPool
from mriad_model.readers.sandbox.worker import ChildLimits
from tests.support.places import REPOSITORY
from tests.support.processes import isolated
from tests.support.processes.waiting import until


@pytest.fixture(scope="module")
def readers():
    with ReaderPool(2) as started:
        yield started


def reasons(results):
    """Reasons where there is one, results elsewhere."""
    return [each.reason.value if isinstance(each, RejectedFile) else each for each in results]


class TestGoodItems:
    @pytest.mark.parametrize("together", [1, 3, 100])
    def test_come_back_in_order(self, readers, together):
        found = list(readers.map(isolated.slow_if_even, range(12), together=together))
        assert found == list(range(12))

    def test_may_be_arrays(self, readers):
        for side, array in zip((3, 700), readers.map(isolated.array_of, (3, 700)), strict=True):
            np.testing.assert_array_equal(array, np.full((side, side), side, np.uint16))

    def test_may_be_none_at_all(self, readers):
        assert list(readers.map(isolated.double, [])) == []

    def test_are_taken_as_they_are_needed(self, readers):
        taken = []
        endless = (taken.append(i) or i for i in itertools.count())
        results = readers.map(isolated.double, endless, together=5)
        assert [next(results) for _ in range(20)] == [2 * i for i in range(20)]
        assert len(taken) <= 20 + 5 * 2 * 3
        results.close()

    def test_of_two_threads_do_not_mix(self, readers):
        def squares(start):
            return list(readers.map(isolated.double, range(start, start + 200), together=7))

        with ThreadPoolExecutor(4) as threads:
            starts = range(0, 800, 200)
            for start, found in zip(starts, threads.map(squares, starts), strict=True):
                assert found == [2 * i for i in range(start, start + 200)]


class TestAnItemThat:
    @pytest.mark.parametrize("together", [1, 6])
    def test_aborts_is_rejected_alone(self, readers, together):
        found = readers.map(isolated.aborts_on_three, range(6), together=together)
        assert reasons(found) == [0, 1, 2, "reader_died", 4, 5]

    def test_is_followed_by_good_ones_finds_a_new_child(self, readers):
        (before,) = readers.map(isolated.pid, [0])
        assert reasons(readers.map(isolated.aborts_on_three, [3, 3, 3, 3])) == ["reader_died"] * 4
        assert all(isinstance(each, int) for each in readers.map(isolated.pid, range(4)))
        assert before not in set(readers.map(isolated.pid, range(8)))

    @pytest.mark.parametrize("together", [1, 3])
    def test_loops_is_timed_out_alone(self, together):
        with ReaderPool(2, ChildLimits(seconds=0.5)) as readers:
            found = readers.map(isolated.loops_on_three, (2, 3, 4), together=together)
            assert reasons(found) == [2, "timed_out", 4]

    def test_takes_too_long_among_others_is_tried_once(self, tmp_path):
        items = [(number, tmp_path / "tried") for number in range(8)]
        with ReaderPool(1, ChildLimits(seconds=0.5)) as readers:
            found = readers.map(isolated.tells_and_loops_on_three, items, together=8)
            assert reasons(found) == [0, 1, 2, "timed_out", 4, 5, 6, 7]
        assert (tmp_path / "tried").read_text().split().count("3") == 1

    @pytest.mark.parametrize("function", [isolated.exhausts_memory, isolated.eats_on_three])
    def test_eats_memory_is_too_large_and_never_gets_it(self, readers, function):
        found = readers.map(function, (2, 3, 4), together=3)
        assert reasons(found) == [2, "too_large", 4]
        assert max(readers.map(isolated.peak_mib, range(20))) < 1536

    def test_gives_more_than_can_be_sent_is_too_large(self, readers):
        assert reasons(readers.map(isolated.too_much_to_send, [1])) == ["too_large"]

    def test_is_rejected_comes_back_with_its_reason(self, readers):
        (found,) = readers.map(isolated.refuses, [7])
        assert (found.reason, found.detail) == (RejectionReason.CORRUPT, "item 7")

    def test_shows_a_mistake_of_ours_raises_it_here(self, readers):
        with pytest.raises(KeyError, match="item 3") as caught:
            list(readers.map(isolated.fails, [3]))
        assert "isolated.py" in "".join(caught.value.__notes__)

    def test_raises_what_cannot_travel_raises_a_likeness(self, readers):
        with pytest.raises(RuntimeError, match="Stubborn: stubborn"):
            list(readers.map(isolated.fails_stubbornly, [3]))

    def test_returns_what_cannot_travel_is_a_mistake_of_ours(self, readers):
        with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
            list(readers.map(isolated.returns_what_cannot_travel, [3]))
        assert list(readers.map(isolated.double, [1])) == [2]


class TestAChild:
    def test_has_no_torch_and_no_workflow_engine(self, readers):
        import torch  # noqa: F401 - in the parent

        (state,) = readers.map(isolated.state, [0])
        assert not state["modules"] & {"torch", "prefect", "sqlalchemy", "matplotlib", "pytest"}
        assert {"cv2", "pydicom", "PIL"} <= state["modules"]

    def test_has_one_thread_and_dumps_no_core(self, readers):
        (state,) = readers.map(isolated.state, [0])
        assert state["threads"] == 1
        assert state["core"] == (0, 0)

    def test_does_not_speak_to_the_users_terminal(self, readers, capfd):
        assert list(readers.map(isolated.speaks, [0])) == [0]
        assert capfd.readouterr() == ("", "")

    def test_that_cannot_be_started_is_no_fault_of_the_file(self, monkeypatch):
        monkeypatch.setattr("mriad_model.readers.sandbox.pool.enter_child", isolated.refuses)
        with (
            ReaderPool(1) as readers,
            pytest.raises(SettingsError, match="no child can be started"),
        ):
            list(readers.map(isolated.double, [1]))

    @pytest.mark.parametrize("gone", [False, True], ids=["at once", "when it is gone"])
    def test_that_is_killed_while_it_has_nothing_to_do_costs_no_item(self, gone):
        with ReaderPool(1) as readers:
            (idle,) = readers.map(isolated.pid, [0])
            os.kill(idle, signal.SIGKILL)
            if gone:
                until(lambda: not lives(idle))
            assert list(readers.map(isolated.double, range(5))) == [0, 2, 4, 6, 8]

    def test_is_gone_when_its_readers_are_closed(self):
        with ReaderPool(2) as readers:
            pids = set(readers.map(isolated.pid, range(8)))
        assert not any(lives(pid) for pid in pids)

    def test_in_a_loop_is_gone_when_its_readers_are_closed(self, tmp_path):
        path = tmp_path / "pid"
        with ReaderPool(1) as readers, ThreadPoolExecutor(1) as threads:
            ending = threads.submit(
                lambda: list(readers.map(isolated.says_its_pid_and_loops, [str(path)]))
            )
            until(lambda: path.exists() and path.read_text())
            readers.close()
            assert ending.exception(10) is not None
        assert not lives(int(path.read_text()))

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills children with parents")
    def test_in_a_loop_does_not_survive_a_killed_parent(self, tmp_path):
        path = tmp_path / "pid"
        script = (
            "from mriad_model.readers.sandbox.pool import ReaderPool\n"
            "from tests.support.processes import isolated\n"
            f"list(ReaderPool(1).map(isolated.says_its_pid_and_loops, [{str(path)!r}]))\n"
        )
        parent = subprocess.Popen([sys.executable, "-c", script], cwd=REPOSITORY)
        until(lambda: path.exists() and path.read_text())
        child = int(path.read_text())
        server = parent_of(child)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until(lambda: not lives(child) and not lives(server))


def test_a_rejection_goes_from_one_process_to_another():
    error = RejectedFile(RejectionReason.GAP, "12 mm")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.reason, copy.detail) == (str(error), error.reason, error.detail)


def parent_of(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("PPid:")[1].split()[0])


def lives(pid):
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        os.kill(pid, 0)
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
