"""What was found: a chunk all or none, each scan once, whoever scores beside us."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from db.engine.connect import reading
from db.repository.reports.scan_details import scan_details
from db.repository.scoring.decisions import (
    Appended,
    DecidedAgain,
    HeatmapFile,
    ScoredScan,
    append_decisions,
    append_scored,
    count_decisions,
)
from db.repository.scoring.scores import calibration_scores, decided_scores, undecided
from db.repository.training.models import threshold_by_id
from db.timestamps import now
from mriad_model.enums import HeatmapKind, Verdict
from mriad_model.errors import NotInRecord, RecordError
from tests.support.places import REPOSITORY

if TYPE_CHECKING:
    from tests.support.record.hand import Hand

NORMAL, SUSPICIOUS = Verdict.NORMAL, Verdict.SUSPICIOUS


def picture(name: str) -> HeatmapFile:
    return HeatmapFile(HeatmapKind.SLICE, 0, f"heatmaps/{name}.png", "f00")


def score_id(hand: "Hand", scan_id: int) -> int:
    (story,) = scan_details(hand.engine, scan_id).scores
    assert story.score.id is not None
    return story.score.id


def test_a_chunk_appends_scores_slices_heatmaps_and_decisions(hand: "Hand") -> None:
    model_id, threshold_id = hand.ready()
    a, b = hand.scans("a", "b")
    rows = [
        ScoredScan(a, 0.7, (0.1, 0.7), (picture("a0"), picture("a1")), SUSPICIOUS, 0.1),
        ScoredScan(b, 0.2, (0.2,), (picture("b"),), NORMAL, 0.9),
    ]
    added = append_scored(hand.engine, model_id, threshold_id, rows, hand.run(), hand.noon)
    assert added == Appended(scores=2, slice_scores=3, heatmaps=3, decisions=2)
    again = append_scored(hand.engine, model_id, threshold_id, rows, hand.run("again"), now())
    assert again == Appended(0, 0, 0, 0)


def test_a_chunk_without_a_threshold_is_scored_and_not_decided(hand: "Hand") -> None:
    model_id, _ = hand.ready()
    (a,) = hand.scans("a")
    rows = [ScoredScan(a, 0.7, verdict=SUSPICIOUS, p_value=0.1)]
    added = append_scored(hand.engine, model_id, None, rows, hand.run(), hand.noon)
    assert added == Appended(scores=1)


def test_an_empty_chunk_appends_nothing(hand: "Hand") -> None:
    model_id, threshold_id = hand.ready()
    assert hand.decide(model_id, threshold_id, {}) == Appended()


def test_one_bad_row_leaves_nothing_of_its_chunk(hand: "Hand") -> None:
    model_id, threshold_id = hand.ready()
    (a,) = hand.scans("a")
    with pytest.raises(RecordError, match="not there"):
        hand.decide(model_id, threshold_id, {a: 0.1, 12345: 0.2})
    assert hand.count("score") == hand.count("decision") == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_no_finite_number_is_refused(hand: "Hand", value: float) -> None:
    model_id, threshold_id = hand.ready()
    (a,) = hand.scans("a")
    with pytest.raises(RecordError, match=f"score of scan {a} is not a finite number"):
        hand.decide(model_id, threshold_id, {a: value})


def test_a_threshold_decides_its_own_models_scores_only(hand: "Hand") -> None:
    model_id, threshold_id = hand.ready()
    other = hand.model(hand.dataset(train=hand.scans("x")), "other weights")
    (a,) = hand.scans("a")
    with pytest.raises(RecordError, match=f"decides nothing of model {other}"):
        hand.decide(other, threshold_id, {a: 0.1})
    hand.decide(other, None, {a: 0.1})
    rows = [DecidedAgain(a, score_id(hand, a), NORMAL, 0.5)]
    with pytest.raises(RecordError, match=f"decides nothing of model {other}"):
        append_decisions(hand.engine, threshold_id, rows, hand.run(), hand.noon)
    with pytest.raises(NotInRecord, match="no threshold 99"):
        hand.decide(model_id, 99, {a: 0.1})


def test_stored_scores_are_decided_again_by_another_threshold(hand: "Hand") -> None:
    model_id, threshold_id = hand.ready()
    a, b = hand.scans("a", "b")
    hand.decide(model_id, threshold_id, {a: 0.1, b: 0.7})
    dataset_id = threshold_by_id(hand.engine, threshold_id).dataset_id
    stricter = hand.threshold(model_id, dataset_id, k=0.5, value=0.05)
    stored = list(decided_scores(hand.engine, model_id))
    assert [(each.scan_id, each.value) for each in stored] == [(a, 0.1), (b, 0.7)]
    assert undecided(hand.engine, [b, a], stricter) == [b, a]
    rows = [DecidedAgain(each.scan_id, each.score_id, SUSPICIOUS, 0.5) for each in stored]
    assert append_decisions(hand.engine, stricter, rows, hand.run(), hand.noon) == 2
    assert append_decisions(hand.engine, stricter, rows, hand.run(), hand.noon) == 0
    assert undecided(hand.engine, [b, a], stricter) == []
    assert hand.count("score") == 2


def test_a_decision_on_another_scans_score_is_refused(hand: "Hand") -> None:
    model_id, threshold_id = hand.ready()
    a, b = hand.scans("a", "b")
    hand.decide(model_id, None, {a: 0.1, b: 0.7})
    for other in (score_id(hand, b), 99):
        rows = [DecidedAgain(a, other, NORMAL, 0.5)]
        with pytest.raises(RecordError, match=f"no score {other} of scan {a}"):
            append_decisions(hand.engine, threshold_id, rows, hand.run(), hand.noon)


def test_where_another_found_a_different_score_first_its_parts_alone_stand(hand: "Hand") -> None:
    """Two devices may differ in the last bit; a verdict must be on the score that is stored."""
    model_id, threshold_id = hand.ready()
    (a,) = hand.scans("a")
    hand.decide(model_id, None, {a: 0.1})
    row = ScoredScan(a, 0.2, (0.2, 0.3), (picture("a"),), SUSPICIOUS, 0.1)
    added = append_scored(hand.engine, model_id, threshold_id, [row], hand.run(), hand.noon)
    assert added == Appended()
    assert undecided(hand.engine, [a], threshold_id) == [a]


def test_what_was_killed_between_score_and_decision_is_decided_next_time(hand: "Hand") -> None:
    model_id, threshold_id = hand.ready()
    (a,) = hand.scans("a")
    hand.decide(model_id, None, {a: 0.1})
    assert hand.decide(model_id, threshold_id, {a: 0.1}) == Appended(decisions=1)


def test_the_scans_still_to_decide_come_in_the_order_asked(hand: "Hand") -> None:
    model_id, threshold_id = hand.ready()
    a, b, c = hand.scans("a", "b", "c")
    hand.decide(model_id, threshold_id, {b: 0.1})
    assert undecided(hand.engine, [c, b, a], threshold_id) == [c, a]


def test_calibration_scores_are_those_of_the_datasets_calibration_scans(hand: "Hand") -> None:
    a, b, c, d = hand.scans("a", "b", "c", "d")
    dataset_id = hand.dataset(train=[a], calibration=[d, b])
    model_id = hand.model(dataset_id)
    hand.decide(model_id, None, {d: 0.4, c: 0.3, b: 0.2, a: 0.1})
    found = calibration_scores(hand.engine, model_id, dataset_id)
    assert [(each.scan_id, each.value) for each in found] == [(b, 0.2), (d, 0.4)]


SCORER = """
import sys
from pathlib import Path
from db.engine.connect import open_record
from db.repository.scoring import decisions
from db.timestamps import now
from mriad_model.enums import HeatmapKind, Verdict
home, model_id, threshold_id, run_id = Path(sys.argv[1]), *map(int, sys.argv[2:5])
scans = [int(each) for each in sys.argv[5].split(",")]
engine = open_record(home)
print("ready", flush=True)
sys.stdin.readline()
total = 0
for start in range(0, len(scans), 8):
    rows = [
        decisions.ScoredScan(
            scan, scan / 1000, (scan / 1000,),
            (decisions.HeatmapFile(HeatmapKind.SLICE, 0, f"heatmaps/{scan}.png", "f00"),),
            Verdict.NORMAL, 0.5,
        )
        for scan in scans[start : start + 8]
    ]
    total += decisions.append_scored(
        engine, model_id, threshold_id, rows, run_id, now()
    ).decisions
