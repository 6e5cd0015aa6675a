"""Invitations and their answers (`text/calendar` in a mail): the classes and properties of Outlook's meeting mails.

Rules of this file: pure; what iCalendar says and Outlook has a property for is set, what a meeting mail cannot hold is a loss.
Encoders of blobs are in recurrence.py, timezones.py and global_ids.py and know nothing of iCalendar.
Source: [MS-OXCICAL] 2.1.3.1; [MS-OXOCAL] 2.2.1, 2.2.5 to 2.2.7; RFC 5546; reference/mapi-mapping.md §1.9, §3.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from exporters.mail.compose import attendees as people
from exporters.mail.compose.calendar_rules import Source, series_of
from exporters.mail.compose.calendar_text import Component, Line, parse
from exporters.mail.compose.calendar_times import LAST, Moment, Zones, duration, parsed
from exporters.mail.compose.global_ids import global_object_id, occurrence_of
from exporters.mail.compose.losses import Loss
from exporters.mail.compose.recurrence import Changed, Frequency, RecurrenceRefused, Series, described, encode
from exporters.mail.compose.timezones import Zone, encode_definition, encode_struct, zone_of
from exporters.mail.compose.timezones import described as zone_described
from exporters.pst import NamedProperty, Value

APPOINTMENT = UUID("00062002-0000-0000-c000-000000000046")
COMMON = UUID("00062008-0000-0000-c000-000000000046")
MEETING = UUID("6ed8da90-450b-101b-98da-00aa003f1305")
PUBLIC = UUID("00020329-0000-0000-c000-000000000046")
_SIDE_EFFECTS = 7265
_REQUEST, _FULL_UPDATE = 1, 0x10000
_BUSY = {"FREE": 0, "TENTATIVE": 1, "BUSY": 2, "OOF": 3, "WORKINGELSEWHERE": 4}
_CLASSES = {"REQUEST": "Request", "CANCEL": "Canceled", "COUNTER": "Resp.Tent"}
_RESPONSES = {people.ACCEPTED: "Resp.Pos", people.DECLINED: "Resp.Neg", people.TENTATIVE: "Resp.Tent"}
_ICONS = {"Request": 0x404, "Resp.Pos": 0x405, "Resp.Neg": 0x406, "Resp.Tent": 0x407, "Canceled": 0x408}
_RECURRENCE_TYPES = {Frequency.DAILY: 1, Frequency.WEEKLY: 2, Frequency.MONTHLY: 3, Frequency.YEARLY: 4}
_BOOLEAN, _INTEGER, _STRING, _TIME, _BINARY = 0x000B, 0x0003, 0x001F, 0x0040, 0x0102
_MAX_OVERRIDES = 5000  # more changed occurrences than that no blob of Outlook's holds


@dataclass(frozen=True)
class MeetingContent:
    """What an invitation or answer has beside an ordinary mail.

    `recipients`: rows of organizer and attendees with flags and answers. They complete the rows of the mail's own recipients
    with the same address; persons whom the mail was not sent to are named in the properties (PidLidAllAttendeesString), and
    get a row only where the caller wants one. `description` is the text of the event, for mails that have no other body.
    """

    message_class: str
    properties: dict[int | NamedProperty, Value]
    recipients: list[dict[int, Value]]
    losses: tuple[Loss, ...]
    description: str = ""


@dataclass
class _Meeting:
    """An event in work, with all that its lines are read by."""

    event: Component
    zones: Zones
    others: list[Component]
    kind: str  # of the class, as "Request"
    losses: list[Loss] = field(default_factory=list)
    properties: dict[int | NamedProperty, Value] = field(default_factory=dict)
    start: Moment | None = None
    end: Moment | None = None
    all_day: bool = False

    def put(self, property_set: UUID, name: int | str, kind: int, value: Value | None) -> None:
        if value is not None and value != "":
            self.properties[NamedProperty(property_set, name, kind)] = value

    def tag(self, tag: int, value: Value | None) -> None:
        if value is not None and value != "":
            self.properties[tag] = value

    def lose(self, code: str, detail: str) -> None:
        self.losses.append(Loss(code, detail))

    def moment(self, line: Line | None) -> Moment | None:
        """A time in a line; one that cannot be read is a loss."""
        found = self.zones.moment(line)
        if line is not None and found is None:
            self.lose("date-unreadable", f"{line.name}: {line.value[:80]!r}")
        return found

    def flag(self, name: str) -> bool:
        return self.event.text(name).upper() == "TRUE"


def meeting(calendar: bytes, *, method: str) -> MeetingContent | None:
    """The meeting mail that a calendar part makes of its mail.

    `method` is that of the part's Content-Type; "" to take the calendar's own. None for calendars that invite, cancel and answer
    nothing (PUBLISH, ADD, REFRESH, DECLINECOUNTER, free/busy, tasks, an answer that is none): the mail stays an ordinary one.
    """
    text = parse(calendar)
    found = next((one for one in text.components if one.name == "VCALENDAR" and one.components("VEVENT")), None)
    if found is None:
        return None
    events = found.components("VEVENT")
    event = next((one for one in events if one.first("RECURRENCE-ID") is None), events[0])
    kind = _kind((method or found.text("METHOD")).strip().upper(), event)
    if kind is None:
        return None
    uid = event.text("UID")
    same = [one for one in events if one is not event and one.text("UID") == uid]
    work = _Meeting(event, Zones(found), same, kind)
    if text.broken_lines:
        work.lose("calendar-line", f"{text.broken_lines} lines of the calendar are none")
    if text.replaced:
        work.lose("text-replaced", "characters of the calendar that cannot be stored were replaced")
    if len(same) + 1 < len(events):
        work.lose("calendar-several", f"{len(events) - len(same) - 1} further events of the calendar are not shown")
    for line in event.all("ATTACH"):
        if line.parameter("ENCODING").upper() == "BASE64":
            work.lose(
                "calendar-attachment", f"a file of {len(line.value)} characters inside the calendar is not taken out"
            )
    _times(work)
    series = _series(work)
    _identity(work, series)
    _state(work)
    _persons_and_texts(work)
    _reminder(work)
    if (method or found.text("METHOD")).strip().upper() == "COUNTER":
        _counter(work)
    for name in work.zones.unknown:
        work.lose("timezone-approximate", f"time zone {name[:80]!r} is unknown; UTC was used")
    organizer, attendees = _persons(event)
    return MeetingContent(
        f"IPM.Schedule.Meeting.{kind}",
        work.properties,
        people.rows(organizer, attendees),
        tuple(dict.fromkeys(work.losses)),
        event.text("DESCRIPTION"),
    )


def _kind(method: str, event: Component) -> str | None:
    if method == "REPLY":
        return next((_RESPONSES[one.status] for one in _persons(event)[1] if one.status in _RESPONSES), None)
    return _CLASSES.get(method)


def _persons(event: Component) -> tuple[people.Person | None, list[people.Person]]:
    organizer = event.first("ORGANIZER")
    return people.person(organizer) if organizer else None, [people.person(line) for line in event.all("ATTENDEE")]


def _times(work: _Meeting) -> None:
    """Start, end, duration and all-day ([MS-OXOCAL] 2.2.1.5 to 2.2.1.9)."""
    event = work.event
    work.start = start = work.moment(event.first("DTSTART"))
    if start is None:
        if event.first("DTSTART") is None:
            work.lose("event-without-start", "the event says no start")
        return
    work.end = end = _end(work, event, start)
    whole_days = (
        (end.wall - start.wall) % timedelta(1) == timedelta() and start.wall.time() == time() and end.wall > start.wall
    )
    work.all_day = whole_days and (
        start.is_date or work.flag("X-MICROSOFT-CDO-ALLDAYEVENT") or work.flag("X-MICROSOFT-MSNCALENDAR-ALLDAYEVENT")
    )
    first, last = start.utc, end.utc
    minutes = int((last - first).total_seconds()) // 60
    for name, value in ((0x820D, first), (0x820E, last), (0x8235, first), (0x8236, last)):
        work.put(APPOINTMENT, name, _TIME, value)
    work.put(COMMON, 0x8516, _TIME, first)
    work.put(COMMON, 0x8517, _TIME, last)
    work.tag(0x00600040, first)
    work.tag(0x00610040, last)
    work.put(APPOINTMENT, 0x8213, _INTEGER, minutes)
    work.put(APPOINTMENT, 0x8215, _BOOLEAN, work.all_day)
    for name, moment in ((0x825E, start), (0x825F, end)):
        work.put(APPOINTMENT, name, _BINARY, encode_definition(_zone(work, moment)))


def _end(work: _Meeting, event: Component, start: Moment) -> Moment:
    end = work.moment(event.first("DTEND"))
    if end is None:
        line = event.first("DURATION")
        length = duration(line.value) if line else timedelta(1 if start.is_date else 0)
        if length is None:
            work.lose("date-unreadable", f"DURATION: {line.value[:80] if line else ''!r}")
        end = _moved(start, length or timedelta())
    if end.utc < start.utc:
        work.lose("date-unreadable", f"the event ends, {end.wall.isoformat()}, before it begins")
        end = start
    return end


def _moved(moment: Moment, by: timedelta) -> Moment:
    wall = moment.wall + by
    return Moment(wall if moment.wall <= wall <= LAST else moment.wall, moment.zone, moment.key, moment.is_date)


def _zone(work: _Meeting, moment: Moment, last_year: int | None = None) -> Zone:
    zone = zone_of(moment.zone, moment.key[:255], moment.wall, last_year)
    if zone.approximate:
        work.lose("timezone-approximate", f"the clocks of {moment.key!r} change otherwise than twice a year")
    return zone


def _series(work: _Meeting) -> Series | None:
    """Recurrence blob, its text, its zone, and where it is clipped ([MS-OXOCAL] 2.2.1.44 to 2.2.1.48)."""
    event, start, end = work.event, work.start, work.end
    rules = [line for name in ("RRULE", "EXRULE") for line in event.all(name)]
    extra = [value for line in event.all("RDATE") for value in line.value.split(",")]
    if extra:
        work.lose("event-exception", f"{len(extra)} dates beside the rule: {','.join(extra)[:100]}")
    work.put(APPOINTMENT, 0x8223, _BOOLEAN, False)
    work.put(APPOINTMENT, 0x8231, _INTEGER, 0)
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
    zone = _zone(work, start, last.year if last else start.wall.year + 10)
    work.put(APPOINTMENT, 0x8223, _BOOLEAN, True)
    work.put(APPOINTMENT, 0x8231, _INTEGER, _RECURRENCE_TYPES[series.pattern.frequency])
    work.put(APPOINTMENT, 0x8216, _BINARY, blob)
    work.put(APPOINTMENT, 0x8232, _STRING, described(series))
    work.put(APPOINTMENT, 0x8233, _BINARY, encode_struct(zone.rules[-1]))
    work.put(APPOINTMENT, 0x8234, _STRING, zone_described(zone))
    work.put(APPOINTMENT, 0x8260, _BINARY, encode_definition(zone, recurrence=True))
    until = datetime(4500, 8, 31, 23, 59) if last is None else datetime.combine(last, time())  # noqa: DTZ001 - wall clock
    work.put(APPOINTMENT, 0x8235, _TIME, Moment(datetime.combine(series.start, time()), start.zone, start.key).utc)
    work.put(APPOINTMENT, 0x8236, _TIME, Moment(until, start.zone, start.key).utc)
    return series


def _source(work: _Meeting, rule: str, start: Moment, end: Moment) -> Source:
    minutes = int((end.utc - start.utc).total_seconds()) // 60
    if end.key == start.key:
        minutes = int((end.wall - start.wall).total_seconds()) // 60
    deleted = [_wall(one, start).date() for line in work.event.all("EXDATE") for one in _list(work, line)]
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
        wall = _wall(original, start)
        if original.is_date:
            wall = datetime.combine(wall, start.wall.time())
        if other.text("STATUS").upper() == "CANCELLED":
            deleted.append(wall.date())
        else:
            changed.append(_changed(work, other, wall, start, minutes))
    offset = start.wall.replace(tzinfo=start.zone).utcoffset() or timedelta()
    return Source(rule, start.wall, minutes, offset, tuple(deleted), tuple(changed))


def _list(work: _Meeting, line: Line) -> list[Moment]:
    found = (work.moment(Line(line.name, line.parameters, value)) for value in line.value.split(",") if value.strip())
    return [one for one in found if one is not None]


def _wall(moment: Moment, start: Moment) -> datetime:
    """The wall clock of the series' zone at a moment; a date stays that date."""
    if moment.is_date or moment.zone is start.zone:
        return moment.wall
    return moment.utc.astimezone(start.zone).replace(tzinfo=None)


