"""Records of items as capture writes them, for tests: the least that Graph gives, and what a test adds."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from exporters.mail.compose import Box, Converted
from exporters.pst import NamedProperty, Value

COMMON = UUID("00062008-0000-0000-c000-000000000046")
APPT = UUID("00062002-0000-0000-c000-000000000046")
TASK = UUID("00062003-0000-0000-c000-000000000046")
ADDR = UUID("00062004-0000-0000-c000-000000000046")
MEETING = UUID("6ed8da90-450b-101b-98da-00aa003f1305")
PUBLIC = UUID("00020329-0000-0000-c000-000000000046")
BERLIN = Box(("ann@example.com", "a.bo@example.com"), "Ann Bo", "W. Europe Standard Time")
OpenBytes = Callable[[str], Iterable[bytes]]


def nothing(key: str) -> Iterable[bytes]:
    """For items without bytes: none may be asked for."""
    raise AssertionError(f"bytes of {key} were asked for")


def bytes_of(**held: bytes) -> OpenBytes:
    """Opens what is held, in two pieces."""
    return lambda key: (held[key][:2], held[key][2:])


def record(graph: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A line of a `.jsonl`."""
    return {"id": graph.get("id", "AAMk1"), "folder": ["Folder"], "graph": graph, **more}


def value(converted: Converted, property_set: UUID, name: int | str) -> Value | None:
    """A named property, whatever its type."""
    for key, found in converted.message.properties.items():
        if isinstance(key, NamedProperty) and key.property_set == property_set and key.name == name:
            return found
    return None


def codes(converted: Converted) -> set[str]:
    """The codes of the losses."""
    return {loss.code for loss in converted.losses}


def event(**changes: Any) -> dict[str, Any]:
    """A single event in Berlin, 2026-03-02 09:00 to 09:30, times in UTC as Graph gives them."""
    return {
        "id": "AAMkE1",
        "createdDateTime": "2026-01-05T10:00:00.1234567Z",
        "lastModifiedDateTime": "2026-01-06T10:00:00Z",
        "iCalUId": "abc123@example.com",
        "subject": "Review",
        "type": "singleInstance",
        "isAllDay": False,
        "isOrganizer": True,
        "originalStartTimeZone": "W. Europe Standard Time",
        "originalEndTimeZone": "W. Europe Standard Time",
        "start": utc("2026-03-02T08:00:00"),
        "end": utc("2026-03-02T08:30:00"),
        "body": {"contentType": "html", "content": "<p>Agenda</p>"},
        "organizer": {"emailAddress": {"name": "Ann Bo", "address": "ann@example.com"}},
        **changes,
    }


def utc(text: str) -> dict[str, str]:
    """A dateTimeTimeZone."""
    return {"dateTime": f"{text}.0000000", "timeZone": "UTC"}


def weekly(**limits: Any) -> dict[str, Any]:
    """Every Monday from 2026-03-02 on."""
    pattern = {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "sunday", "index": "first"}
    shown = {
        "type": "noEnd",
        "startDate": "2026-03-02",
        "endDate": "0001-01-01",
        "recurrenceTimeZone": "W. Europe Standard Time",
    }
    return {"pattern": {**pattern, "month": 0, "dayOfMonth": 0}, "range": {**shown, "numberOfOccurrences": 0, **limits}}
