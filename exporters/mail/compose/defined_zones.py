"""Time zones read back from Outlook's own definitions, for events whose zone has no name (`tzone://Microsoft/Custom`).

Rules of this file: pure; None for what is no definition. Source: [MS-OXOCAL] 2.2.1.41 (PidLidAppointmentTimeZoneDefinition…);
reference/mapi-mapping.md §3.4.
"""

import calendar
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache

from exporters.mail.compose.timezones import Change, Rule

_HEAD = struct.Struct("<BBHHH")
_RULE = struct.Struct("<BBHHH14x3i16s16s")
_SYSTEMTIME = struct.Struct("<8H")


@dataclass(frozen=True)
class _Turn:
    """When a clock is changed in a year, by the wall clock before."""

    at: datetime
    before: timedelta
    after: timedelta


class DefinedZone(tzinfo):
    """A zone by the rules of a definition, each from its year on."""

    def __init__(self, key: str, rules: tuple[Rule, ...]) -> None:
        self.key, self._rules = key, rules
        self._turns: dict[int, tuple[_Turn, ...]] = {}
        offsets = {-rule.bias - part for rule in rules for part in (rule.standard_bias, rule.daylight_bias)}
        self._offsets = [
            timedelta(minutes=offset) for offset in sorted(offsets)
        ]  # the smaller first, as in ObservedZone

    def _rule(self, year: int) -> Rule:
        return max(
            (rule for rule in self._rules if rule.year <= year), key=lambda rule: rule.year, default=self._rules[0]
        )

    def _in_year(self, year: int) -> tuple[_Turn, ...]:
        if year not in self._turns:
            rule = self._rule(year)
            standard = timedelta(minutes=-rule.bias - rule.standard_bias)
            daylight = timedelta(minutes=-rule.bias - rule.daylight_bias)
            turns = []
            if rule.standard is not None and rule.daylight is not None:
                turns = [
                    _Turn(_moment(rule.standard, year), daylight, standard),
                    _Turn(_moment(rule.daylight, year), standard, daylight),
                ]
            self._turns[year] = tuple(sorted(turns, key=lambda turn: turn.at))
        return self._turns[year]

    def _at(self, wall: datetime, fold: int) -> timedelta:
        turns = self._in_year(wall.year)
        if not turns:
            rule = self._rule(wall.year)
            return timedelta(minutes=-rule.bias - rule.standard_bias)
        offset = turns[0].before
        for turn in turns:
            back = max(turn.before - turn.after, timedelta())  # the hour that comes twice ends at the turn
            if wall >= turn.at or (fold and wall >= turn.at - back):
                offset = turn.after
        return offset

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return None if moment is None else self._at(moment.replace(tzinfo=None), moment.fold)

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None) -> str:
        return self.key

    def fromutc(self, moment: datetime) -> datetime:
        for offset in self._offsets:
            for fold in (0, 1):
                if self._at((moment + offset).replace(tzinfo=None), fold) == offset:
                    return (moment + offset).replace(fold=fold)
        return moment + self._offsets[0]


def _moment(change: Change, year: int) -> datetime:
    first_weekday, length = calendar.monthrange(year, change.month)  # Monday is 0 here
    first = (change.weekday - 1 - first_weekday) % 7 + 1
    day = first + 7 * (change.week - 1)
    while day > length:
        day -= 7
    return datetime(year, change.month, day, change.hour, change.minute, change.second)  # noqa: DTZ001 - wall clock


@lru_cache(maxsize=256)
def defined_zone(data: bytes) -> tuple[DefinedZone, str] | None:
    """The zone of a time zone definition, and its key."""
    try:
        major, _, size, _, length = _HEAD.unpack_from(data)
        if major != 2 or size != 6 + 2 * length:
            return None
        key = data[_HEAD.size : _HEAD.size + 2 * length].decode("utf-16-le")
        at = _HEAD.size + 2 * length
        (count,) = struct.unpack_from("<H", data, at)
        rules = [_rule(data, at + 2 + number * _RULE.size) for number in range(count)]
    except (struct.error, UnicodeDecodeError, ValueError):
        return None
    return (DefinedZone(key, tuple(rules)), key) if rules else None


def _rule(data: bytes, at: int) -> Rule:
    """Raises struct.error and ValueError for what is no rule."""
    *_, year, bias, standard_bias, daylight_bias, standard, daylight = _RULE.unpack_from(data, at)
    if any(abs(minutes) >= 1440 for minutes in (bias, bias + standard_bias, bias + daylight_bias)):
        raise ValueError("a day away from UTC")
    return Rule(bias, _change(standard), _change(daylight), daylight_bias, standard_bias, year)


def _change(data: bytes) -> Change | None:
    _, month, weekday, week, hour, minute, second, _ = _SYSTEMTIME.unpack(data)
    if not month:
        return None
    datetime(2000, month, 1, hour, minute, second)  # noqa: DTZ001 - raises ValueError for what is no time
    if weekday > 6 or not 1 <= week <= 5:
        raise ValueError("no weekday of a month")
    return Change(month, weekday, week, hour, minute, second)
