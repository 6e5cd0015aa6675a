"""Recurring series: their dates, and the blob by which Outlook stores them (PidLidAppointmentRecur).

Rules of this file: pure, and knows nothing of iCalendar or Graph. All times are the wall clock of the series' own zone, naive.
What the blob cannot say is refused with RecurrenceRefused; leaving something out is the caller's choice.
Source: [MS-OXOCAL] 2.2.1.44 (RecurrencePattern, AppointmentRecurrencePattern, ExceptionInfo, ExtendedException);
reference/mapi-mapping.md §3.2 (checked on samples of Outlook).
"""

import calendar
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum

WEEKDAYS, EVERY_DAY = 0x3E, 0x7F  # masks: Sunday is bit 0
LAST = 5  # the nth weekday of a month that is its last
LAST_DAY = date(4500, 8, 31)  # where Outlook's calendar ends
_NEVER = 0x5AE980DF  # EndDate of a series without end
_FIRST_YEAR = 1601
_DAY, _WEEK = 1440, 10080  # minutes


class RecurrenceRefused(ValueError):
    """A series that the blob cannot express."""


class Frequency(IntEnum):
    """RecurFrequency."""

    DAILY = 0x200A
    WEEKLY = 0x200B
    MONTHLY = 0x200C
    YEARLY = 0x200D


