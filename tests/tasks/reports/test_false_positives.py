"""What came of a threshold on scans that people called healthy."""

from db.entities import Review
from db.repository.reports.history import decisions
from db.repository.reports.history_query import HistoryQuery
from db.repository.reports.reviews import append_review
from db.repository.training.models import threshold_by_id
from db.timestamps import now
from mriad_model.enums import LabelSource, LabelValue, Verdict
from mriad_model.reports.run_report import HealthyFlagged
from tasks.reports.false_positives import healthy_flagged
from tests.tasks.conftest import Bench
from tests.tasks.scoring.test_drift import Nights


def test_scans_called_healthy_are_counted_by_who_did_and_none_that_calibrates(bench: Bench) -> None:
    nights = Nights(bench)
    engine = bench.engine
    line = threshold_by_id(engine, nights.threshold)
    assert healthy_flagged(engine, line) == HealthyFlagged()
    calibrates = list(range(1, 41))
    below, above, told, unscored = (
        nights.night(18, shift=-9.0),
        nights.night(2, shift=9.0),
        nights.night(3, shift=9.0),
        nights.scans(2, None),
    )
    nights.label(calibrates + below + above + unscored, LabelValue.HEALTHY)
    nights.label(told[:1], LabelValue.HEALTHY, LabelSource.REVIEWER)
    nights.label(nights.night(4, shift=9.0), LabelValue.ABNORMAL)
    decided = {each.scan_id: each for each in decisions(engine, HistoryQuery(limit=None))}
    for scan_id, verdict in (
        (told[1], Verdict.NORMAL),
        (told[2], Verdict.SUSPICIOUS),
        (above[0], Verdict.NORMAL),  # an import said so before
    ):
        review = Review(scan_id, decided[scan_id].decision_id, "me", verdict, "", now())
        append_review(engine, review)
    found = healthy_flagged(engine, line)
    assert (found.n, found.flagged) == (20, 2)
    assert found.share == "10 % (95 % interval 1.2 % to 32 %)"
    assert (found.n_reviewed, found.flagged_reviewed) == (2, 2)
