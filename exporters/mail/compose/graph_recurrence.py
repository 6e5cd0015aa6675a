"""`patternedRecurrence` of Graph as a series of Outlook's.

Rules of this file: pure; all dates are those of the series' own wall clock. A series begins with the first date of its pattern
from `startDate` on. What Outlook cannot repeat is refused with RecurrenceRefused; what is missing has Graph's default.
Source: reference/graph.md 3.6; reference/mapi-mapping.md §3.2 (table of patterns and ranges); quirks.md Q-076.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice

from exporters.mail.compose.graph_item import Record, is_unset, listing, mapping, number, ticks
from exporters.mail.compose.recurrence import EVERY_DAY, LAST, LAST_DAY, Frequency, Pattern, RecurrenceRefused, weekday

_DAYS = {"sunday": 0, "monday": 1, "tuesday": 2, "wednesday": 3, "thursday": 4, "friday": 5, "saturday": 6}
_GROUPS = {"day": EVERY_DAY, "weekday": 0x3E, "weekendday": 0x41}  # as EWS names them
_NTH = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": LAST}
_FREQUENCIES = {
    "daily": Frequency.DAILY, "weekly": Frequency.WEEKLY, "absolutemonthly": Frequency.MONTHLY,
    "relativemonthly": Frequency.MONTHLY, "absoluteyearly": Frequency.YEARLY, "relativeyearly": Frequency.YEARLY,
}  # fmt: skip
_MAX_OCCURRENCES = 200_000  # more than Outlook's calendar has days for


@dataclass(frozen=True)
class Repeated:
    """How often something takes place: from `first` on, `count` times, or until a date, or for ever.

    `is_empty`: the range ends before the pattern's first date; `first` is that date all the same.
    """

    pattern: Pattern
    first: date
    count: int | None = None
    until: date | None = None
    is_empty: bool = False


def start_date(recurrence: Record) -> date | None:
    """`range.startDate`, None if it is not set or cannot be read."""
    return _date(mapping(recurrence.get("range")).get("startDate"))


def repeated(recurrence: Record, start: date) -> Repeated:
    """What a `patternedRecurrence` says. `start`: the day from which on, if the range does not say.

    Raises RecurrenceRefused for a pattern that is unknown, has no day, or lies outside of Outlook's calendar.
    """
    limits = mapping(recurrence.get("range"))
    start = start_date(recurrence) or start
    if not date(1601, 1, 1) <= start <= LAST_DAY:
        raise RecurrenceRefused(f"{start} is outside of Outlook's calendar")
    pattern, month = _pattern(mapping(recurrence.get("pattern")), start)
    first = next((day for day in _dates(pattern, start, month)), None)
    if first is None:
        raise RecurrenceRefused("the pattern has no date")
    kind = _word(limits.get("type"))
    count = until = None
    if kind == "numbered":
        count = _positive(limits.get("numberOfOccurrences"))
    elif kind == "enddate":
        until = _date(limits.get("endDate"))  # year 1: no end
    elif kind != "noend" and (until := _date(limits.get("endDate"))) is None:
        count = _positive(limits.get("numberOfOccurrences"))
    if until is not None and until < first:
        return Repeated(pattern, first, 1, None, is_empty=True)
    if until is not None and until >= LAST_DAY:
        until = None
    if count is not None and len(list(islice(pattern.dates(first), min(count, _MAX_OCCURRENCES)))) < count:
        count = None
    return Repeated(pattern, first, count, until)


def _dates(pattern: Pattern, start: date, month: int) -> Iterator[date]:
    """The dates from `start` on; of a yearly pattern, in its own month."""
    if pattern.frequency != Frequency.YEARLY:
        return pattern.dates(start)
    return (day for day in pattern.dates(date(start.year, month, 1)) if day >= start)


def _pattern(given: Record, start: date) -> tuple[Pattern, int]:
    """The pattern, and the month of a yearly one."""
    kind = _word(given.get("type"))
    frequency = _FREQUENCIES.get(kind)
    if frequency is None:
        raise RecurrenceRefused(f"a pattern of type {kind[:40]!r}")
    interval = _positive(given.get("interval")) or 1
    first_weekday = _DAYS.get(_word(given.get("firstDayOfWeek")), 0)
    month = _positive(given.get("month")) or start.month
    if not 1 <= month <= 12:
        raise RecurrenceRefused(f"month {month}")
    mask = _mask(given.get("daysOfWeek"))
    if frequency == Frequency.DAILY:
        return Pattern(frequency, interval, first_weekday=first_weekday), month
    if frequency == Frequency.WEEKLY:
        mask = mask or 1 << weekday(start)
        return Pattern(frequency, interval, weekdays=mask, first_weekday=first_weekday), month
    if kind.startswith("absolute"):
        day = _positive(given.get("dayOfMonth")) or start.day
        return Pattern(frequency, interval, day=day, first_weekday=first_weekday), month
    nth = _NTH.get(_word(given.get("index")), 1)
    mask = mask or 1 << weekday(start)
    return Pattern(frequency, interval, weekdays=mask, nth=nth, first_weekday=first_weekday), month


def _mask(days: object) -> int:
    mask = 0
    for one in listing(days):
        name = _word(one)
        if name not in _DAYS and name not in _GROUPS:
            raise RecurrenceRefused(f"weekday {name[:40]!r}")
        mask |= _GROUPS[name] if name in _GROUPS else 1 << _DAYS[name]
    return mask


def _word(value: object) -> str:
    return value.strip().lower() if isinstance(value, str) else ""


def _positive(value: object) -> int | None:
    found = number(value)
    return found if found is not None and found > 0 else None


def _date(value: object) -> date | None:
    found = None if is_unset(value) else ticks(value)
    return found[0].date() if found is not None else None


def day_of_occurrence(value: object) -> date | None:
    """The day that the id of an occurrence names (`OID.….yyyy-MM-dd`)."""
    return _date(value.rpartition(".")[2]) if isinstance(value, str) else None
