"""Expands a recurrence blob of Outlook's to the times at which something takes place.

Rules of this file: no code of ours; written from reference/mapi-mapping.md §3.2 alone. Dates come from FirstDateTime, Period and
the pattern, as a reader would work them out: nothing else of the series is looked at. Times are the wall clock of
the series' zone.
"""

import calendar
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

ORIGIN = datetime(1601, 1, 1)  # noqa: DTZ001 - wall clock
NEVER = 0x5AE980DF
DAILY, WEEKLY, MONTHLY, YEARLY = 0x200A, 0x200B, 0x200C, 0x200D
ON_DATE, AFTER_COUNT, NO_END = 0x2021, 0x2022, 0x2023


@dataclass
class Change:
    """A changed occurrence: ExceptionInfo and ExtendedException."""

    start: datetime
    end: datetime
    original: datetime
    flags: int
    subject: str | None = None
    location: str | None = None
    numbers: dict[str, int] = field(default_factory=dict)


@dataclass
class Blob:
    """What a blob says."""

    frequency: int
    kind: int
    first: int
    period: int
    specific: tuple[int, ...]
    end_type: int
    count: int
    first_weekday: int
    deleted: list[date]
    modified: list[date]
    start: date
    end: int
    from_minute: int = 0
    to_minute: int = 0
    changes: list[Change] = field(default_factory=list)
    rest: bytes = b""


def wall(minutes: int) -> datetime:
    """Minutes since 1601 as wall clock."""
    return ORIGIN + timedelta(minutes=minutes)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at += struct.calcsize(f"<{form}")
        return found

    def raw(self, size: int) -> bytes:
        found = self.data[self.at : self.at + size]
        assert len(found) == size, "the blob ends too early"
        self.at += size
        return found

    def days(self) -> list[date]:
        (count,) = self.take("I")
        return [wall(value).date() for value in self.take(f"{count}I")]


def parse_pattern(data: bytes) -> tuple[Blob, _Reader]:
    """The first part alone, as tasks hold it."""
    reader = _Reader(data)
    assert reader.take("HH") == (0x3004, 0x3004)
    frequency, kind, calendar_type, first, period, sliding = reader.take("HHHIII")
    assert calendar_type == 0 and sliding == 0
    specific = reader.take({0: "", 1: "I", 2: "I", 3: "II"}[kind])
    end_type, count, first_weekday = reader.take("III")
    deleted, modified = reader.days(), reader.days()
    start, end = reader.take("II")
    blob = Blob(
        frequency,
        kind,
        first,
        period,
        specific,
        end_type,
        count,
        first_weekday,
        deleted,
        modified,
        wall(start).date(),
        end,
    )
    return blob, reader


def parse(data: bytes) -> Blob:
    """A whole blob."""
    blob, reader = parse_pattern(data)
    assert reader.take("II") == (0x3006, 0x3009)
    blob.from_minute, blob.to_minute = reader.take("II")
    (count,) = reader.take("H")
    blob.changes = [_change(reader) for _ in range(count)]
    assert reader.take("I") == (0,)
    for change in blob.changes:
        (size,) = reader.take("I")
        reader.raw(size)
        assert reader.take("I") == (0,)
        if change.flags & 0x0011:
            assert [wall(value) for value in reader.take("III")] == [change.start, change.end, change.original]
            for bit, name in ((0x0001, "subject"), (0x0010, "location")):
                if change.flags & bit:
                    (length,) = reader.take("H")
                    setattr(change, name, reader.raw(2 * length).decode("utf-16-le"))
            assert reader.take("I") == (0,)
    assert reader.take("I") == (0,)
    blob.rest = data[reader.at :]
    return blob


_NUMBERS = {
    0x2: "meeting",
    0x4: "delta",
    0x8: "reminder",
    0x20: "busy",
    0x40: "attachment",
    0x80: "all_day",
    0x100: "color",
}


def _change(reader: _Reader) -> Change:
    start, end, original = (wall(value) for value in reader.take("III"))
    (flags,) = reader.take("H")
    change = Change(start, end, original, flags)
    for place in range(9):
        bit = 1 << place
        if not flags & bit:
            continue
        if bit in (0x0001, 0x0010):
            total, length = reader.take("HH")
            assert total == length + 1
            reader.raw(length)
        else:
            (change.numbers[_NUMBERS[bit]],) = reader.take("I")
    return change


def _in_month(blob: Blob, year: int, month: int) -> date:
    length = calendar.monthrange(year, month)[1]
    if blob.kind == 2:
        return date(year, month, min(blob.specific[0], length))
    mask, nth = blob.specific
    days = [day for day in range(1, length + 1) if mask >> (date(year, month, day).weekday() + 1) % 7 & 1]
    return date(year, month, days[-1] if nth == 5 else days[nth - 1])


def _pattern_days(blob: Blob) -> Iterator[date]:
    """The days of the pattern from FirstDateTime on, near the start of the series."""
    start = (blob.start - ORIGIN.date()).days
    if blob.kind == 0:
        period, first = blob.period // 1440, blob.first // 1440
        day = start - (start - first) % period
        while True:
            yield ORIGIN.date() + timedelta(days=day)
            day += period
    elif blob.kind == 1:
        weeks = blob.period if blob.frequency == WEEKLY else 1
        first = blob.first // 1440
        week = start - (start - first) % (7 * weeks)
        while True:
            for number in range(7):
                day_of_week = (week + number + 1) % 7  # 1601-01-01 was a Monday
                if blob.specific[0] >> day_of_week & 1:
                    yield ORIGIN.date() + timedelta(days=week + number)
            week += 7 * weeks
    else:
        first_month = (wall(blob.first).year - 1601) * 12 + wall(blob.first).month - 1
        here = (blob.start.year - 1601) * 12 + blob.start.month - 1
        month = here - (here - first_month) % blob.period
        while True:
            yield _in_month(blob, 1601 + month // 12, month % 12 + 1)
            month += blob.period


def days(blob: Blob, until: date) -> Iterator[date]:
    """All days of the series up to and with `until`, deleted and changed ones included."""
    found = 0
    last = wall(blob.end).date() if blob.end != NEVER else until
    for day in _pattern_days(blob):
        if day > min(until, last) or (blob.end_type == AFTER_COUNT and found == blob.count):
            return
        if day >= blob.start:
            found += 1
            yield day


def occurrences(blob: Blob, until: date) -> list[tuple[datetime, datetime]]:
    """Start and end of all that takes place and begins up to `until`, in order."""
    gone = set(blob.deleted)
    begin = timedelta(minutes=blob.from_minute)
    length = timedelta(minutes=blob.to_minute - blob.from_minute)
    found = []
    for day in days(blob, until):
        if day not in gone:
            start = datetime(day.year, day.month, day.day) + begin  # noqa: DTZ001
            found.append((start, start + length))
    found += [(change.start, change.end) for change in blob.changes if change.start.date() <= until]
    return sorted(found)


def instants(blob: Blob, zone: ZoneInfo, until: date) -> list[tuple[datetime, datetime]]:
    """The same as instants of a zone."""
    return [(start.replace(tzinfo=zone), end.replace(tzinfo=zone)) for start, end in occurrences(blob, until)]
