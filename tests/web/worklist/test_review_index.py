"""Reviews in memory: the last of a scan, its tags, and what one reader may see."""

from db.entities import Review
from mriad_model.enums import ReviewVerdict
from tests.support.record.hand import NOON
from web.worklist.review_index import NOT_REVIEWED, VERDICTS, ReviewIndex

NORMAL, SUSPICIOUS = VERDICTS.index("normal"), VERDICTS.index("suspicious")


def said(reviewer: str, verdict: str, tags: str | None = None) -> Review:
    return Review(3, 1, reviewer, ReviewVerdict(verdict), "", NOON, tags=tags)


def test_the_last_review_counts_and_tags_of_all() -> None:
    index = ReviewIndex(8)
    index.put(3, [said("Ann", "normal", "motion"), said("Bob", "suspicious", "lesion motion")])
    columns = index.columns()
    assert columns.verdicts[3] == SUSPICIOUS
    assert columns.tags == {"motion": {3}, "lesion": {3}}
    index.put(3, [said("Ann", "normal", "motion")])  # Bob's was withdrawn
    assert columns.verdicts[3] == NORMAL
    assert columns.tags == {"motion": {3}, "lesion": set()}
    index.put(3, [])
    assert columns.verdicts[3] == NOT_REVIEWED
    assert columns.tags["motion"] == set()


def test_a_reader_sees_nothing_of_a_scan_before_a_word_of_ones_own() -> None:
    index = ReviewIndex(8)
    index.put(3, [said("Ann", "suspicious", "lesion")])
    bob = index.columns("Bob")
    assert bob.verdicts[3] == NOT_REVIEWED
    assert not bob.tags
    index.put(3, [said("Ann", "suspicious", "lesion"), said("Bob", "normal")])
    assert bob.verdicts[3] == NORMAL
    assert bob.tags == {"lesion": {3}}
    assert index.columns("Cem").verdicts[3] == NOT_REVIEWED


def test_columns_grow_with_the_record() -> None:
    index = ReviewIndex(4)
    index.put(3, [said("Ann", "normal")])
    assert len(index.columns().verdicts) == 4
    index.grow(16)
    assert len(index.columns().verdicts) == 16
    assert index.columns().verdicts[3] == NORMAL
