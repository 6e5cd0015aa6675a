"""When the events of the truth take place: series expanded with dateutil, wall times turned into instants with zoneinfo.

Rules of this file: nothing of ours but `mail_truth`. A day that a month lacks is its last one, as Outlook has it; intervals count
from the month, week or year of the range's start. Cancelled days are left out; a changed occurrence stands where it was moved to.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice, takewhile
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil import rrule

from tests.independent.mail_truth import Row, instant

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
PLACES = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}
WEEKDAYS = (rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA, rrule.SU)
Span = tuple[datetime, datetime]


def zone_of(name: str, zones: dict[str, str]) -> ZoneInfo | None:
    """By Windows or IANA name; None for one in no table."""
    try:
        return ZoneInfo(zones.get(name, name)) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def days_of(recurrence: Row) -> Iterator[date]:
    """All days of a Graph recurrence, before cancellations; may never end."""
    limits = recurrence["range"]
    start = date.fromisoformat(limits["startDate"])
    days = (at.date() for at in _rule(recurrence["pattern"], start))
    fits = (day for day in days if day >= start)
    if limits.get("type") == "numbered":
        return islice(fits, int(limits["numberOfOccurrences"]))
    if limits.get("type") == "endDate":
        last = date.fromisoformat(limits["endDate"])
        return takewhile(lambda day: day <= last, fits)
    return fits


def _rule(pattern: Row, start: date) -> rrule.rrule:
    kind, interval = str(pattern["type"]), max(1, int(pattern.get("interval") or 1))
    weekdays = [WEEKDAYS[DAYS.index(str(day).lower())] for day in pattern.get("daysOfWeek") or ()]
    first = WEEKDAYS[DAYS.index(str(pattern.get("firstDayOfWeek") or "sunday").lower())]
    options: dict[str, Any] = {"interval": interval, "wkst": first}
    begin = datetime.combine(start, datetime.min.time())
    if kind == "daily":
        return rrule.rrule(rrule.DAILY, dtstart=begin, **options)
    if kind == "weekly":
        return rrule.rrule(rrule.WEEKLY, dtstart=begin, byweekday=weekdays, **options)
    options["freq"] = rrule.YEARLY if kind.endswith("Yearly") else rrule.MONTHLY
    begin = begin.replace(day=1)
    if kind.endswith("Yearly"):
        options["bymonth"] = int(pattern.get("month") or start.month)
        begin = begin.replace(month=1)
    if kind.startswith("absolute"):
        day = int(pattern["dayOfMonth"])
        return rrule.rrule(dtstart=begin, bymonthday=[*range(min(28, day), day + 1)], bysetpos=-1, **options)
    return rrule.rrule(
        dtstart=begin, byweekday=weekdays, bysetpos=PLACES[str(pattern.get("index") or "first")], **options
    )


def is_series(row: Row) -> bool:
    """Whether an event of the truth has a pattern."""
    return bool(row.get("recurrence"))


def spans(row: Row, others: list[Row], zones: dict[str, str], until: date, zone: str | None = None) -> list[Span]:
    """(start, end) in UTC of all that a series puts into the days up to `until`, in order.

    others: its changed occurrences. zone: the zone to expand in, if it is not that of the start.
    """
    name = zone or str(row["start"]["timeZone"])
    own = zone_of(name, zones)
    assert own is not None, name
    first, last = instant(row["start"], zones), instant(row["end"], zones)
    assert first is not None and last is not None
    begin, end = first.astimezone(own).replace(tzinfo=None), last.astimezone(own).replace(tzinfo=None)
    gone = {str(one).rpartition(".")[2] for one in row.get("cancelledOccurrences") or ()}
    for one in others:
        gone.add(one["_originalStartLocal"][:10])
    found = []
    for day in takewhile(lambda day: day <= until, days_of(row["recurrence"])):
        if day.isoformat() not in gone:
            wall = datetime.combine(day, begin.time())
            pair = tuple(at.replace(tzinfo=own).astimezone(UTC) for at in (wall, wall + (end - begin)))
            found.append((pair[0], pair[1]))
    for one in others:
        start, stop = instant(one["start"], zones), instant(one["end"], zones)
        assert start is not None and stop is not None
        found.append((start, stop))
    return sorted(found)


def horizon(row: Row, years: int = 3) -> date:
    """The last day of so many years from the start of a series."""
    return date.fromisoformat(row["recurrence"]["range"]["startDate"]) + timedelta(days=366 * years)