def _changed(work: _Meeting, other: Component, original: datetime, start: Moment, minutes: int) -> Changed:
    """An occurrence that differs; its text, attendees and files have no place in a meeting mail."""
    moved = work.moment(other.first("DTSTART"))
    begins = _wall(moved, start) if moved else original
    ends = begins + timedelta(minutes=minutes)
    if moved is not None and (other.first("DTEND") is not None or other.first("DURATION") is not None):
        ends = max(_wall(_end(work, other, moved), start), begins)

    def differs(name: str) -> str | None:
        text = other.text(name)
        return text[:255] if text != work.event.text(name) and text else None

    busy = _busy(other, "X-MICROSOFT-CDO-BUSYSTATUS")
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
        busy if busy != _busy(work.event, "X-MICROSOFT-CDO-BUSYSTATUS") else None,
        all_day=moved.is_date if moved is not None and moved.is_date != start.is_date else None,
    )


def _identity(work: _Meeting, series: Series | None) -> None:
    """By what the meeting, its updates and its occurrences are known ([MS-OXOCAL] 2.2.1.26 to 2.2.1.30)."""
    event = work.event
    uid = event.text("UID")
    replaced = event.first("RECURRENCE-ID")
    original = work.moment(replaced)
    day = original.wall.date() if original else occurrence_of(uid) if uid else None
    if original is not None and work.start is not None and not original.is_date:
        day = _wall(original, work.start).date()
    if uid:
        work.put(MEETING, 0x0003, _BINARY, global_object_id(uid, day))
        work.put(MEETING, 0x0023, _BINARY, global_object_id(uid))
    else:
        work.lose("event-without-uid", "the event has no UID: Outlook cannot join its updates")
    work.put(MEETING, 0x0005, _BOOLEAN, series is not None or day is not None)
    work.put(MEETING, 0x000A, _BOOLEAN, day is not None)
    if replaced is not None and replaced.parameter("RANGE"):
        work.lose("event-exception", f"the change applies from {replaced.value[:40]} on; one occurrence is shown")
    if original is not None:
        work.put(APPOINTMENT, 0x8228, _TIME, original.utc)
    sequence = _number(work, "SEQUENCE")
    work.put(APPOINTMENT, 0x8201, _INTEGER, sequence if sequence is not None else 0)
    work.tag(0x00620003, _number(work, "X-MICROSOFT-CDO-OWNERAPPTID"))


