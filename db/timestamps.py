"""Moments as the record writes them: UTC ISO-8601 of one width, so text order is time order."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from mriad_model.errors import SettingsError

AGO: Final = {"h": "hours", "d": "days", "w": "weeks"}
DAYS_AGO: Final = {"today": 0, "yesterday": 1}
WEEK: Final = re.compile(r"\d{4}-?W\d\d")  # ISO-8601, without a day of it


def now() -> str:
    """The present moment, as `2026-11-23T06:21:20.123456+00:00`."""
    return written(_clock())


def _clock() -> datetime:
    return datetime.now(UTC)


def written(moment: datetime) -> str:
    """A moment as text. One without a zone is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


def after(moment: str, seconds: float) -> str:
    """The recorded moment that comes so many seconds after another."""
    return written(datetime.fromisoformat(moment) + timedelta(seconds=seconds))


def days_ago(days: float, before: str | None = None) -> str:
    """The recorded moment so many days before another; before now unless one is given."""
    moment = _clock() if before is None else datetime.fromisoformat(before)
    return written(moment - timedelta(days=days))


def since(text: str) -> str:
    """The first moment that `--since TEXT` includes; a day or week alone begins at midnight UTC.

    TEXT is a day, a week or a moment (ISO-8601; UTC unless it names a zone), `today`, `yesterday`,
    or how long ago: `12h`, `7d`, `2w`.

    Raises:
        SettingsError: it is none of these.
    """
    return _bound(text, timedelta())


def until(text: str) -> str:
    """The first moment that `--until TEXT` excludes; a day or week alone is included to its end."""
    return _bound(text, timedelta(days=1))


def _bound(text: str, of_a_day: timedelta) -> str:
    """The moment that the text names, or a while after the midnight that begins its day.

    The while is `of_a_day`, of a week seven times as long.
    """
    given = text.strip()
    word = given.lower()
    try:
        if ago := re.fullmatch(r"(\d{1,6})([hdw])", word):
            return written(_clock() - timedelta(**{AGO[ago[2]]: int(ago[1])}))
        if word in DAYS_AGO:
            day = _clock().date() - timedelta(days=DAYS_AGO[word])
        else:
            day = date.fromisoformat(given)
            of_a_day *= 7 if WEEK.fullmatch(given) else 1
        return written(datetime.combine(day, time()) + of_a_day)
    except (ValueError, OverflowError):
        pass
    try:
        return written(datetime.fromisoformat(given))
    except (ValueError, OverflowError):
        raise SettingsError(
            f"{text!r} is not a valid date: write 2026-11-23, 2026-W48, 2026-11-23T06:00:00+00:00, "
            "today, yesterday, 12h, 7d or 2w"
        ) from None
