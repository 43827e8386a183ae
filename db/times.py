"""Moments as the record writes them: UTC ISO-8601 of one width, so text order is time order."""

from datetime import UTC, datetime, time, timedelta

from mriad_model.errors import SettingsError

DAY_LENGTH = len("2026-11-23")


def now() -> str:
    """The present moment, as `2026-11-23T06:21:20.123456+00:00`."""
    return written(datetime.now(UTC))


def written(moment: datetime) -> str:
    """A moment as text. One without a zone is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


def since(text: str) -> str:
    """The first moment that `--since TEXT` includes; a day alone begins at midnight UTC."""
    return written(_moment(text))


def until(text: str) -> str:
    """The first moment that `--until TEXT` excludes; a day alone is included to its end."""
    moment = _moment(text)
    if len(text.strip()) == DAY_LENGTH:
        moment = datetime.combine(moment.date() + timedelta(days=1), time())
    return written(moment)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise SettingsError(
            f"{text!r} is no date: write 2026-11-23 or 2026-11-23T06:00:00+00:00"
        ) from None