def _number(work: _Meeting, name: str) -> int | None:
    text = work.event.text(name)
    if not text:
        return None
    try:
        value = int(text[:20])
    except ValueError:
        value = 1 << 40
    if -(1 << 31) <= value < 1 << 32:
        return value - (1 << 32) if value >= 1 << 31 else value
    work.lose("calendar-number", f"{name}: {text[:40]!r}")
    return None


def _state(work: _Meeting) -> None:
    """Flags, answers and busy states, by the kind of mail ([MS-OXOCAL] 2.2.5.1, 2.2.6, 2.2.7)."""
    event, kind = work.event, work.kind
    stamp = work.moment(event.first("DTSTAMP"))
    when = stamp.utc if stamp else None
    response = next((status for status, name in _RESPONSES.items() if name == kind), None)
    busy = _busy(event, "X-MICROSOFT-CDO-BUSYSTATUS")
    if kind == "Request":
        intended = _BUSY.get(event.text("X-MICROSOFT-CDO-INTENDEDSTATUS").upper(), busy)
        update = bool(work.properties.get(NamedProperty(APPOINTMENT, 0x8201, _INTEGER)))
        work.put(APPOINTMENT, 0x8224, _INTEGER, intended)
        work.put(APPOINTMENT, 0x8229, _BOOLEAN, True)
        work.put(MEETING, 0x0026, _INTEGER, _FULL_UPDATE if update else _REQUEST)
        busy = min(intended, _BUSY["TENTATIVE"])
    elif kind == "Canceled":
        busy = _BUSY["FREE"]
    work.put(APPOINTMENT, 0x8205, _INTEGER, busy)
    work.put(APPOINTMENT, 0x8217, _INTEGER, 7 if kind == "Canceled" else 3)
    work.put(APPOINTMENT, 0x8218, _INTEGER, response or (people.NOT_RESPONDED if kind == "Request" else people.NONE))
    if response is None:
        work.put(MEETING, 0x001A, _TIME, _stamp(work, "X-MICROSOFT-CDO-OWNER-CRITICAL-CHANGE") or when)
    else:
        change = _stamp(work, "X-MICROSOFT-CDO-ATTENDEE-CRITICAL-CHANGE") or when
        work.put(MEETING, 0x0001, _TIME, change)
        work.put(APPOINTMENT, 0x8220, _TIME, _stamp(work, "X-MICROSOFT-CDO-REPLYTIME") or change)
    work.tag(0x7D01000B, True)  # processed: or Outlook would act on an old invitation
    work.tag(0x10800003, _ICONS[kind])
    work.put(COMMON, 0x8510, _INTEGER, _SIDE_EFFECTS)


