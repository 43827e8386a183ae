"""Standing decisions in memory: the active threshold's, else the last, however they came."""

import random
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from db.engine.connect import open_record, reading
from db.repository.scoring.decisions import DecidedAgain, append_decisions
from db.repository.scoring.scores import stored_scores
from db.repository.training.models import activate
from mriad_model.enums import Verdict
from tests.support.record.hand import NOON, Hand
from web.worklist.decision_index import DecisionIndex
from web.worklist.review_index import VERDICTS

N_SCANS, N_THRESHOLDS, N_STEPS = 12, 4, 40
SCORABLE = [each for each in Verdict if each is not Verdict.NOT_SCORABLE]
STANDING = """
    SELECT d.id, d.scan_id, d.threshold_id, d.verdict, d.p_value FROM decision d WHERE d.id = (
        SELECT e.id FROM decision e WHERE e.scan_id = d.scan_id
        ORDER BY e.threshold_id = :active DESC, e.id DESC LIMIT 1
    ) ORDER BY d.scan_id
"""


def held(index: DecisionIndex) -> list[tuple[int, int, int, str, float]]:
    index.refresh()
    scans = np.flatnonzero(index.decided).tolist()
    columns = (index.standing[name][scans] for name in ("decision", "threshold", "verdict", "p"))
    decision, threshold, verdict, p = (each.tolist() for each in columns)
    words = [VERDICTS[each] for each in verdict]
    return list(zip(decision, scans, threshold, words, p, strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_the_active_thresholds_decision_stands_else_the_last(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    hand = Hand(open_record(tmp_path))
    taught, calibrates, *scans = hand.scans(*(f"scan {n}" for n in range(N_SCANS + 2)))
    dataset = hand.dataset(train=[taught], calibration=[calibrates])
    model = hand.model(dataset)
    thresholds = [hand.threshold(model, dataset, k=1.0 + n) for n in range(N_THRESHOLDS)]
    hand.decide(model, thresholds[0], dict.fromkeys(scans[: N_SCANS // 2], 0.9))
    hand.decide(model, None, dict.fromkeys(scans[N_SCANS // 2 :], 0.4))
    scores = stored_scores(hand.engine, model, scans)
    index, active = DecisionIndex(hand.engine), 0
    for _ in range(N_STEPS):
        for _ in range(rng.randint(1, 4)):
            threshold = rng.choice(thresholds)
            rows = [
                DecidedAgain(
                    scan, scores[scan].score_id, rng.choice(SCORABLE), rng.randint(1, 99) / 100
                )
                for scan in rng.sample(scans, rng.randint(1, 5))
            ]
            append_decisions(hand.engine, threshold, rows, hand.run(), NOON)
        if rng.random() < 0.3:
            active = rng.choice(thresholds)
            activate(hand.engine, active, "as it came", "me")
        with reading(hand.engine) as connection:
            wanted = [tuple(row) for row in connection.execute(text(STANDING), {"active": active})]
        assert held(index) == wanted
    assert held(DecisionIndex(hand.engine)) == wanted
