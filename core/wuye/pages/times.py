"""Times as people read them: in the estate's zone, and as what is left or past."""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from babel.dates import format_date, format_datetime, format_skeleton, format_time

from wuye.context import EstateInfo
from wuye.errors import Text
from wuye.i18n import _, current_locale

#: What is due sooner than this is drawn as near.
NEAR = timedelta(hours=2)


class Left(NamedTuple):
    """How a deadline stands: `late`, `near`, or neither ("")."""

    kind: str
    text: Text


def moment(estate: EstateInfo, at: datetime) -> str:
    """Return a time in full."""
    return format_datetime(at, "medium", tzinfo=estate.tzinfo, locale=current_locale())


def utc(at: datetime) -> str:
    """Return a time in full for who belongs to no estate, and so to no zone."""
    return f"{format_datetime(at, 'medium', tzinfo=UTC, locale=current_locale())} UTC"


def day(value: date) -> str:
    """Return a calendar day."""
    return format_date(value, "medium", locale=current_locale())


def short(estate: EstateInfo, at: datetime, now: datetime) -> str:
    """Return a time as short as it is clear: the hour today, the day this year, else the whole date."""
    here, today = at.astimezone(estate.tzinfo), now.astimezone(estate.tzinfo)
    if here.date() == today.date():
        return format_time(here, "HH:mm", tzinfo=estate.tzinfo, locale=current_locale())
    pattern = "MMMd" if here.year == today.year else "yMMMd"
    return format_skeleton(pattern, here, tzinfo=estate.tzinfo, locale=current_locale())


def span(length: timedelta) -> Text:
    """Return a length of time in its largest unit."""
    minutes = int(abs(length).total_seconds()) // 60
    if minutes < 60:
        return _("{n} min", n=max(minutes, 1))
    if minutes < 48 * 60:
        return _("{n} h", n=minutes // 60)
    return _("{n} days", n=minutes // (24 * 60))


def ago(at: datetime, now: datetime) -> Text:
    """Return how long ago something was."""
    if now - at < timedelta(minutes=1):
        return _("just now")
    return _("{span} ago", span=span(now - at))


def left(due: datetime | None, now: datetime) -> Left | None:
    """Return how a deadline stands; None without one."""
    if due is None:
        return None
    if due < now:
        return Left("late", _("{span} late", span=span(now - due)))
    return Left("near" if due - now < NEAR else "", _("{span} left", span=span(due - now)))


def local_input(estate: EstateInfo, at: datetime) -> str:
    """Return a time as the value of a form's field, in the estate's zone."""
    return at.astimezone(estate.tzinfo).strftime("%Y-%m-%dT%H:%M")


def from_local(estate: EstateInfo, text: str) -> str:
    """Return what a form's field says as a time with its offset; text that is no time is returned as it is."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=estate.tzinfo).astimezone(UTC).isoformat()
    except ValueError:
        return text


def sized(count: int) -> str:
    """Return a number of bytes as people say it."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
