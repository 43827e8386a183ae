"""Moments as text sort as moments."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from db import timestamps as times
from mriad_model.errors import SettingsError


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
    for day in ("2026-11-01", "20261101", " 2026-11-01 ", "2026-W44-7", "2026W447"):
        assert times.since(day).startswith("2026-11-01T00:00:00")
        assert times.until(day).startswith("2026-11-02T00:00:00")


def test_a_week_is_included_whole() -> None:
    for week in ("2026-W44", "2026W44"):
        assert times.since(week).startswith("2026-10-26T00:00:00")
        assert times.until(week).startswith("2026-11-02T00:00:00")


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noon of November 23."""
    monkeypatch.setattr(times, "_clock", lambda: datetime(2026, 11, 23, 12, tzinfo=UTC))


@pytest.mark.usefixtures("noon")
@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("today", "2026-11-23T00:00", "2026-11-24T00:00"),
        ("Yesterday", "2026-11-22T00:00", "2026-11-23T00:00"),
        ("7d", "2026-11-16T12:00", "2026-11-16T12:00"),
        (" 2w", "2026-11-09T12:00", "2026-11-09T12:00"),
        ("36h", "2026-11-22T00:00", "2026-11-22T00:00"),
    ],
)
def test_a_day_can_be_named_from_today(text: str, begins: str, ends: str) -> None:
    assert times.since(text).startswith(begins)
    assert times.until(text).startswith(ends)


@pytest.mark.parametrize("text", ["tomorrow", "7", "d", "-1d", "7 d", "999999w", "1.5d", ""])
def test_what_names_no_moment_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="is not a valid date"):
        times.since(text)
