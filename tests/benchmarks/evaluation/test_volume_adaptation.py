"""What is told of tested volumes, before and after a model is adapted."""

from pathlib import Path

import numpy as np

from benchmarks.evaluation.trial_home import Decided
from benchmarks.evaluation.volume_adaptation import HeldOut, wins
from mriad_model.enums import Verdict


def test_an_infarct_is_ranked_among_heads_of_other_people_that_have_a_score() -> None:
    healthy, ill = np.array([1.0, 2.0, np.nan]), np.array([1.0, 3.0])
    found = wins(healthy, ill, ["a", "b", "c"], ["a", "d"])
    expected = np.array([[np.nan, 1], [0, 1], [np.nan, np.nan]])
    assert np.array_equal(found, expected, equal_nan=True)
    assert wins(healthy, np.array([]), ["a", "b", "c"], []).shape == (3, 0)


def test_what_is_flagged_counts_what_is_scorable_and_a_scan_without_a_score_is_not(
    tmp_path: Path,
) -> None:
    for label, names in {"no": "abc", "yes": "ab"}.items():
        (tmp_path / label).mkdir()
        for name in names:
            (tmp_path / label / name).touch()
    found = {
        ("no", "a"): Decided(5.0, 4.0, Verdict.SUSPICIOUS),
        ("no", "b"): Decided(9.0, 4.0, Verdict.NOT_SCORABLE),
        ("yes", "a"): Decided(6.0, 4.0, Verdict.UNCERTAIN),
        ("yes", "b"): Decided(3.0, 4.0, Verdict.NORMAL),
    }
    tested = HeldOut(tmp_path)
    told = tested.told(found)
    assert (told["no_n"], told["no_flagged"], told["no_not_scorable"]) == (3, 1, 2)
    assert (told["yes_n"], told["yes_flagged"], told["yes_not_scorable"]) == (2, 1, 0)
    none = tested.told({})
    assert (none["no_flagged"], none["no_not_scorable"], none["line"]) == (0, 3, None)
    assert tested.told(found, 5.5)["no_flagged"] == 0
    assert tested.told(found, 2.5)["yes_flagged"] == 2
