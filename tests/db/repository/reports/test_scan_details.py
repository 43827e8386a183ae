"""All of one scan, and all that a replay needs."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from db.entities import Rejection
from db.repository.intake.rejections import append_rejections
from db.repository.intake.scans import register_scans
from db.repository.reports.scan_details import decisions_for_replay, no_scan_at, scan_details
from db.repository.scoring.decisions import HeatmapFile, ScoredScan, append_scored
from db.repository.scoring.scores import decided_scores
from db.repository.training.models import threshold_by_id
from mriad_model.enums import HeatmapKind, LabelValue, RejectionReason, Verdict
from mriad_model.errors import NotInRecord

if TYPE_CHECKING:
    from tests.support.record.hand import Hand

BEFORE, LATER = "2026-10-31T12:00:00.000000+00:00", "2026-11-02T12:00:00.000000+00:00"
AS_SEEN = (10, 20, 40)  # size, mtime, ctime: as the hand sees each file


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


def reject(
    hand: "Hand",
    reason: RejectionReason,
    moment: str = LATER,
    stat: tuple[int, int, int | None] = AS_SEEN,
) -> None:
    size, mtime_ns, ctime_ns = stat
    row = Rejection(
        "inbox/a.png", size, mtime_ns, None, reason, "why", hand.run(), moment, ctime_ns
    )
    append_rejections(hand.engine, [row])


@pytest.mark.parametrize(
    ("reason", "moment", "stat"),
    [
        (RejectionReason.UNREGISTERED, LATER, AS_SEEN),
        (RejectionReason.INCOMPLETE, LATER, AS_SEEN),
        (RejectionReason.BAD_GEOMETRY, LATER, AS_SEEN),
        (RejectionReason.NO_SIGNAL, LATER, AS_SEEN),
        (RejectionReason.OTHER_KIND, LATER, AS_SEEN),
        (RejectionReason.NO_FRAME_OF_REFERENCE, LATER, AS_SEEN),
        (RejectionReason.OTHER_KIND, LATER, (10, 20, 41)),  # its mode changed
        (RejectionReason.UNREGISTERED, LATER, (10, 20, None)),  # a row of before
        (RejectionReason.UNREADABLE, LATER, (10, 20, 41)),  # its mode does not let it be read
        (RejectionReason.UNREADABLE, LATER, (-1, -1, -1)),  # it is gone
        (RejectionReason.READER_DIED, LATER, AS_SEEN),
        (RejectionReason.TRUNCATED, BEFORE, (9, 20, 39)),  # it was being copied
    ],
)
def test_a_file_that_was_not_scored_is_the_scan_in_it(
    hand: "Hand", reason: RejectionReason, moment: str, stat: tuple[int, int, int | None]
) -> None:
    hand.scans("a")
    reject(hand, reason, moment, stat)
    assert no_scan_at(hand.engine, "inbox/a.png") is None


@pytest.mark.parametrize(
    ("reason", "stat"),
    [
        (RejectionReason.TRUNCATED, (9, 20, 40)),
        (RejectionReason.CORRUPT, (10, 21, 41)),
        (RejectionReason.CORRUPT, (10, 20, 41)),  # its time was put back
        (RejectionReason.NO_SIGNAL, (10, 21, 41)),  # by reading, of what lies there now
    ],
)
def test_a_file_that_changed_and_was_rejected_is_no_scan_until_it_is_one_again(
    hand: "Hand", reason: RejectionReason, stat: tuple[int, int, int]
) -> None:
    (a,) = hand.scans("a")
    reject(hand, reason, stat=stat)
    reject(hand, RejectionReason.UNREADABLE, stat=(-1, -1, -1))  # and gone in the end
    found = no_scan_at(hand.engine, "inbox/a.png")
    assert found is not None
    assert (found.rejection.reason, found.before) == (reason, a)
    scan, (seen,) = hand.seen("a")
    again = replace(seen, seen_at="2026-11-03T12:00:00.000000+00:00", inode=31, ctime_ns=50)
    register_scans(hand.engine, [(scan, [again])])
    assert no_scan_at(hand.engine, "inbox/a.png") is None


def test_a_file_that_never_was_a_scan_is_none_for_its_last_reason(hand: "Hand") -> None:
    assert no_scan_at(hand.engine, "inbox/a.png") is None  # nothing is known of it
    reject(hand, RejectionReason.TRUNCATED)
    reject(hand, RejectionReason.CORRUPT, stat=(11, 22, 44))
    found = no_scan_at(hand.engine, "inbox/a.png")
    assert found is not None
    assert (found.rejection.reason, found.before) == (RejectionReason.CORRUPT, None)


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
