"""What happened to a subscription, and when: the types of events, and times that are known only as a range.

Rules of this file: pure, no clock, no I/O. An instant is aware and UTC. A time that is not known exactly is a range, and every
reading that it allows lies in it; nothing is rounded. Local times are read here and shown elsewhere, never computed with.
Source: retention-domain §2.5, data/retention/README.md "Common fields", design §6 (TIME).

    read_time("2026-03-10", zone="Europe/Amsterdam")        # 2026-03-09T23:00Z … 2026-03-11T00:00Z
    read_event({"type": "cancel", "at": "2026-03-01T10:15:00Z"})
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from exporters.errors import ConfigurationError

EVENT_TYPES: Final = (
    "cancel",
    "term_end",
    "recurring_off",
    "recurring_on",
    "suspend",
    "reactivate",
    "delete_subscription",
    "expedited_deprovision",
    "reduce_quantity",
)
CHANNELS: Final = (
    "direct",
    "enterprise",
    "vl_enterprise",
    "open_value",
    "csp_nce",
    "csp_legacy",
    "vianet21",
    "germany",
    "trial",
)
TERMS: Final = ("monthly", "annual", "multi_year")
SEGMENTS: Final = ("commercial", "education", "nonprofit", "gcc", "dod")
OBJECT_TYPES: Final = (
    "licence_removed",
    "user_deleted",
    "group_deleted",
    "site_deleted",
    "file_deleted",
    "mail_item_deleted",
    "export_package",
)
"""What happens to one user, drive, file, group or package."""
PARTNER_CHANNELS: Final = frozenset({"csp_nce", "csp_legacy"})
"""Whose portals count in UTC dates, whatever the tenant's zone (PCM)."""

_FIRST, _LAST = date(1990, 1, 1), date(2200, 1, 1)
_FORMS = ("at", "between", "local", "date")
_EAST, _WEST = timedelta(hours=14), timedelta(hours=-12)
_DATE_LENGTH = len("2026-03-10")


class EventError(ConfigurationError):
    """An event, its time or its zone cannot be read."""

    def __init__(self, message: str, action: str) -> None:
        super().__init__(message, code="event_unreadable", action=action)


class TimeRange(NamedTuple):
    """Happened at or after `earliest`, at or before `latest`. `day`: the calendar date, where nothing more is known
    (then `latest` is the end of that date, exclusive)."""

    earliest: datetime
    latest: datetime
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, or will.

    per_user: of `reduce_quantity`: False for storage and other add-ons. certain: False for an end that may be a renewal (an
    `Enabled` subscription's next date). id: its own, or type and count as in `cancel#1`; it stays when the time is corrected.
    provenance: who or what says so.
    """

    type: str
    earliest: datetime
    latest: datetime
    day: date | None = None
    per_user: bool = True
    certain: bool = True
    id: str = ""
    provenance: str = ""

    def surely_before(self, other: "Event") -> bool:
        """Whether every reading of this one lies before every reading of the other; of two dates the dates decide."""
        if self.day is not None and other.day is not None:
            return self.day < other.day
        if self.day is not None:
            return self.latest <= other.earliest  # the end of a date is exclusive
        return self.latest < other.earliest


def zone_of(name: str | None) -> ZoneInfo | None:
    """The zone of a name; None where it is unknown. Raises: EventError."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise EventError(
            f"there is no time zone {name!r}", "Give a name of the IANA database, such as Europe/Amsterdam."
        ) from None


def read_event(record: Mapping[str, Any], *, zone: str | None = None, channel: str | None = None) -> Event:
    """The event of a JSON record: `type`, one of at, between, local or date, and per_user, certain, id, provenance where given.

    Raises: EventError.
    """
    kind = record.get("type")
    if kind not in EVENT_TYPES:
        raise EventError(f"there is no event type {kind!r}", f"Allowed: {', '.join(EVENT_TYPES)}.")
    when = read_when(record, zone=zone, channel=channel)
    per_user, certain = (_switch(record, name) for name in ("per_user", "certain"))
    own_id, provenance = (_word(record, name) for name in ("id", "provenance"))
    return Event(str(kind), *when, per_user=per_user, certain=certain, id=own_id, provenance=provenance)


def read_when(record: Mapping[str, Any], *, zone: str | None = None, channel: str | None = None) -> TimeRange:
    """The range of a record that holds exactly one of at, between, local and date. Raises: EventError."""
    forms = [form for form in _FORMS if record.get(form) is not None]
    if len(forms) != 1:
        raise EventError(
            f"the event {record.get('type')!r} has {len(forms)} times", f"Give exactly one of {', '.join(_FORMS)}."
        )
    form, value = forms[0], record[forms[0]]
    if form == "between":
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise EventError("between does not hold two instants", "Write it as [FROM, TO].")
        return _between(_instant(value[0]), _instant(value[1]))
    if form == "at":
        instant = _instant(value)
        return TimeRange(instant, instant)
    if form == "local":
        return _local(_wall_time(value), zone_of(zone))
    return _day(_date(value), zone, channel)


