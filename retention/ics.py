"""The boundaries as a calendar file, with alarms at the thresholds.

Rules of this file: one event for each boundary that lies ahead, its UID stable while the boundary is the same one, so that a
calendar that takes the file again moves what moved; times in UTC. Source: design §6 (`status --ics`); RFC 5545;
dependencies.md §4.
"""

import hashlib
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from icalendar import Alarm, Event

    from retention.personal import Mark
from retention.reminders import THRESHOLDS, object_thresholds, severity_of
from retention.status import Row, Status
from retention.texts import NAMES
from retention.timeline import Boundary
from retention.tracked import counted, one_line

PRODUCT = "-//Lastcopy//Lastcopy//EN"
NAMED = 10
_PRIORITIES = {"access_ends": 1, "at_risk_from": 1, "deletable_from": 1, "gone_by": 9}


def calendar_of(status: Status) -> bytes:
    """The calendar file (RFC 5545, CRLF)."""
    from icalendar import Calendar

    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", f"Lastcopy {status.tenant}")
    for row in status.rows:
        for boundary in row.timeline.boundaries:
            if boundary.kind in THRESHOLDS:
                calendar.add_component(_event(status, row, boundary))
    for (kind, day), marks in _by_day(status.personal).items():
        calendar.add_component(_personal(status, kind, day, marks))
    return bytes(calendar.to_ical())


def _event(status: Status, row: Row, boundary: Boundary) -> "Event":
    from icalendar import Event

    event = Event()
    told = f"{status.tenant}: {row.subscription.name}: {NAMES[boundary.kind]}"
    event.add("uid", uid_of(status.tenant, row.subscription.id, row.timeline.event_id or "", boundary.kind))
    event.add("dtstamp", status.now)
    event.add("dtstart", boundary.at)
    event.add("dtend", boundary.at + timedelta(minutes=30))
    event.add("summary", f"{'REHEARSAL: ' if status.is_rehearsal else ''}{told}")
    lines = [f"Boundary {boundary.kind} ({boundary.basis}; {boundary.source}). {boundary.explanation}"]
    if row.timeline.possible:
        lines.append("Only if the subscription is not renewed.")
    lines += [f"Policy {row.timeline.policy_id}. Not copied: {_missing(row)}."]
    event.add("description", "\n".join(lines))
    event.add("transp", "TRANSPARENT")
    event.add("priority", _PRIORITIES[boundary.kind])
    event.add("categories", ["LASTCOPY"])
    for days in THRESHOLDS[boundary.kind]:
        if boundary.at - timedelta(days=days) > status.now:
            event.add_component(_alarm(told, boundary, days))
    return event


def _by_day(marks: "list[Mark]") -> "dict[tuple[str, date], list[Mark]]":
    """One entry a day and kind: a thousand people may lose their licences at once."""
    found: dict[tuple[str, date], list[Mark]] = {}
    for mark in marks:
        found.setdefault((mark.kind, mark.at.date()), []).append(mark)
    return found


def _personal(status: Status, kind: str, day: date, marks: "list[Mark]") -> "Event":
    from icalendar import Event

    from retention.personal import MEANINGS

    event, first = Event(), marks[0]
    told = f"{status.tenant}: {one_line(first.owner.name)}: {MEANINGS[kind]}"
    if len(marks) > 1:
        told = f"{status.tenant}: {counted(len(marks), 'personal clock')}: {MEANINGS[kind]}"
    event.add("uid", uid_of(status.tenant, "personal", kind, day.isoformat()))
    event.add("dtstamp", status.now)
    event.add("dtstart", first.at)
    event.add("dtend", first.at + timedelta(minutes=30))
    event.add("summary", f"{'REHEARSAL: ' if status.is_rehearsal else ''}{told}")
    names = ", ".join(one_line(mark.owner.name) for mark in marks[:NAMED])
    more = f", and {len(marks) - NAMED:,} more" if len(marks) > NAMED else ""
    event.add("description", f"{kind}: {names}{more}")
    event.add("transp", "TRANSPARENT")
    event.add("priority", 5)
    event.add("categories", ["LASTCOPY"])
    for days in object_thresholds([kind])[kind]:
        if first.at - timedelta(days=days) > status.now:
            event.add_component(_alarm_of(told, severity_of(kind, days), days))
    return event


def _alarm(told: str, boundary: Boundary, days: int) -> "Alarm":
    return _alarm_of(told, severity_of(boundary.kind, days), days)


def _alarm_of(told: str, severity: str, days: int) -> "Alarm":
    from icalendar import Alarm

    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("trigger", -timedelta(days=days))
    alarm.add("description", f"[{severity.upper()}] {told}, in {counted(days, 'day')}" if days else told)
    return alarm


def uid_of(*parts: str) -> str:
    """The stable UID of a boundary."""
    return f"{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:32]}@lastcopy.invalid"


def _missing(row: Row) -> str:
    if row.missing is None:
        return "its sources are not known"
    return counted(len(row.missing), "source") if row.missing else "nothing"
