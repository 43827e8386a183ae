"""All of one scan, and all that a replay needs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from db.repository.intake.scans import register_scans
from db.repository.reports.scan_details import decisions_for_replay, scan_details
from db.repository.scoring.decisions import HeatmapFile, ScoredScan, append_scored
from db.repository.scoring.scores import decided_scores
from db.repository.training.models import threshold_by_id
from mriad_model.enums import HeatmapKind, LabelValue, Verdict
from mriad_model.errors import NotInRecord

if TYPE_CHECKING:
    from tests.support.record.hand import Hand


def test_a_scans_story_holds_all_there_is_of_it(hand: "Hand") -> None:
    model_id, threshold_id = hand.ready()
    a, b = hand.scans("a", "b", scanner="GE")
    register_scans(hand.engine, [hand.seen("a", path="archive/a.png")])
    hand.label(a, LabelValue.HEALTHY)
    hand.label(a, LabelValue.ABNORMAL)
    picture = HeatmapFile(HeatmapKind.VOLUME, 0, "heatmaps/a.nii.gz", "f00")
    row = ScoredScan(a, 0.7, (0.3, 0.7), (picture,), Verdict.SUSPICIOUS, 0.25)
    append_scored(hand.engine, model_id, threshold_id, [row], hand.run(), hand.noon)
    hand.decide(model_id, threshold_id, {b: 0.1})
    story = scan_details(hand.engine, hand.sha("a")[:10])
    assert (story.scan.id, story.scan.scanner) == (a, "GE")
    assert story.run.flow == "score_new_scans"
    assert [each.path for each in story.sightings] == ["inbox/a.png", "archive/a.png"]
    assert [each.value for each in story.labels] == [LabelValue.HEALTHY, LabelValue.ABNORMAL]
    (score,) = story.scores
    assert (score.score.value, score.slice_values) == (0.7, (0.3, 0.7))
    assert [each.kind for each in score.heatmaps] == [HeatmapKind.VOLUME]
    assert [each.verdict for each in story.decisions] == [Verdict.SUSPICIOUS]
    assert story.reviews == ()


def test_a_scan_never_scored_has_a_story_too(hand: "Hand") -> None:
    (a,) = hand.scans("a")
    story = scan_details(hand.engine, a)
    assert (story.scores, story.decisions, story.labels) == ((), (), ())
    with pytest.raises(NotInRecord, match="no scan 99"):
        scan_details(hand.engine, 99)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("db.repository.reports.scan_details.REPLAY_PAGE", 3)
    monkeypatch.setattr("db.repository.scoring.scores.PAGE", 3)
    return


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("count", [0, 2, 3, 7])
def test_all_decisions_are_replayed_oldest_first_each_once(hand: "Hand", count: int) -> None:
    model_id, threshold_id = hand.ready()
    scans = hand.scans(*(f"scan {n}" for n in range(count)))
    values = {scan_id: scan_id / 100 for scan_id in scans}
    hand.decide(model_id, threshold_id, values)
    replays = list(decisions_for_replay(hand.engine))
    assert [each.decision.scan_id for each in replays] == scans
    for each in replays:
        assert each.scored.score.value == values[each.scan.id or 0]
        assert each.scored.slice_values == (each.scored.score.value,)
        assert each.sightings[0].scan_id == each.scan.id == each.decision.scan_id
        assert each.threshold.id == each.decision.threshold_id == threshold_id
        assert each.scored.model.id == each.threshold.model_id == model_id
    stored = list(decided_scores(hand.engine, model_id))
    assert [(each.scan_id, each.value) for each in stored] == list(values.items())


def test_the_decisions_on_a_scan_are_replayed_each_with_the_model_and_threshold_it_was_made_by(
    hand: "Hand",
) -> None:
    model_id, first = hand.ready()
    dataset_id = threshold_by_id(hand.engine, first).dataset_id
    second = hand.threshold(model_id, dataset_id, k=2.0, value=0.6)
    (a,) = hand.scans("a")
    hand.decide(model_id, first, {a: 0.55})
    hand.decide(model_id, second, {a: 0.55}, line=0.6)
    one, two = decisions_for_replay(hand.engine)
    (b,) = hand.scans("b")
    hand.decide(model_id, second, {b: 0.55}, line=0.6)
    assert list(decisions_for_replay(hand.engine, a)) == [one, two]
    assert (one.threshold.id, two.threshold.id) == (first, second)
    assert (one.decision.verdict, two.decision.verdict) == (Verdict.SUSPICIOUS, Verdict.NORMAL)
    with pytest.raises(NotInRecord, match="no decision on scan 99"):
        list(decisions_for_replay(hand.engine, 99))
