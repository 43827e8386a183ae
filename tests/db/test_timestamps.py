"""Moments as text sort as moments."""

from datetime import UTC, datetime, timedelta, timezone

from db import timestamps as times


def test_moments_are_utc_and_of_one_width() -> None:
    whole = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)
    moments = [times.written(whole), times.written(whole + timedelta(microseconds=1)), times.now()]
    assert moments[:2] == ["2026-11-01T12:00:00.000000+00:00", "2026-11-01T12:00:00.000001+00:00"]
    assert len({len(moment) for moment in moments}) == 1
    assert sorted(moments[:2]) == moments[:2]


def test_a_moment_elsewhere_is_written_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert times.written(datetime(2026, 11, 1, 9, tzinfo=tokyo)).startswith("2026-11-01T00:00")
    assert times.written(datetime(2026, 11, 1, 9)).startswith("2026-11-01T09:00")


def test_a_day_is_included_whole_however_it_is_written() -> None:
    for day in ("2026-11-01", "20261101", " 2026-11-01 "):
        assert times.since(day).startswith("2026-11-01T00:00:00")
        assert times.until(day).startswith("2026-11-02T00:00:00")
