"""Periods of the trail that people look at, and the intervals they are cut into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mcp_django.audit.models import Entry

CHOICES: Final = {
    "hour": (_("Past hour"), timedelta(hours=1)),
    "day": (_("Past 24 hours"), timedelta(days=1)),
    "week": (_("Past 7 days"), timedelta(days=7)),
    "month": (_("Past 30 days"), timedelta(days=30)),
    "all": (_("Any time"), None),
}
DEFAULT: Final = "week"
"""Not all, so that a look at a large table does not begin with the whole of it."""

_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2999
_MAX_INTERVALS: Final = 62
_MINUTES: Final = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360)
_DAYS: Final = (1, 2, 7, 14, 28, 91, 364)


@dataclass(frozen=True, slots=True)
class Period:
    """Which time is looked at.

    Attributes:
        choice: Key of `CHOICES`; "" for times that were given.
        since: When it begins; None for always.
        until: When it ends, exclusively; None for now.
        mistakes: What was given and is none, in words for people.
    """

    choice: str
    since: datetime | None = None
    until: datetime | None = None
    mistakes: tuple[str, ...] = ()

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Period:
        """Read the period in the query of an address.

        Args:
            query: `since` and `until`, dates or times in ISO 8601 that go before
                `period`, a key of `CHOICES`. What is wrong in it is in `mistakes`, and
                otherwise passed over.
        """
        mistakes: list[str] = []
        given = {}
        for name in ("since", "until"):
            if text := query.get(name, ""):
                try:
                    given[name] = _read(text, is_end=name == "until")
                except ValueError:
                    mistakes.append(_no_time(name, text))
        since, until = given.get("since"), given.get("until")
        if since and until and since >= until:
            mistakes.append(gettext("The period ends before it begins."))
        elif given:
            return cls("", since, until, tuple(mistakes))
        choice = query.get("period", "") or DEFAULT
        if choice not in CHOICES:
            mistakes.append(
                gettext("“%(given)s” is no period; there are: %(choices)s.")
                % {"given": choice[:100], "choices": ", ".join(CHOICES)}
            )
            choice = DEFAULT
        _label, length = CHOICES[choice]
        begin = None if length is None else timezone.now() - length
        return cls(choice, begin, mistakes=tuple(mistakes))

    def narrow(self, entries: QuerySet[Entry]) -> QuerySet[Entry]:
        """Leave out entries of other times."""
        if self.since is not None:
            entries = entries.filter(time__gte=self.since)
        if self.until is not None:
            entries = entries.filter(time__lt=self.until)
        return entries


def local(at: datetime) -> datetime:
    """Give a time as the clocks of the reader show it."""
    return timezone.localtime(at) if timezone.is_aware(at) else at


def cut(since: datetime, until: datetime) -> list[datetime]:
    """Cut a period into intervals as clocks and calendars have them.

    Returns:
        When each interval begins, and when the last ends: two times at least. The first
        begins at `since` or before, and the last ends at `until` or later.
    """
    # Whole minutes: an hour that has just begun to be more is an hour.
    minute = timedelta(minutes=1)
    length = max((until - since) // minute, 1) * minute
    for minutes in _MINUTES:
        if length / timedelta(minutes=minutes) <= _MAX_INTERVALS - 2:
            return list(_of_hours(since, until, timedelta(minutes=minutes)))
    days = next(
        (each for each in _DAYS if length.days / each <= _MAX_INTERVALS - 2),
        length.days // (_MAX_INTERVALS - 2) + 1,
    )
    return list(_of_days(since, until, days))


def _of_hours(since: datetime, until: datetime, step: timedelta) -> Iterator[datetime]:
    clock = local(since)
    midnight = clock.replace(hour=0, minute=0, second=0, microsecond=0)
    # Of the clock, not of the time that has passed: days may have 23 hours.
    into_day = clock.replace(tzinfo=None) - midnight.replace(tzinfo=None)
    at = since - into_day % step
    yield at
    while True:
        at += step
        yield at
        if at >= until:
            return


def _of_days(since: datetime, until: datetime, days: int) -> Iterator[datetime]:
    day = local(since).date()
    while True:
        at = _kept(datetime.combine(day, time.min))
        yield at
        if at >= until:
            return
        day += timedelta(days=days)


def _read(text: str, *, is_end: bool) -> datetime:
    """Read a date or a time; of a date its begin, or its end.

    Raises:
        ValueError: It is none, or one that no entry can have.
    """
    day = parse_date(text)
    if day is not None:
        found: datetime | None = datetime.combine(day, time.min)
    else:
        # A plus sign in an address is a space, where it was not quoted.
        found = parse_datetime(text.replace(" ", "+") if "T" in text else text)
    if found is None or not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise ValueError(text)
    return _kept(found + timedelta(days=1) if day and is_end else found)


def _kept(at: datetime) -> datetime:
    """Give a time as the database keeps times."""
    if not settings.USE_TZ:
        return timezone.make_naive(at) if timezone.is_aware(at) else at
    aware = at if timezone.is_aware(at) else timezone.make_aware(at)
    # In a zone with summer, an hour later may be two hours later.
    return aware.astimezone(UTC)


def _no_time(name: str, text: str) -> str:
    values = {"name": name, "given": text[:100], "example": "2026-11-30T18:00"}
    return (
        gettext("“%(given)s” for “%(name)s” is no time; write it as %(example)s.")
        % values
    )
