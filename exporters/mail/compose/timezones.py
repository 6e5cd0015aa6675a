"""Time zones as Outlook stores them: the struct of a series, and definitions with rules for years; and their names.

Rules of this file: pure; knows any `tzinfo`, whether of the IANA data or of a VTIMEZONE. Offsets are minutes.
Source: [MS-OXOCAL] 2.2.1.39 to 2.2.1.43 (TimeZoneStruct, TimeZoneDefinition); reference/mapi-mapping.md §3.4 (checked on
samples); windows_zones.json is made from CLDR's windowsZones: Windows key -> IANA names, the territory-less one first.
"""

import calendar
import json
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_USED_FOR_RECURRENCE, _EFFECTIVE = 1, 2
_ANY_YEAR = 1601
_YEARS_COMPARED = 4
_MAX_YEARS = 30  # of a series: after that its zone is taken to change no more
_NO_CHANGE = bytes(16)
_UTC = frozenset({"tzone://microsoft/utc", "z", "coordinated universal time"})


@dataclass(frozen=True)
class Change:
    """A change of the clock: the nth (5: last) weekday (0 Sunday) of a month, at a time of the wall clock before it."""

    month: int
    weekday: int
    week: int
    hour: int
    minute: int = 0
    second: int = 0

    def encode(self) -> bytes:
        """SYSTEMTIME."""
        return struct.pack("<8H", 0, self.month, self.weekday, self.week, self.hour, self.minute, self.second, 0)


@dataclass(frozen=True)
class Rule:
    """How the clocks go from `year` on (1601: always). `bias`: minutes west of UTC; both changes, or none."""

    bias: int
    standard: Change | None = None
    daylight: Change | None = None
    daylight_bias: int = -60
    standard_bias: int = 0
    year: int = _ANY_YEAR

    @property
    def changes(self) -> bool:
        return self.standard is not None and self.daylight is not None


@dataclass(frozen=True)
class Zone:
    """A zone as a blob names it: the Windows key (or what the source called it), and rules by ascending year.

    `approximate`: the clocks go otherwise than two changes a year; the rules hold for the time they were made for.
    """

    key: str
    rules: tuple[Rule, ...]
    approximate: bool = False


def encode_struct(rule: Rule) -> bytes:
    """PidLidTimeZoneStruct: 48 bytes."""
    standard, daylight, daylight_bias = _encoded_changes(rule)
    head = struct.pack("<3i", rule.bias, rule.standard_bias, daylight_bias)
    return head + bytes(2) + standard + bytes(2) + daylight