print(total)
"""


def test_two_processes_that_score_the_same_scans_at_once_decide_each_once(
    hand: "Hand", home: Path
) -> None:
    model_id, threshold_id = hand.ready()
    scans = hand.scans(*(f"scan {n}" for n in range(240)))
    numbers = [str(each) for each in (model_id, threshold_id, hand.run())]
    several = [
        subprocess.Popen(
            [sys.executable, "-c", SCORER, str(home), *numbers, ",".join(map(str, order))],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for order in (scans, scans)
    ]
    for process in several:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    done = []
    for process in several:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in several:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        done.append(int(out))
    assert sum(done) == 240
    with reading(hand.engine) as connection:
        for table in ("score", "slice_score", "heatmap", "decision"):
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 240
        assert connection.scalar(text("SELECT count(DISTINCT scan_id) FROM decision")) == 240


def test_only_scores_that_were_decided_are_decided_again(hand: "Hand") -> None:
    model_id, threshold_id = hand.ready()
    a, b, c = hand.scans("a", "b", "c")
    hand.decide(model_id, None, {a: 0.1, b: 0.7})
    hand.decide(model_id, threshold_id, {b: 0.7, c: 0.2})
    found = decided_scores(hand.engine, model_id)
    assert [(each.scan_id, each.value) for each in found] == [(b, 0.7), (c, 0.2)]
    assert count_decisions(hand.engine) == 2
