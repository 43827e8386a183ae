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


def since(text: str) -> str:
    """The first moment that `--since TEXT` includes; a day alone begins at midnight UTC."""
    day = _day(text)
    return written(_moment(text) if day is None else datetime.combine(day, time()))


def until(text: str) -> str:
    """The first moment that `--until TEXT` excludes; a day alone is included to its end."""
    day = _day(text)
    if day is None:
        return written(_moment(text))
    return written(datetime.combine(day, time()) + timedelta(days=1))


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise SettingsError(
            f"{text!r} is no date: write 2026-11-23 or 2026-11-23T06:00:00+00:00"
        ) from None