def _stamp(work: _Meeting, name: str) -> datetime | None:
    found = parsed(work.event.text(name))
    return found[0].replace(tzinfo=UTC) if found else None


def _busy(event: Component, name: str) -> int:
    transparent = event.text("TRANSP").upper() == "TRANSPARENT"
    return _BUSY.get(event.text(name).upper(), _BUSY["FREE" if transparent else "BUSY"])


def _persons_and_texts(work: _Meeting) -> None:
    event = work.event
    _, attendees = _persons(event)
    for name, kind in ((0x8238, None), (0x823B, people.REQUIRED), (0x823C, people.OPTIONAL)):
        work.put(APPOINTMENT, name, _STRING, people.names(attendees, kind))
    wants = any(one.wants_answer for one in attendees)
    work.tag(0x0063000B, wants)
    work.tag(0x0C17000B, wants)
    location = event.text("LOCATION")
    work.put(APPOINTMENT, 0x8208, _STRING, location)
    work.put(MEETING, 0x0002, _STRING, location)
    if event.first("X-MICROSOFT-DISALLOW-COUNTER") is not None:
        work.put(APPOINTMENT, 0x825A, _BOOLEAN, work.flag("X-MICROSOFT-DISALLOW-COUNTER"))
    work.put(PUBLIC, "SkypeTeamsMeetingUrl", _STRING, event.text("X-MICROSOFT-SKYPETEAMSMEETINGURL"))
    sensitivity = {"PRIVATE": 2, "CONFIDENTIAL": 3}.get(event.text("CLASS").upper())
    if sensitivity is not None:
        work.tag(0x00360003, sensitivity)
        work.put(COMMON, 0x8506, _BOOLEAN, True)
    keywords = [word.strip() for line in event.all("CATEGORIES") for word in _split(line.value)]
    keywords = list(dict.fromkeys(word for word in keywords if word))
    work.put(PUBLIC, "Keywords", 0x101F, tuple(keywords) or None)