@dataclass(frozen=True)
class Pattern:
    """On which days: every `interval` days, weeks, months or years.

    Daily: `weekdays` 0, or 0x3E ("every weekday", interval 1). Weekly: `weekdays` is a mask (Sunday 1 ... Saturday 64).
    Monthly and yearly: `day` of the month (31 is the last day of shorter ones), or the `nth` (1 to 4, 5 the last) of the days
    in `weekdays`; a yearly one stays in the month of its first occurrence. Raises RecurrenceRefused for anything else.
    """

    frequency: Frequency
    interval: int = 1
    weekdays: int = 0
    day: int = 0
    nth: int = 0
    first_weekday: int = 0  # where weeks begin: 0 Sunday ... 6

    def __post_init__(self) -> None:
        daily, weekly = self.frequency == Frequency.DAILY, self.frequency == Frequency.WEEKLY
        monthly = not daily and not weekly
        good = 0 < self.interval <= 9999 and 0 <= self.weekdays <= EVERY_DAY and 0 <= self.first_weekday <= 6
        if daily:
            good &= not self.day and not self.nth and (not self.weekdays or self.interval == 1)
        elif weekly:
            good &= not self.day and not self.nth and self.weekdays > 0
        if monthly and self.nth:
            good &= not self.day and 1 <= self.nth <= LAST and self.weekdays > 0
        elif monthly:
            good &= not self.weekdays and 1 <= self.day <= 31
        if not good:
            raise RecurrenceRefused(f"{self} is no pattern")

    def dates(self, first: date) -> Iterator[date]:
        """The dates from `first` on, which need not be one of them, up to the end of Outlook's calendar."""
        source = self._days(first) if self.frequency in (Frequency.DAILY, Frequency.WEEKLY) else self._months(first)
        for day in source:
            if day > LAST_DAY:
                return
            if day >= first:
                yield day

    def _days(self, first: date) -> Iterator[date]:
        if not self.weekdays:
            for number in range(0, (LAST_DAY - first).days + 1, self.interval):
                yield first + timedelta(number)
            return
        weeks = self.interval if self.frequency == Frequency.WEEKLY else 1
        week = first - timedelta((weekday(first) - self.first_weekday) % 7)
        while week <= LAST_DAY:
            for number in range(7):
                if 1 << weekday(week + timedelta(number)) & self.weekdays:
                    yield week + timedelta(number)
            week += timedelta(7 * weeks)

    def _months(self, first: date) -> Iterator[date]:
        step = self.interval * (12 if self.frequency == Frequency.YEARLY else 1)
        for number in range(first.year * 12 + first.month - 1, LAST_DAY.year * 12 + LAST_DAY.month, step):
            yield self.in_month(number // 12, number % 12 + 1)

    def in_month(self, year: int, month: int) -> date:
        """The date in a month, for monthly and yearly patterns."""
        first_weekday, length = calendar.monthrange(year, month)  # Monday is 0 here
        if not self.nth:
            return date(year, month, min(self.day, length))
        days = [day for day in range(1, length + 1) if 1 << (first_weekday + day) % 7 & self.weekdays]
        return date(year, month, days[min(self.nth, len(days)) - 1] if self.nth != LAST else days[-1])


@dataclass(frozen=True)
class Changed:
    """One occurrence that differs. None: as in the series. Reminders in minutes; `busy` as PidLidBusyStatus."""

    original_start: datetime
    start: datetime
    end: datetime
    subject: str | None = None
    location: str | None = None
    busy: int | None = None
    all_day: bool | None = None
    reminder_minutes: int | None = None
    reminder_set: bool | None = None
    meeting_type: int | None = None
    has_attachments: bool | None = None
    color: int | None = None
    body_differs: bool = False


@dataclass(frozen=True)
class Series:
    """A whole series. `start` is its first occurrence and follows the pattern; it ends after `count`, or on `until`, or never.

    `deleted` are original dates of occurrences that do not take place. Raises RecurrenceRefused for a start that does not
    follow the pattern, an end before it, and for deleted or changed dates that are none of the series, or both at once.
    `admits_strangers`: changed occurrences may have been on other days; they take place all the same.
    """

    pattern: Pattern
    start: datetime
    minutes: int
    count: int | None = None
    until: date | None = None
    deleted: tuple[date, ...] = ()
    changed: tuple[Changed, ...] = ()
    admits_strangers: bool = False

    def __post_init__(self) -> None:
        if self.start.year < _FIRST_YEAR or self.start.tzinfo is not None or self.minutes < 0:
            raise RecurrenceRefused("the start has a zone, lies before 1601, or comes after the end")
        if self.count is not None and (self.until is not None or self.count < 1):
            raise RecurrenceRefused("a series ends by a count of at least one, or by a date")
        if next(self.pattern.dates(self.start.date()), None) != self.start.date():
            raise RecurrenceRefused(f"{self.start.date()} does not follow the pattern")
        if self.until is not None and self.until < self.start.date():
            raise RecurrenceRefused("the series ends before it begins")
        changed = [change.original_start.date() for change in self.changed]
        gone = [*self.deleted, *changed]
        if len(set(gone)) != len(gone):
            raise RecurrenceRefused("an occurrence is deleted or changed twice")
        if self.admits_strangers:
            gone = [*self.deleted]
        if not set(gone) <= self.dates_among(set(gone)):
            raise RecurrenceRefused("a deleted or changed date is none of the series")

    def dates(self) -> Iterator[date]:
        """All dates, deleted and changed ones included, by the pattern."""
        for number, day in enumerate(self.pattern.dates(self.start.date())):
            if number == self.count or (self.until is not None and day > self.until):
                return
            yield day

    def dates_among(self, wanted: set[date]) -> set[date]:
        """Those of `wanted` that are dates of the series."""
        found: set[date] = set()
        last = max(wanted, default=date.min)
        for day in self.dates() if wanted else ():
            if day > last:
                break
            if day in wanted:
                found.add(day)
        return found

    @property
    def endless(self) -> bool:
        return self.count is None and self.until is None

    def last_date(self) -> date | None:
        """EndDate of the blob: the given end, or the date of the last occurrence; None for a series without end."""
        if self.endless:
            return None
        if self.until is not None:
            return self.until
        return max(self.dates())


def weekday(day: date) -> int:
    """0 Sunday ... 6 Saturday."""
    return (day.weekday() + 1) % 7


def minutes_of(moment: date | datetime) -> int:
    """Minutes since 1601-01-01 by the wall clock."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001 - wall clock
    return int((moment - datetime(_FIRST_YEAR, 1, 1)).total_seconds()) // 60  # noqa: DTZ001


def encode(series: Series) -> bytes:
    """The AppointmentRecurrencePattern of a series. Raises RecurrenceRefused for times that pass the blob's fields."""
    changed = sorted(series.changed, key=lambda change: change.start)
    offset = series.start.hour * 60 + series.start.minute
    try:
        return b"".join((
            _recurrence(series, changed),
            struct.pack("<4IH", 0x3006, 0x3009, offset, offset + series.minutes, len(changed)),
            *(_exception(change) for change in changed),
            struct.pack("<I", 0),
            *(_extended(change) for change in changed),
            struct.pack("<I", 0),
        ))  # fmt: skip
    except struct.error as error:
        raise RecurrenceRefused(f"a value of the series does not fit: {error}") from error


def encode_pattern(series: Series) -> bytes:
    """The RecurrencePattern alone, as tasks store it (PidLidTaskRecurrence). Raises RecurrenceRefused likewise."""
    try:
        return _recurrence(series, [])
    except struct.error as error:
        raise RecurrenceRefused(f"a value of the series does not fit: {error}") from error


def _recurrence(series: Series, changed: list[Changed]) -> bytes:
    pattern, first = series.pattern, series.start.date()
    kind, specific = _specific(pattern)
    last = series.last_date()
    end_type = 0x2023 if last is None else 0x2021 if series.until is not None else 0x2022
    count = 10 if last is None else series.count if series.count is not None else sum(1 for _ in series.dates())
    gone = sorted([*series.deleted, *(change.original_start.date() for change in changed)])
    return b"".join((
        struct.pack("<5H", 0x3004, 0x3004, pattern.frequency, kind, 0),
        struct.pack("<3I", _first_date_time(pattern, first), _period(pattern), 0),
        specific,
        struct.pack("<3I", end_type, count, pattern.first_weekday),
        _dates(gone),
        _dates([change.start.date() for change in changed]),
        struct.pack("<2I", minutes_of(first), _NEVER if last is None else minutes_of(last)),
    ))  # fmt: skip


def _dates(days: list[date]) -> bytes:
    return struct.pack(f"<{len(days) + 1}I", len(days), *map(minutes_of, days))


def _specific(pattern: Pattern) -> tuple[int, bytes]:
    """PatternType and PatternTypeSpecific."""
    if pattern.nth:
        return 3, struct.pack("<2I", pattern.weekdays, pattern.nth)
    if pattern.day:
        return 2, struct.pack("<I", pattern.day)
    if pattern.weekdays:
        return 1, struct.pack("<I", pattern.weekdays)
    return 0, b""


def _period(pattern: Pattern) -> int:
    if pattern.frequency == Frequency.DAILY:
        return 1 if pattern.weekdays else pattern.interval * _DAY
    return pattern.interval * 12 if pattern.frequency == Frequency.YEARLY else pattern.interval


def _first_date_time(pattern: Pattern, first: date) -> int:
    """FirstDateTime: how far the first period is from 1601-01-01, modulo the period."""
    period = _period(pattern)
    if pattern.frequency in (Frequency.MONTHLY, Frequency.YEARLY):
        months = ((first.year - _FIRST_YEAR) * 12 + first.month - 1) % period
        return minutes_of(date(_FIRST_YEAR + months // 12, months % 12 + 1, 1))
    if pattern.weekdays:
        week = minutes_of(first) - (weekday(first) - pattern.first_weekday) % 7 * _DAY
        return week % (period * _WEEK)
    return minutes_of(first) % period


def _flags(change: Changed) -> int:
    present = (
        change.subject, change.meeting_type, change.reminder_minutes, change.reminder_set, change.location, change.busy,
        change.has_attachments, change.all_day, change.color,
    )  # fmt: skip
    return sum(1 << bit for bit, value in enumerate(present) if value is not None) | change.body_differs << 9


def _times(change: Changed) -> bytes:
    return struct.pack("<3I", minutes_of(change.start), minutes_of(change.end), minutes_of(change.original_start))


def _exception(change: Changed) -> bytes:
    """ExceptionInfo."""
    found = [_times(change), struct.pack("<H", _flags(change))]
    for value in (
        change.subject, change.meeting_type, change.reminder_minutes, change.reminder_set, change.location, change.busy,
        change.has_attachments, change.all_day, change.color,
    ):  # fmt: skip
        if isinstance(value, str):
            raw = value.encode("cp1252", "replace")
            found.append(struct.pack("<2H", len(raw) + 1, len(raw)) + raw)
        elif value is not None:
            found.append(struct.pack("<I", int(value)))
    return b"".join(found)


def _extended(change: Changed) -> bytes:
    """ExtendedException: change highlight, and subject and location once more, in UTF-16."""
    found = [struct.pack("<3I", 4, 0, 0)]
    texts = [text for text in (change.subject, change.location) if text is not None]
    if texts:
        found.append(_times(change))
        for text in texts:
            raw = text.encode("utf-16-le", "replace")
            found.append(struct.pack("<H", len(raw) // 2) + raw)
        found.append(struct.pack("<I", 0))
    return b"".join(found)


_NTH = ("", "first", "second", "third", "fourth", "last")
_NAMES = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def described(series: Series) -> str:
    """PidLidRecurrencePattern: the series in words, as `every Tuesday from 8:00 AM to 8:30 AM`."""
    pattern = series.pattern
    end = series.start + timedelta(minutes=series.minutes)
    times = (
        ""
        if series.minutes % _DAY == 0 and series.start.time() == end.time()
        else f" from {_clock(series.start)} to {_clock(end)}"
    )
    unit = {Frequency.DAILY: "day", Frequency.WEEKLY: "week", Frequency.MONTHLY: "month", Frequency.YEARLY: "year"}[
        pattern.frequency
    ]
    every = f"every {pattern.interval} {unit}s" if pattern.interval > 1 else f"every {unit}"
    days = " and ".join(", ".join(_days_of(pattern.weekdays)).rsplit(", ", 1))
    month = f" of {calendar.month_name[series.start.month]}" if pattern.frequency == Frequency.YEARLY else ""
    if pattern.nth:
        return f"the {_NTH[pattern.nth]} {days}{month} of {every}{times}"
    if pattern.day:
        return f"day {pattern.day}{month} of {every}{times}"
    if pattern.weekdays:
        return f"every {days}{times}" if pattern.interval == 1 else f"{every} on {days}{times}"
    return f"{every}{times}"


def _days_of(mask: int) -> list[str]:
    if mask in (EVERY_DAY, WEEKDAYS, 0x41):
        return [{EVERY_DAY: "day", WEEKDAYS: "weekday", 0x41: "weekend day"}[mask]]
    return [name for bit, name in enumerate(_NAMES) if 1 << bit & mask]


def _clock(moment: datetime) -> str:
    return f"{moment.hour % 12 or 12}:{moment.minute:02} {'AM' if moment.hour < 12 else 'PM'}"
