"""Reads recurrence and time zone blobs of appointments from their bytes, and says when things happen: in instants.

Rules of this file: standard library only; written from reference/mapi-mapping.md §3.2 and §3.4 ([MS-OXOCAL] 2.2.1.44, 2.2.1.41)
alone; shares nothing with any encoder. An expansion follows from FirstDateTime, Period and the pattern; a date that a month
lacks is its last one. Anything that is not as described is a BlobBroken.
"""

import calendar
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

BEGIN = datetime(1601, 1, 1, tzinfo=None)  # noqa: DTZ001
DAY = 1440
NEVER = 0x5AE980DF
HORIZON = 400 * 366


class BlobBroken(Exception):
    """Bytes that are no such blob."""


class Bytes:
    """Little-endian fields, one after another."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        found = self.data[self.at : self.at + size]
        if len(found) < size:
            raise BlobBroken(f"ends at {len(self.data)}, {size} bytes are due at {self.at}")
        self.at += size
        return found

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "little")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")


@dataclass
class Exception_:
    """A changed occurrence, in wall minutes. `values`: what of it is written: subject, location, busy, all_day, …"""

    start: int
    end: int
    original: int
    flags: int
    values: dict[str, int | str] = field(default_factory=dict)


@dataclass
class Recurrence:
    """A pattern, and the exceptions to it; all times in minutes since 1601-01-01, wall time of the series."""

    frequency: int
    pattern: int
    first: int
    period: int
    specific: tuple[int, ...]
    end_type: int
    count: int
    first_day: int
    deleted: list[int]
    modified: list[int]
    start: int
    end: int
    start_offset: int = 0
    end_offset: int = 0
    exceptions: list[Exception_] = field(default_factory=list)


def read_pattern(data: Bytes) -> Recurrence:
    """The first part, which is all that a task has."""
    versions = data.u16(), data.u16()
    if versions != (0x3004, 0x3004):
        raise BlobBroken(f"versions {versions}")
    frequency, pattern, kind = data.u16(), data.u16(), data.u16()
    if frequency not in (0x200A, 0x200B, 0x200C, 0x200D) or kind != 0:
        raise BlobBroken(f"frequency {frequency:#x}, calendar {kind}")
    first, period, sliding = data.u32(), data.u32(), data.u32()
    sizes = {0: 0, 1: 1, 2: 1, 3: 2, 4: 1}
    if pattern not in sizes or not period or sliding:
        raise BlobBroken(f"pattern {pattern}, period {period}, sliding {sliding}")
    specific = tuple(data.u32() for _ in range(sizes[pattern]))
    end_type, count, first_day = data.u32(), data.u32(), data.u32()
    if first_day > 6:
        raise BlobBroken(f"first day {first_day}")
    deleted = [data.u32() for _ in range(data.u32())]
    modified = [data.u32() for _ in range(data.u32())]
    if deleted != sorted(deleted) or modified != sorted(modified) or len(modified) > len(deleted):
        raise BlobBroken("dates of exceptions are out of order, or too many")
    if any(day % DAY for day in (*deleted, *modified)):
        raise BlobBroken("a date of an exception is no midnight")
    return Recurrence(
        frequency,
        pattern,
        first,
        period,
        specific,
        end_type,
        count,
        first_day,
        deleted,
        modified,
        data.u32(),
        data.u32(),
    )


def read_recurrence(blob: bytes) -> Recurrence:
    """The whole blob of an appointment. Raises BlobBroken."""
    data = Bytes(blob)
    found = read_pattern(data)
    versions = data.u32(), data.u32()
    if versions not in ((0x3006, 0x3009), (0x3006, 0x3008), (0x3006, 0x3006), (0x3006, 0x3007)):
        raise BlobBroken(f"second versions {versions}")
    found.start_offset, found.end_offset = data.u32(), data.u32()
    count = data.u16()
    if count != len(found.modified):
        raise BlobBroken(f"{count} exceptions, {len(found.modified)} new dates")
    found.exceptions = [_read_exception(data) for _ in range(count)]
    data.take(data.u32())
    for one in found.exceptions:
        data.take(data.u32())  # ChangeHighlight
        data.take(data.u32())
        if one.flags & 0x0011:
            if (data.u32(), data.u32(), data.u32()) != (one.start, one.end, one.original):
                raise BlobBroken("an extended exception is of another time")
            for bit, name in ((0x0001, "subject"), (0x0010, "location")):
                if one.flags & bit:
                    one.values[name] = data.take(2 * data.u16()).decode("utf-16-le")
            data.take(data.u32())
    data.take(data.u32())
    return found


def _read_exception(data: Bytes) -> Exception_:
    one = Exception_(data.u32(), data.u32(), data.u32(), data.u16())
    for bit, name in (
        (0x01, "subject"), (0x02, "meeting"), (0x04, "delta"), (0x08, "reminder"), (0x10, "location"), (0x20, "busy"),
        (0x40, "attachment"), (0x80, "all_day"), (0x100, "colour"),
    ):  # fmt: skip
        if not one.flags & bit:
            continue
        if bit in (0x01, 0x10):
            more, length = data.u16(), data.u16()
            if more != length + 1:
                raise BlobBroken(f"lengths {more} and {length} of a {name}")
            one.values[name] = data.take(length).decode("cp1252", "replace")
        else:
            one.values[name] = data.u32()
    return one


# -- days ---------------------------------------------------------------------------------------------------------------


def days_of(found: Recurrence, until: int) -> Iterator[int]:
    """Midnights of the pattern's own days, from StartDate up to and with `until`, deleted and changed ones too."""
    limit, left = until, found.count if found.end_type == 0x2022 else HORIZON
    if found.end_type in (0x2021, 0x2022) and found.end != NEVER:
        limit = min(limit, found.end)
    for day in _matching(found, limit):
        if day > limit or left <= 0:
            return
        left -= 1
        yield day


