"""Moments as the record writes them: UTC ISO-8601 of one width, so text order is time order."""

from datetime import UTC, date, datetime, time, timedelta

from mriad_model.errors import SettingsError


def now() -> str:
    """The present moment, as `2026-11-23T06:21:20.123456+00:00`."""
    return written(datetime.now(UTC))


def written(moment: datetime) -> str:
    """A moment as text. One without a zone is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


def after(moment: str, seconds: float) -> str:
    """The recorded moment that comes so many seconds after another."""
    return written(datetime.fromisoformat(moment) + timedelta(seconds=seconds))


def since(text: str) -> str:
    """The first moment that `--since TEXT` includes; a day alone begins at midnight UTC."""
    return _bound(text, timedelta())


def until(text: str) -> str:
    """The first moment that `--until TEXT` excludes; a day alone is included to its end."""
    return _bound(text, timedelta(days=1))


def _bound(text: str, of_a_day: timedelta) -> str:
    """The moment that the text names, or a while after the midnight that begins its day."""
    try:
        return written(datetime.combine(date.fromisoformat(text.strip()), time()) + of_a_day)
    except (ValueError, OverflowError):
        pass
    try:
        return written(datetime.fromisoformat(text.strip()))
    except (ValueError, OverflowError):
        raise SettingsError(
            f"{text!r} is no date: write 2026-11-23 or 2026-11-23T06:00:00+00:00"
        ) from None
