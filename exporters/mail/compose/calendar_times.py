"""Times of iCalendar: dates, date-times, durations, offsets, and the zones that VTIMEZONE describes.

Rules of this file: pure. A VTIMEZONE becomes a `tzinfo`, so that the rest of the package sees one kind of zone. A TZID that is
known by name is taken from the IANA data, unless its VTIMEZONE says another offset for the event.
Source: RFC 5545 3.3.4 to 3.3.6, 3.3.14, 3.6.5; reference/mapi-mapping.md §3.4.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from exporters.mail.compose.calendar_text import Component, Line
from exporters.mail.compose.recurrence import Frequency, Pattern, RecurrenceRefused
from exporters.mail.compose.timezones import named_zone

WEEKDAYS = {"SU": 0, "MO": 1, "TU": 2, "WE": 3, "TH": 4, "FR": 5, "SA": 6}
_FLOATING = "(none)"  # what is said of times without a zone, in a calendar that names none
FIRST, LAST = datetime(1601, 1, 2), datetime(4500, 8, 31)  # noqa: DTZ001 - what Outlook's calendar can show
_MOST_OBSERVANCES = 300  # the whole history of a zone has far fewer; each time of an event asks all of them
_MOMENT = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ](\d\d):?(\d\d)(?::?(\d\d))?(?:\.\d+)?(Z)?)?$", re.IGNORECASE)
_DURATION = re.compile(r"([+-])?P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$", re.IGNORECASE)
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)(?::?(\d\d))?$")
_BY_DAY = re.compile(r"([+-]?\d{1,2})?(SU|MO|TU|WE|TH|FR|SA)$")


@dataclass(frozen=True)
class Moment:
    """A time of an event: the wall clock, its zone and the zone's name. `is_date`: a day without a time."""

    wall: datetime
    zone: tzinfo
    key: str
    is_date: bool = False

    @property
    def utc(self) -> datetime:
        return self.wall.replace(tzinfo=self.zone).astimezone(UTC)