def _split(value: str) -> Sequence[str]:
    """The parts of a list of TEXT: commas that are not escaped divide."""
    marked = value.replace("\\\\", "\ue000").replace("\\,", "\ue001").split(",")
    return [Line("", {}, part.replace("\ue001", "\\,").replace("\ue000", "\\\\")).text for part in marked]


def _reminder(work: _Meeting) -> None:
    """The first alarm that is relative to the start ([MS-OXOCAL] 2.2.1.40; reference/mapi-mapping.md §3.8)."""
    if work.start is None or work.kind != "Request":
        return
    for alarm in work.event.components("VALARM"):
        line = alarm.first("TRIGGER")
        before = duration(line.value) if line else None
        if line is None or before is None or before > timedelta() or line.parameter("RELATED").upper() == "END":
            work.lose("event-detail", f"an alarm at {line.value[:40] if line else 'no time'!r}")
            continue
        minutes = int(-before.total_seconds()) // 60
        start = work.start.utc
        if NamedProperty(COMMON, 0x8503, _BOOLEAN) in work.properties or start + before < datetime(
            1601, 1, 2, tzinfo=UTC
        ):
            work.lose("event-detail", f"a further alarm {minutes} minutes before the start")
            continue
        work.put(COMMON, 0x8503, _BOOLEAN, True)
        work.put(COMMON, 0x8501, _INTEGER, minutes)
        work.put(COMMON, 0x8502, _TIME, start)
        work.put(COMMON, 0x8560, _TIME, start + before)


def _counter(work: _Meeting) -> None:
    """A proposal of another time: it is the event's own; the original one stands beside it ([MS-OXOCAL] 2.2.7.3 to 2.2.7.6)."""
    work.put(APPOINTMENT, 0x8257, _BOOLEAN, True)
    start, end = work.start, work.end
    if start is None or end is None:
        return
    work.put(APPOINTMENT, 0x8250, _TIME, start.utc)
    work.put(APPOINTMENT, 0x8251, _TIME, end.utc)
    work.put(APPOINTMENT, 0x8256, _INTEGER, int((end.utc - start.utc).total_seconds()) // 60)
    originals = (
        work.moment(work.event.first("X-MS-OLK-ORIGINALSTART")),
        work.moment(work.event.first("X-MS-OLK-ORIGINALEND")),
    )
    for moment, names, tag in zip(
        originals, ((0x820D, 0x8516), (0x820E, 0x8517)), (0x00600040, 0x00610040), strict=True
    ):
        if moment is not None:
            work.put(APPOINTMENT, names[0], _TIME, moment.utc)
            work.put(COMMON, names[1], _TIME, moment.utc)
            work.tag(tag, moment.utc)
