"""The series of a meeting: rule, deleted and changed occurrences of a calendar as properties of Outlook's.

Rules of this file: pure; a rule that Outlook cannot repeat leaves a single event and a loss.
Source: [MS-OXOCAL] 2.2.1.44 to 2.2.1.48; [MS-OXCICAL] 2.1.3.2; reference/mapi-mapping.md §3.2 to §3.4.
"""

from datetime import datetime, time, timedelta

from exporters.mail.compose.calendar_rules import Source, series_of
from exporters.mail.compose.calendar_text import Component, Line
from exporters.mail.compose.calendar_times import Moment
from exporters.mail.compose.meeting_work import Work, busy_status, end_of, outlook_zone
from exporters.mail.compose.property_sets import APPOINTMENT, BINARY, BOOLEAN, INTEGER, STRING, TIME
from exporters.mail.compose.recurrence import Changed, Frequency, RecurrenceRefused, Series, described, encode
from exporters.mail.compose.timezones import described as zone_described
from exporters.mail.compose.timezones import encode_definition, encode_struct

_RECURRENCE_TYPES = {Frequency.DAILY: 1, Frequency.WEEKLY: 2, Frequency.MONTHLY: 3, Frequency.YEARLY: 4}
_MAX_OVERRIDES = 5000  # more changed occurrences than that no blob of Outlook's holds


def add_series(work: Work) -> Series | None:
    """Recurrence blob, its text, its zone, and where it is clipped ([MS-OXOCAL] 2.2.1.44 to 2.2.1.48)."""
    event, start, end = work.event, work.start, work.end
    rules = [line for name in ("RRULE", "EXRULE") for line in event.all(name)]
    extra = [value for line in event.all("RDATE") for value in line.value.split(",")]
    if extra:
        work.lose("event-exception", f"{len(extra)} dates beside the rule: {','.join(extra)[:100]}")
    work.put(APPOINTMENT, 0x8223, BOOLEAN, False)
    work.put(APPOINTMENT, 0x8231, INTEGER, 0)
    if start is None or end is None or not rules or event.first("RECURRENCE-ID") is not None:
        if work.others and not rules:
            work.lose("event-exception", f"{len(work.others)} further occurrences of the event are not shown")
        return None
    if len(rules) > 1:
        work.lose("event-exception", f"{len(rules) - 1} further rules: {rules[1].value[:100]}")
    try:
        series, losses = series_of(_source(work, rules[0].value, start, end))
        blob = encode(series)
    except RecurrenceRefused as error:
        work.lose("event-recurrence", f"{rules[0].value[:100]} is shown as a single event: {error}")
        return None
    work.losses += losses
    last = series.last_date()
    zone = outlook_zone(work, start, last.year if last else start.wall.year + 10)
    work.put(APPOINTMENT, 0x8223, BOOLEAN, True)
    work.put(APPOINTMENT, 0x8231, INTEGER, _RECURRENCE_TYPES[series.pattern.frequency])
    work.put(APPOINTMENT, 0x8216, BINARY, blob)
    work.put(APPOINTMENT, 0x8232, STRING, described(series))
    work.put(APPOINTMENT, 0x8233, BINARY, encode_struct(zone.rules[-1]))
    work.put(APPOINTMENT, 0x8234, STRING, zone_described(zone))
    work.put(APPOINTMENT, 0x8260, BINARY, encode_definition(zone, recurrence=True))
    until = datetime(4500, 8, 31, 23, 59) if last is None else datetime.combine(last, time())  # noqa: DTZ001 - wall clock
    work.put(APPOINTMENT, 0x8235, TIME, Moment(datetime.combine(series.start, time()), start.zone, start.key).utc)
    work.put(APPOINTMENT, 0x8236, TIME, Moment(until, start.zone, start.key).utc)
    return series


def _source(work: Work, rule: str, start: Moment, end: Moment) -> Source:
    minutes = int((end.utc - start.utc).total_seconds()) // 60
    if end.key == start.key:
        minutes = int((end.wall - start.wall).total_seconds()) // 60
    deleted = [wall_of(one, start).date() for line in work.event.all("EXDATE") for one in _list(work, line)]
    changed = []
    if len(work.others) > _MAX_OVERRIDES:
        work.lose("event-exception", f"{len(work.others) - _MAX_OVERRIDES} changed occurrences are too many")
    for other in work.others[:_MAX_OVERRIDES]:
        line = other.first("RECURRENCE-ID")
        original = work.moment(line)
        if line is None or original is None:
            work.lose("calendar-several", "a second event with the same UID is not shown")
            continue
        if line.parameter("RANGE"):
            work.lose("event-exception", f"the change from {line.value[:40]} on applies to that occurrence alone")
        wall = wall_of(original, start)
        if original.is_date:
            wall = datetime.combine(wall, start.wall.time())
        if other.text("STATUS").upper() == "CANCELLED":
            deleted.append(wall.date())
        else:
            changed.append(_changed(work, other, wall, start, minutes))
    offset = start.wall.replace(tzinfo=start.zone).utcoffset() or timedelta()
    return Source(rule, start.wall, minutes, offset, tuple(deleted), tuple(changed))


def _list(work: Work, line: Line) -> list[Moment]:
    found = (work.moment(Line(line.name, line.parameters, value)) for value in line.value.split(",") if value.strip())
    return [one for one in found if one is not None]


def wall_of(moment: Moment, start: Moment) -> datetime:
    """The wall clock of the series' zone at a moment; a date stays that date."""
    if moment.is_date or moment.zone is start.zone:
        return moment.wall
    return moment.utc.astimezone(start.zone).replace(tzinfo=None)


def _changed(work: Work, other: Component, original: datetime, start: Moment, minutes: int) -> Changed:
    """An occurrence that differs; its text, attendees and files have no place in a meeting mail."""
    moved = work.moment(other.first("DTSTART"))
    begins = wall_of(moved, start) if moved else original
    ends = begins + timedelta(minutes=minutes)
    if moved is not None and (other.first("DTEND") is not None or other.first("DURATION") is not None):
        ends = max(wall_of(end_of(work, other, moved), start), begins)

    def differs(name: str) -> str | None:
        text = other.text(name)
        return text[:255] if text != work.event.text(name) and text else None

    busy = busy_status(other)
    if other.text("DESCRIPTION") != work.event.text("DESCRIPTION") or other.all("ATTENDEE") != work.event.all(
        "ATTENDEE"
    ):
        work.lose("event-exception", f"text or attendees of the occurrence of {original.date()} are not kept apart")
    return Changed(
        original,
        begins,
        ends,
        differs("SUMMARY"),
        differs("LOCATION"),
        busy if busy != busy_status(work.event) else None,
        all_day=moved.is_date if moved is not None and moved.is_date != start.is_date else None,
    )