def read_time(text: str, *, zone: str | None = None, channel: str | None = None) -> TimeRange:
    """The range of a TIME of the command line: instant with offset, DATE, A..B, or wall time in `zone`. Raises: EventError."""
    text = text.strip()
    if ".." in text:
        first, _, last = text.partition("..")
        begin, end = read_time(first, zone=zone, channel=channel), read_time(last, zone=zone, channel=channel)
        _between(begin.earliest, end.earliest)
        return _between(begin.earliest, end.latest)
    moment = _parsed(text)
    if len(text) <= _DATE_LENGTH:
        return _day(moment.date(), zone, channel)
    if moment.tzinfo is None:
        return _local(moment, zone_of(zone))
    instant = _instant(text)
    return TimeRange(instant, instant)


def with_ids(events: Iterable[Event]) -> list[Event]:
    """The events, each with an id: its own, or its type and count in the order of time (`cancel#1`)."""
    counts: Counter[str] = Counter()
    named = []
    for event in sorted(events, key=lambda event: (event.earliest, event.latest, event.day is None, event.per_user)):
        counts[event.type] += 1
        named.append(event if event.id else replace(event, id=f"{event.type}#{counts[event.type]}"))
    return named


def _switch(record: Mapping[str, Any], name: str) -> bool:
    value = record.get(name, True)
    if not isinstance(value, bool):
        raise EventError(f"{name} of the event {record['type']} is {value!r}", "Allowed: true or false.")
    return value


def _word(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name) or ""
    if not isinstance(value, str):
        raise EventError(f"{name} of the event {record['type']} is {value!r}", "Allowed: text.")
    return value


def _between(earliest: datetime, latest: datetime) -> TimeRange:
    if latest < earliest:
        raise EventError(
            f"the range ends ({latest.isoformat()}) before it begins ({earliest.isoformat()})",
            "Write the earlier one first.",
        )
    return TimeRange(earliest, latest)


def _local(wall: datetime, zone: ZoneInfo | None) -> TimeRange:
    """Both readings of a wall-clock time; without a zone, every zone's."""
    if zone is None:
        return TimeRange((wall - _EAST).replace(tzinfo=UTC), (wall - _WEST).replace(tzinfo=UTC))
    readings = [wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    return TimeRange(min(readings), max(readings))


def _day(day: date, zone_name: str | None, channel: str | None) -> TimeRange:
    begin, end = datetime(day.year, day.month, day.day), datetime(day.year, day.month, day.day) + timedelta(days=1)  # noqa: DTZ001
    utc = (begin.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
    if channel in PARTNER_CHANNELS:
        return TimeRange(*utc, day)
    zone = zone_of(zone_name)
    if zone is None:
        return TimeRange((begin - _EAST).replace(tzinfo=UTC), (end - _WEST).replace(tzinfo=UTC), day)
    local = [wall.replace(tzinfo=zone).astimezone(UTC) for wall in (begin, end)]
    return TimeRange(min(utc[0], local[0]), max(utc[1], local[1]), day)


def _instant(value: Any) -> datetime:
    moment = _parsed(value)
    if moment.tzinfo is None:
        raise EventError(f"{value!r} has no offset", "Write it as 2026-03-01T10:15:00Z or 2026-03-01T11:15:00+01:00.")
    return moment.astimezone(UTC)


def _wall_time(value: Any) -> datetime:
    moment = _parsed(value)
    if moment.tzinfo is not None:
        raise EventError(f"the wall-clock time {value!r} has an offset", "Leave the offset out, or give it as `at`.")
    return moment


def _parsed(value: Any) -> datetime:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise EventError(
            f"{value!r} is no time", "Write an instant (2026-03-01T10:15:00Z), a date (2026-03-01), or A..B."
        ) from None
    _in_bounds(moment.date(), value)
    return moment


def _date(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        day = value
    else:
        try:
            day = date.fromisoformat(str(value).strip())
        except ValueError:
            raise EventError(f"{value!r} is no date", "Write it as 2026-03-10.") from None
    _in_bounds(day, value)
    return day


def _in_bounds(day: date, value: Any) -> None:
    """Nobody had a subscription before; and a day in the year 9999 would have no day after 180 more."""
    if not _FIRST <= day < _LAST:
        raise EventError(f"{value!r} lies outside of the years {_FIRST.year} to {_LAST.year - 1}", "Correct the year.")