def _matching(found: Recurrence, limit: int) -> Iterator[int]:
    if found.pattern in (2, 3, 4):
        yield from (day for day in _months(found, limit) if day >= found.start)
        return
    for day in range(found.start, limit + 1, DAY):
        if found.pattern == 0:
            if (day - found.first) % found.period == 0:
                yield day
            continue
        weekday = (day // DAY + 1) % 7  # 1601-01-01 was a Monday
        week = day - (weekday - found.first_day) % 7 * DAY
        if (week - found.first) % (found.period * 7 * DAY) == 0 and found.specific[0] >> weekday & 1:
            yield day


def _months(found: Recurrence, limit: int) -> Iterator[int]:
    first = BEGIN + timedelta(minutes=found.first)
    start = BEGIN + timedelta(minutes=found.start)
    offset = (first.year - 1601) * 12 + first.month - 1
    month = (start.year - 1601) * 12 + start.month - 1
    month += (offset - month) % found.period
    while True:
        year, number = 1601 + month // 12, month % 12 + 1
        day = _day_in(found, year, number)
        minutes = (date(year, number, day) - date(1601, 1, 1)).days * DAY
        if minutes > limit:
            return
        yield minutes
        month += found.period


def _day_in(found: Recurrence, year: int, month: int) -> int:
    length = calendar.monthrange(year, month)[1]
    if found.pattern == 4:
        return length
    if found.pattern == 2:
        return min(found.specific[0], length)
    mask, place = found.specific
    fits = [day for day in range(1, length + 1) if mask >> (date(year, month, day).weekday() + 1) % 7 & 1]
    return fits[-1] if place == 5 else fits[min(place, len(fits)) - 1]


def occurrences(found: Recurrence, until: int) -> list[tuple[int, int]]:
    """(start, end) in wall minutes of all that takes place on days up to `until`."""
    gone = set(found.deleted)
    usual = [(day + found.start_offset, day + found.end_offset) for day in days_of(found, until) if day not in gone]
    return sorted([*usual, *((one.start, one.end) for one in found.exceptions)])


def moment(minutes: int) -> datetime:
    """Wall minutes as a wall time."""
    return BEGIN + timedelta(minutes=minutes)


# -- zones --------------------------------------------------------------------------------------------------------------


@dataclass
class Rule:
    """Of a zone, from a year on. Biases in minutes west of UTC; the changes as (month, weekday 0 Sunday, week, hour, minute)."""

    year: int
    bias: int
    standard_bias: int
    daylight_bias: int
    standard: tuple[int, int, int, int, int]
    daylight: tuple[int, int, int, int, int]


@dataclass
class Zone:
    """A zone definition: its Windows name, its rules from the oldest on."""

    name: str
    rules: list[Rule]

    def instant(self, wall: datetime) -> datetime:
        """A wall time in UTC; of one that comes twice the first."""
        rule = next((one for one in reversed(self.rules) if one.year <= wall.year), self.rules[0])
        return (wall + timedelta(minutes=rule.bias + self._more(rule, wall))).replace(tzinfo=UTC)

    @staticmethod
    def _more(rule: Rule, wall: datetime) -> int:
        if not rule.standard[0] or not rule.daylight[0]:
            return rule.standard_bias
        to_daylight, to_standard = change(wall.year, rule.daylight), change(wall.year, rule.standard)
        gap = timedelta(minutes=rule.standard_bias - rule.daylight_bias)
        if to_daylight <= wall < to_daylight + gap:
            return rule.standard_bias  # a time that there is not: told with the offset before the change
        is_north = to_daylight < to_standard
        is_daylight = to_daylight <= wall < to_standard if is_north else not to_standard <= wall < to_daylight
        return rule.daylight_bias if is_daylight else rule.standard_bias


def change(year: int, when: tuple[int, int, int, int, int]) -> datetime:
    """The wall time, before the change, at which a rule changes the clock in a year."""
    month, weekday, week, hour, minute = when
    length = calendar.monthrange(year, month)[1]
    days = [day for day in range(1, length + 1) if (date(year, month, day).weekday() + 1) % 7 == weekday]
    return datetime(year, month, days[min(week, len(days)) - 1], hour, minute)  # noqa: DTZ001


def _system_time(data: Bytes) -> tuple[int, int, int, int, int]:
    year, month, weekday, week, hour, minute, second, thousandth = struct.unpack("<8H", data.take(16))
    if year or second or thousandth or month > 12 or weekday > 6 or (month and not 1 <= week <= 5):
        raise BlobBroken(f"a change of {year}-{month}-{week} {hour}:{minute}")
    return month, weekday, week, hour, minute


def read_definition(blob: bytes) -> Zone:
    """AppointmentTimeZoneDefinition…. Raises BlobBroken."""
    data = Bytes(blob)
    head = data.take(2), data.u16(), data.u16()
    name = data.take(2 * data.u16()).decode("utf-16-le")
    if head[0] != b"\x02\x01" or head[1] != 6 + 2 * len(name) or head[2] != 2:
        raise BlobBroken(f"head {head} of the zone {name}")
    rules = []
    for _ in range(data.u16()):
        if data.take(4) != b"\x02\x01\x3e\x00":
            raise BlobBroken("no rule of a zone")
        data.u16()
        year = data.u16()
        data.take(14)
        biases = struct.unpack("<3i", data.take(12))
        rules.append(Rule(year, *biases, _system_time(data), _system_time(data)))
    if not rules:
        raise BlobBroken(f"the zone {name} has no rules")
    return Zone(name, sorted(rules, key=lambda rule: rule.year))


def read_struct(blob: bytes) -> Zone:
    """PidLidTimeZoneStruct. Raises BlobBroken."""
    data = Bytes(blob)
    biases = struct.unpack("<3i", data.take(12))
    data.u16()
    standard = _system_time(data)
    data.u16()
    return Zone("", [Rule(1601, *biases, standard, _system_time(data))])
