"""What items that take too long may cost a folder, and what becomes of the others."""

from mriad_model.errors import RejectedFile
from mriad_model.readers.sandbox.pool import ReaderPool
from mriad_model.readers.sandbox.time_budget import TimeBudget
from mriad_model.readers.sandbox.worker import ChildLimits
from tests.support.processes import isolated


def late(budget, folder):
    """One more item of the folder takes too long; (seconds it had, reason)."""
    seconds = budget.allowed(folder)
    return seconds, budget.late(folder, seconds).reason.value


def test_the_first_late_ones_of_a_folder_have_the_whole_time_and_the_next_a_little():
    budget = TimeBudget(60, quick_seconds=3, n_late=2, n_put_off=3)
    found = [late(budget, "a") for _ in range(5)]
    assert found == [(60, "timed_out")] * 2 + [(3, "unreadable")] * 3
    assert budget.allowed("a") == 0
    assert budget.allowed("b") == 60


def test_late_ones_of_many_folders_cost_the_run_no_more_than_a_stated_number():
    budget = TimeBudget(60, quick_seconds=3, n_late=2, n_late_in_all=3, n_put_off=1)
    had = [late(budget, folder)[0] for folder in ("a", "a", "b", "b", "c")]
    assert had == [60, 60, 60, 3, 3]
    assert [budget.allowed(folder) for folder in "abcd"] == [3, 0, 0, 3]


def test_a_folder_of_late_items_is_left_and_the_others_are_read(tmp_path):
    names = ["a/1bad", "a/2", "a/3bad", "a/4bad", "a/5", "b/1", "b/2bad", "b/3"]
    budget = TimeBudget(2, quick_seconds=1.5, n_late=1, n_put_off=1)  # for many tests at once
    with ReaderPool(1, ChildLimits(seconds=2)) as readers:
        found = readers.map(
            isolated.tells_and_loops_if_bad,
            [(name, tmp_path / "tried") for name in names],
            together=20,
            budget=budget,
            folder_of=lambda job: job[0][:1],
        )
        reasons = [x.reason.value if isinstance(x, RejectedFile) else x for x in found]
    assert reasons == [
        *("timed_out", "a/2", "unreadable", "unreadable", "unreadable"),
        *("b/1", "timed_out", "b/3"),
    ]
    tried = (tmp_path / "tried").read_text().split()
    assert {"a/4bad", "a/5"}.isdisjoint(tried)
    assert all(tried.count(name) == 1 for name in names if name.endswith("bad") and name in tried)


def test_of_items_that_travel_alone_a_few_more_are_tried_and_the_rest_is_not(tmp_path):
    budget = TimeBudget(0.5, quick_seconds=0.3, n_late=1, n_put_off=1)
    with ReaderPool(1, ChildLimits(seconds=0.5)) as readers:
        jobs = [(f"{number}bad", tmp_path / "tried") for number in range(12)]
        found = list(
            readers.map(
                isolated.tells_and_loops_if_bad, jobs, budget=budget, folder_of=lambda _: "a"
            )
        )
    assert all(isinstance(each, RejectedFile) for each in found)
    assert found[-1].detail.startswith("not tried")
    assert len(set((tmp_path / "tried").read_text().split())) < 12


def test_without_a_budget_every_item_has_the_whole_time():
    with ReaderPool(1, ChildLimits(seconds=0.5)) as readers:
        found = list(readers.map(isolated.loops_on_three, [3, 3, 3, 3, 3], together=5))
    assert [each.detail for each in found] == ["took longer than 0.5 s"] * 5