def encode_definition(zone: Zone, *, recurrence: bool = False) -> bytes:
    """PidLidAppointmentTimeZoneDefinition{StartDisplay,EndDisplay}, or ...Recur with `recurrence`.

    The last rule is the effective one; display definitions hold it alone, as Outlook's do.
    """
    rules = zone.rules if recurrence else zone.rules[-1:]
    key = zone.key.encode("utf-16-le", "replace")
    head = struct.pack("<BBHHH", 2, 1, 6 + len(key), 2, len(key) // 2) + key + struct.pack("<H", len(rules))
    effective = _EFFECTIVE | _USED_FOR_RECURRENCE if recurrence else _EFFECTIVE
    return head + b"".join(_encode_rule(rule, effective if rule is rules[-1] else 0) for rule in rules)


def _encode_rule(rule: Rule, flags: int) -> bytes:
    since = bytes(14) if rule.year == _ANY_YEAR else struct.pack("<3H", 1, 0, 1) + bytes(8)
    standard, daylight, daylight_bias = _encoded_changes(rule)
    head = struct.pack("<BBHHH", 2, 1, 0x3E, flags, rule.year)
    return head + since + struct.pack("<3i", rule.bias, rule.standard_bias, daylight_bias) + standard + daylight


def _encoded_changes(rule: Rule) -> tuple[bytes, bytes, int]:
    if rule.standard is None or rule.daylight is None:
        return _NO_CHANGE, _NO_CHANGE, 0
    return rule.standard.encode(), rule.daylight.encode(), rule.daylight_bias


def described(zone: Zone) -> str:
    """PidLidTimeZoneDescription: `(UTC+01:00) W. Europe Standard Time`."""
    minutes = -zone.rules[-1].bias
    sign = "-" if minutes < 0 else "+"
    return f"(UTC{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}) {zone.key}"


def zone_of(source: tzinfo, key: str, first: datetime, last_year: int | None = None) -> Zone:
    """The rules of any `tzinfo` for an event at `first` (naive, wall clock) or a series from then to `last_year`."""
    final = min(max(last_year or first.year, first.year), first.year + _MAX_YEARS, 9000)
    rules: list[Rule] = []
    approximate = False
    for year in range(first.year, final + 1):
        rule = _rule_of_year(source, year)
        if rule is None:
            approximate = True
            rule = Rule(-_minutes(source.utcoffset(first)))
        if not rules:
            rules.append(rule)
        elif (rule.bias, rule.standard, rule.daylight) != (rules[-1].bias, rules[-1].standard, rules[-1].daylight):
            rules.append(Rule(rule.bias, rule.standard, rule.daylight, rule.daylight_bias, year=year))
    return Zone(key, tuple(rules), approximate)


def _minutes(offset: timedelta | None) -> int:
    return int((offset or timedelta()).total_seconds()) // 60


def _offset(source: tzinfo, moment: datetime) -> timedelta:
    """The offset at an instant (naive, UTC)."""
    return moment.replace(tzinfo=UTC).astimezone(source).utcoffset() or timedelta()


@lru_cache(maxsize=4096)
def _changes(source: tzinfo, year: int) -> tuple[tuple[datetime, timedelta, timedelta], ...]:
    """The changes of a year: the wall clock before each, and the offsets before and after."""
    found = []
    at, end = datetime(year, 1, 1), datetime(year + 1, 1, 1)  # noqa: DTZ001 - instants in UTC
    before = _offset(source, at)
    while at < end:
        following = min(at + timedelta(days=10), end)
        after = _offset(source, following)
        if after != before:
            low, high = 0, int((following - at).total_seconds())
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (
                    (low, middle) if _offset(source, at + timedelta(seconds=middle)) != before else (middle, high)
                )
            at += timedelta(seconds=high)
            after = _offset(source, at)
            found.append((at + before, before, after))
            before = after
        else:
            at = following
    return tuple(found)


@lru_cache(maxsize=4096)
def _rule_of_year(source: tzinfo, year: int) -> Rule | None:
    """The rule of one year; None when the clocks change otherwise than once, or twice between two offsets."""
    changes = _changes(source, year)
    if not changes:
        return Rule(-_minutes(_offset(source, datetime(year, 1, 1))))  # noqa: DTZ001
    if len(changes) == 1:
        return _rule_of_one_change(source, year, changes[0])
    if len(changes) != 2 or changes[0][1] != changes[1][2] or changes[0][2] != changes[1][1]:
        return None
    to_daylight, to_standard = sorted(changes, key=lambda change: change[1] - change[2])
    bias = -_minutes(to_standard[2])
    daylight_bias = -_minutes(to_daylight[2]) - bias
    return Rule(bias, _change(source, to_standard[0]), _change(source, to_daylight[0]), daylight_bias)


def _rule_of_one_change(source: tzinfo, year: int, change: tuple[datetime, timedelta, timedelta]) -> Rule:
    """A year in which the offset changes for good: the larger one is daylight time. The other change stands at the year's edge,
    where it skips and repeats nothing that is in the year (but its last minute)."""
    wall, before, after = change
    bias, most = -_minutes(min(before, after)), _minutes(max(before, after))
    if after > before:
        first = (datetime(year, 1, 1).weekday() + 1) % 7  # noqa: DTZ001
        return Rule(bias, Change(1, first, 1, 0), _change(source, wall), -most - bias)
    last = (datetime(year, 12, 31).weekday() + 1) % 7  # noqa: DTZ001
    return Rule(bias, _change(source, wall), Change(12, last, 5, 23, 59), -most - bias)


def _change(source: tzinfo, wall: datetime) -> Change:
    """The wall-clock time of a change as the nth or last weekday of its month, by this and the following years."""
    last = True
    for year in range(wall.year, min(wall.year + _YEARS_COMPARED, 9000)):
        for found, _, _ in _changes(source, year):
            if found.month == wall.month and found.weekday() == wall.weekday():
                last &= found.day + 7 > calendar.monthrange(found.year, found.month)[1]
    week = 5 if last else (wall.day - 1) // 7 + 1
    return Change(wall.month, (wall.weekday() + 1) % 7, week, wall.hour, wall.minute, wall.second)


@cache
def _names() -> dict[str, list[str]]:
    loaded: dict[str, list[str]] = json.loads((Path(__file__).parent / "windows_zones.json").read_bytes())
    return loaded


@cache
def _by_iana() -> dict[str, str]:
    return {iana.lower(): key for key, names in _names().items() for iana in names}


@cache
def _by_key() -> dict[str, str]:
    return {key.lower(): names[0] for key, names in _names().items()}


def windows_key(iana: str) -> str | None:
    """The Windows key of an IANA zone, None if CLDR knows none."""
    return _by_iana().get(iana.lower())


@lru_cache(maxsize=1024)
def named_zone(name: str) -> tuple[ZoneInfo, str] | None:
    """The zone that an IANA or Windows name, or one of the decorated forms that calendars use, stands for; and its key.

    Decorated: `/mozilla.org/20070129_1/Europe/Berlin`, `America/Los Angeles`, `posix/Europe/Vaduz`, quotes. The key is the
    Windows name, or the IANA name if there is none.
    """
    name = name.strip().strip("\"'")
    name = "UTC" if name.lower() in _UTC else name
    windows = _by_key().get(name.lower())
    if windows is not None:
        return ZoneInfo(windows), next(key for key in _names() if key.lower() == name.lower())
    segments = [part for part in name.replace(" ", "_").split("/") if part]
    # The last segment alone is no name: it would be a city that any prefix could have had
    candidates = ["/".join(segments[start:]) for start in range(max(len(segments) - 1, 1))] if segments else []
    for candidate in sorted(candidates, key=lambda one: windows_key(one) is None):
        try:
            zone = ZoneInfo(candidate)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
        return zone, windows_key(candidate) or candidate
    return None
