"""Time at the border: aware UTC datetimes outside, integer milliseconds in the file."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from memory.errors import UsageError

Clock = Callable[[], datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def now() -> datetime:
    """Return the current time in UTC, cut to milliseconds as the file keeps it."""
    return moment(millis(datetime.now(UTC)))


def millis(at: datetime) -> int:
    """Return milliseconds since 1970; a naive datetime is refused."""
    if at.tzinfo is None:
        raise UsageError(f"time {at.isoformat()!r} has no time zone", hint="append 'Z' for UTC")
    return (at - _EPOCH) // _MILLISECOND


def moment(ms: int) -> datetime:
    """Return the aware UTC datetime of `ms` milliseconds since 1970."""
    return _EPOCH + ms * _MILLISECOND


def parse(text: str) -> datetime:
    """Read an ISO 8601 date or time; without a zone it means UTC.

    Raises:
        UsageError: The text is no such time.
    """
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as exc:
        raise UsageError(
            f"{text!r} is not a time", hint="write 2026-03-02 or 2026-03-02T14:30:00Z"
        ) from exc
    return at if at.tzinfo else at.replace(tzinfo=UTC)
