"""The days of a series: Graph's six patterns, expanded in the wall time of the series.

Rules of this file: pure; days only, no zones; a day that a month lacks is its last one, as Outlook has it; at most `MOST` days
of one series are counted, so that no pattern runs for ever.
Source: reference/graph.md 3.6 (Recurrence); recurrencePattern and recurrenceRange of the v1.0 schema.
"""

import calendar
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

MOST = 20_000
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_INDEXES = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1}


def days_of(recurrence: dict[str, Any], until: date) -> Iterator[date]:
    """Every day of the series up to and with `until`, before exceptions and cancellations. Raises ValueError."""
    limits = recurrence["range"]
    start = date.fromisoformat(limits["startDate"])
    last = until
    if limits.get("type") == "endDate":
        last = min(until, date.fromisoformat(limits["endDate"]))
    left = int(limits["numberOfOccurrences"]) if limits.get("type") == "numbered" else MOST
    for day in _matching(recurrence["pattern"], start):
        if day > last or left <= 0:
            return
        if day >= start:
            left -= 1
            yield day


def _matching(pattern: dict[str, Any], start: date) -> Iterator[date]:
    kind, interval = str(pattern["type"]), max(1, int(pattern.get("interval", 1)))
    if kind == "daily":
        return (start + timedelta(days=interval * n) for n in range(MOST))
    if kind == "weekly":
        return _weekly(pattern, start, interval)
    months = 12 * interval if kind.endswith("Yearly") else interval
    first = start.replace(day=1)
    if kind.endswith("Yearly") and pattern.get("month"):
        first = first.replace(month=int(pattern["month"]))
    if kind.startswith("absolute"):
        return (_in_month(month, int(pattern["dayOfMonth"])) for month in _months(first, months))
    if kind.startswith("relative"):
        return (_relative(month, pattern) for month in _months(first, months))
    raise ValueError(f"there is no pattern {kind!r}")


def _weekly(pattern: dict[str, Any], start: date, interval: int) -> Iterator[date]:
    begin = _DAYS.index(str(pattern.get("firstDayOfWeek", "sunday")).lower())
    week = start - timedelta(days=(start.weekday() - begin) % 7)
    offsets = sorted((_DAYS.index(str(day).lower()) - begin) % 7 for day in pattern["daysOfWeek"])
    return (week + timedelta(days=7 * interval * n + offset) for n in range(MOST) for offset in offsets)


def _months(first: date, step: int) -> Iterator[date]:
    month = first.year * 12 + first.month - 1
    while month // 12 < date.max.year:
        yield date(month // 12, month % 12 + 1, 1)
        month += step


def _in_month(month: date, day: int) -> date:
    return month.replace(day=min(day, calendar.monthrange(month.year, month.month)[1]))


def _relative(month: date, pattern: dict[str, Any]) -> date:
    wanted = {_DAYS.index(str(day).lower()) for day in pattern["daysOfWeek"]}
    length = calendar.monthrange(month.year, month.month)[1]
    found = [day for day in (month.replace(day=n) for n in range(1, length + 1)) if day.weekday() in wanted]
    place = _INDEXES[str(pattern.get("index", "first")).lower()]
    return found[min(place, len(found) - 1)]