def parsed(value: str) -> tuple[datetime, bool, bool] | None:
    """A DATE or DATE-TIME: the wall clock, whether it is UTC, whether it is a date. None if it is none, or out of range."""
    match = _MOMENT.match(value.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    try:
        wall = datetime(year, month, day, hour, minute, min(second, 59))  # noqa: DTZ001 - its zone comes with it
    except ValueError:
        return None
    return (wall, bool(match[7]), match[4] is None) if FIRST <= wall <= LAST else None


def duration(value: str) -> timedelta | None:
    """A DURATION; None if it is none, or longer than Outlook's calendar."""
    match = _DURATION.match(value.strip())
    if match is None or value.strip().upper().endswith(("P", "T")):
        return None
    weeks, days, hours, minutes, seconds = (int((part or "0")[:12]) for part in match.groups()[1:])
    total = ((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + seconds
    if total > (LAST - FIRST).total_seconds():
        return None
    return timedelta(seconds=-total if match[1] == "-" else total)


def nth_weekday(value: str) -> tuple[int, int] | None:
    """A BYDAY part: (0 or the ordinal, weekday with Sunday 0); None if it is none."""
    match = _BY_DAY.match(value.strip().upper())
    return (int(match[1] or 0), WEEKDAYS[match[2]]) if match else None


def rule_parts(value: str) -> dict[str, str]:
    """The parts of an RRULE, names and values in capitals."""
    pairs = (part.partition("=") for part in value.upper().split(";"))
    return {name.strip(): text.strip() for name, _, text in pairs if name.strip()}


@dataclass
class _Observance:
    """STANDARD or DAYLIGHT: when it begins, each time by the wall clock before it."""

    start: datetime
    before: timedelta
    after: timedelta
    onsets: list[datetime]
    pattern: Pattern | None = None
    days: frozenset[int] = frozenset()
    month: int = 1
    until: datetime | None = None
    _years: dict[int, datetime | None] = field(default_factory=dict)

    def latest(self, wall: datetime, fold: int) -> datetime | None:
        """The last beginning that is not after `wall`; with `fold` 1, an hour that comes twice is the second one."""
        if fold:
            wall -= min(self.after - self.before, timedelta())
        found = bisect_right(self.onsets, wall)
        best = self.onsets[found - 1] if found else None
        if self.pattern is not None:
            year = min(wall.year, self.until.year) if self.until else wall.year
            for onset in (self.in_year(year), self.in_year(year - 1)):
                if onset is not None and onset <= wall and (best is None or onset > best):
                    return onset
        return best

    def in_year(self, year: int) -> datetime | None:
        if year not in self._years:
            self._years[year] = self._find(year)
        return self._years[year]

    def _find(self, year: int) -> datetime | None:
        if self.pattern is None or not max(self.start.year, 1) <= year <= 9998:
            return None
        day = self.pattern.in_month(year, self.month)
        if self.days:  # the weekday on or after a day, given as the seven days where it can fall
            first = date(year, self.month, min(self.days))
            day = first + timedelta(
                next(n for n in range(7) if self.pattern.weekdays >> ((first.weekday() + 1 + n) % 7) & 1)
            )
        onset = datetime.combine(day, self.start.time())
        return onset if self.start <= onset and (self.until is None or onset <= self.until) else None


class ObservedZone(tzinfo):
    """A zone by its VTIMEZONE. Compared by identity."""

    def __init__(self, name: str, observances: list[_Observance]) -> None:
        self._name = name
        self._observances = sorted(observances, key=lambda one: one.start)
        # The smaller first: an instant before a leap of the clock is not shown by the time that the clock leaps over
        self._offsets = sorted({one.after for one in observances} | {one.before for one in observances})

    def _at(self, wall: datetime, fold: int) -> timedelta:
        best: tuple[datetime, timedelta] | None = None
        for one in self._observances:
            onset = one.latest(wall, fold)
            if onset is not None and (best is None or onset > best[0]):
                best = onset, one.after
        return best[1] if best else self._observances[0].before

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return None if moment is None else self._at(moment.replace(tzinfo=None), moment.fold)

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None) -> str:
        return self._name

    def fromutc(self, moment: datetime) -> datetime:
        for offset in self._offsets:
            for fold in (0, 1):
                if self._at((moment + offset).replace(tzinfo=None), fold) == offset:
                    return (moment + offset).replace(fold=fold)
        return moment + self._offsets[0]


def _offset_of(value: str) -> timedelta | None:
    match = _OFFSET.match(value.strip())
    if match is None:
        return None
    seconds = int(match[2]) * 3600 + int(match[3]) * 60 + int(match[4] or 0)
    if seconds >= 86400:
        return None
    return timedelta(seconds=-seconds if match[1] == "-" else seconds)


def observed_zone(component: Component) -> ObservedZone | None:
    """The zone of a VTIMEZONE; None if no part of it, or too many to look at, can be used. The same text gives the same zone."""
    parts = [child for child in component.children if child.name in ("STANDARD", "DAYLIGHT")]
    if len(parts) > _MOST_OBSERVANCES:
        return None
    text = tuple(tuple((line.name, line.value) for line in part.lines) for part in parts)
    return _zone_of_text(component.text("TZID"), text)


@lru_cache(maxsize=256)
def _zone_of_text(name: str, parts: tuple[tuple[tuple[str, str], ...], ...]) -> ObservedZone | None:
    components = [Component("", [Line(line, {}, value) for line, value in part]) for part in parts]
    observances = [found for component in components if (found := _observance(component))]
    return ObservedZone(name, observances) if observances else None


def _observance(component: Component) -> _Observance | None:
    after, before = _offset_of(component.text("TZOFFSETTO")), _offset_of(component.text("TZOFFSETFROM"))
    start = _MOMENT.match(component.text("DTSTART"))
    if after is None or start is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in start.groups()[:6])
    try:
        began = datetime(max(year, 1), month, day, hour, minute, min(second, 59))  # noqa: DTZ001
    except ValueError:
        return None
    dates = (parsed(value) for line in component.all("RDATE") for value in line.value.split(","))
    onsets = sorted({began, *(found[0] for found in dates if found)})
    found = _Observance(began, before if before is not None else after, after, onsets)
    for line in component.all("RRULE"):
        _add_rule(found, rule_parts(line.value))
    return found


def _add_rule(found: _Observance, parts: dict[str, str]) -> None:
    """The yearly rule of an observance; another kind is not used, and its DTSTART alone counts."""
    if parts.get("FREQ") != "YEARLY" or parts.get("INTERVAL", "1") != "1":
        return
    month, days = parts.get("BYMONTH", str(found.start.month)), parts.get("BYMONTHDAY", "")
    weekday = nth_weekday(parts["BYDAY"]) if "BYDAY" in parts else None
    try:
        found.month = int(month)
        numbers = [int(day) for day in days.split(",")] if days else []
        if not 1 <= found.month <= 12 or any(not 1 <= day <= 22 for day in numbers if len(numbers) > 1):
            return
        if weekday and len(numbers) > 1:
            found.pattern, found.days = Pattern(Frequency.YEARLY, weekdays=1 << weekday[1], nth=1), frozenset(numbers)
        elif weekday:
            nth = 5 if weekday[0] in (-1, 5) else weekday[0] or 1
            found.pattern = Pattern(Frequency.YEARLY, weekdays=1 << weekday[1], nth=nth)
        else:
            found.pattern = Pattern(Frequency.YEARLY, day=numbers[0] if numbers else found.start.day)
    except (ValueError, RecurrenceRefused):
        return
    if (until := parsed(parts.get("UNTIL", ""))) is not None:
        found.until = until[0] + found.before if until[1] else until[0]


class Zones:
    """The zones of one calendar. `unknown` collects the names that stand for none; UTC is used for them."""

    def __init__(self, calendar: Component) -> None:
        self._components = {one.text("TZID"): one for one in calendar.components("VTIMEZONE")}
        self._observed: dict[str, ObservedZone | None] = {}
        self.unknown: list[str] = []
        name = calendar.text("X-WR-TIMEZONE") or (next(iter(self._components)) if len(self._components) == 1 else "")
        self._default = name

    def moment(self, line: Line | None) -> Moment | None:
        """The time that a line names, by its own zone, else by the calendar's; None without one, or if it cannot be read."""
        found = parsed(line.value) if line else None
        if line is None or found is None:
            return None
        wall, in_utc, is_date = found
        if in_utc:
            return Moment(wall, UTC, "UTC")
        name = line.parameter("TZID") or self._default
        if not name and not is_date and _FLOATING not in self.unknown:
            self.unknown.append(_FLOATING)
        zone, key = self.named(name, wall)
        return Moment(wall, zone, key, is_date)

    def named(self, name: str, wall: datetime) -> tuple[tzinfo, str]:
        """The zone of a TZID and the key by which Outlook would know it, for an event at `wall`."""
        if not name:
            return UTC, "UTC"
        if name not in self._observed:
            component = self._components.get(name)
            self._observed[name] = observed_zone(component) if component else None
        observed = self._observed[name]
        component = self._components.get(name)
        known = named_zone(name) or (named_zone(component.text("X-LIC-LOCATION")) if component else None)
        if known is not None and (
            observed is None or observed.utcoffset(wall) == wall.replace(tzinfo=known[0]).utcoffset()
        ):
            return known
        if observed is not None:
            return observed, name
        if name not in self.unknown:
            self.unknown.append(name)
        return UTC, "UTC"
