"""Events of Graph: every field of the mapping, exceptions as attachments, all-day events, zones, and what is missing."""

import base64
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporters.mail.compose import Box, event_message
from exporters.mail.compose.timezones import encode_definition, named_zone, zone_of
from exporters.pst import Attachment, Message
from tests.independent.recurrence_expansion import occurrences, parse
from tests.unit.mail.graph_records import (
    APPT,
    BERLIN,
    COMMON,
    MEETING,
    PUBLIC,
    bytes_of,
    codes,
    event,
    nothing,
    record,
    utc,
    value,
    weekly,
)  # fmt: skip
from tests.unit.mail.written import write
from tests.unit.pst.judges import pypff

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
GUEST = {
    "type": "optional",
    "status": {"response": "tentativelyAccepted", "time": "2026-02-01T10:00:00Z"},
    "emailAddress": {"name": "Bob", "address": "bob@example.org"},
}
HOST = {"emailAddress": {"name": "Eve", "address": "eve@example.org"}}
ROOM = {
    "type": "resource",
    "status": {"response": "none", "time": "0001-01-01T00:00:00Z"},
    "emailAddress": {"address": "room@example.com"},
}


def test_every_field_of_a_meeting() -> None:
    graph = event(
        attendees=[{"type": "required", **HOST}, GUEST, ROOM],
        location={"displayName": "Room 1"}, locations=[{"displayName": "Room 1"}, {"displayName": "Room 2"}],
        showAs="oof", sensitivity="private", importance="high", categories=["Red", "Ünï"], isReminderOn=True,
        reminderMinutesBeforeStart=15, responseRequested=True, allowNewTimeProposals=False, changeKey="ck",
        responseStatus={"response": "organizer", "time": "0001-01-01T00:00:00Z"},
        onlineMeeting={"joinUrl": "https://teams.example/join"},
    )  # fmt: skip
    converted = event_message(record(graph), BERLIN, nothing)
    got = converted.message.properties
    assert (got[0x001A001F], got[0x0037001F], got[0x0E070003], got[0x10800003]) == (
        "IPM.Appointment",
        "Review",
        1,
        1026,
    )
    assert (got[0x00170003], got[0x00260003], got[0x00360003], got[0x0063000B], got[0x0C17000B]) == (
        2,
        1,
        2,
        True,
        True,
    )
    assert got[0x30070040] == 134120808001234567  # 2026-01-05T10:00:00.1234567Z, to the 100 ns
    expected: dict[Any, Any] = {
        (APPT, 0x820D): START, (APPT, 0x820E): START + timedelta(minutes=30), (COMMON, 0x8516): START,
        (APPT, 0x8213): 30,
        (COMMON, 0x8517): START + timedelta(minutes=30), (APPT, 0x8215): False, (APPT, 0x8205): 3,
        (APPT, 0x8208): "Room 1; Room 2",
        (APPT, 0x8217): 1, (APPT, 0x8218): 1, (APPT, 0x8229): True, (APPT, 0x8201): 0, (APPT, 0x825A): True,
        (APPT, 0x8223): False,
        (APPT, 0x8231): 0, (APPT, 0x8238): "Eve; Bob; room@example.com", (APPT, 0x823B): "Eve", (APPT, 0x823C): "Bob",
        (COMMON, 0x8503): True, (COMMON, 0x8501): 15, (COMMON, 0x8502): START, (COMMON, 0x8560): START - timedelta(minutes=15),
        (COMMON, 0x8510): 369, (COMMON, 0x8506): True, (PUBLIC, "Keywords"): ("Red", "Ünï"), (APPT, 0x8235): START,
        (PUBLIC, "SkypeTeamsMeetingUrl"): "https://teams.example/join", (APPT, 0x8220): None, (COMMON, 0x8514): False,
    }  # fmt: skip
    assert {key: value(converted, *key) for key in expected} == expected
    assert "https://teams.example/join" in str(got[0x1000001F]) and b"https://teams.example/join" in bytes(
        got[0x10130102]
    )  # type: ignore[arg-type]
    zone = encode_definition(zone_of(named_zone("Europe/Berlin")[0], "W. Europe Standard Time", datetime(2026, 3, 2)))  # type: ignore[index]  # noqa: DTZ001
    assert value(converted, APPT, 0x825E) == value(converted, APPT, 0x825F) == zone
    identity = (
        bytes.fromhex("040000008200E00074C5B7101A82E008" + "00" * 20 + "1F000000" + "7643616C2D55696401000000")
        + b"abc123@example.com\0"
    )
    assert value(converted, MEETING, 0x0003) == value(converted, MEETING, 0x0023) == identity
    rows = [
        (row[0x3001001F], row[0x0C150003], row[0x5FFD0003], row[0x5FFF0003]) for row in converted.message.recipients
    ]
    assert rows == [("Ann Bo", 1, 3, 1), ("Eve", 1, 1, 0), ("Bob", 2, 1, 2), ("room@example.com", 3, 1, 0)]
    answered = [row.get(0x5FFB0040) for row in converted.message.recipients]
    assert answered == [None, None, 134144136000000000, None]
    assert (got[0x0C1A001F], got[0x0042001F], got[0x5D01001F]) == ("Ann Bo", "Ann Bo", "ann@example.com")
    assert not converted.losses


@pytest.mark.parametrize(
    ("changes", "state", "response", "icon"),
    [
        ({}, 0, 0, 1024),
        ({"attendees": [GUEST]}, 1, 1, 1026),
        ({"isOrganizer": False, "organizer": HOST, "responseStatus": {"response": "accepted"}}, 3, 3, 1026),
        ({"isOrganizer": False, "organizer": HOST, "isCancelled": True, "responseStatus": {"response": "declined"}}, 7, 4, 1026),
        ({"isOrganizer": None, "organizer": HOST}, 3, 0, 1026),
        ({"isOrganizer": None}, 0, 0, 1024),
        ({"attendees": [GUEST], "isDraft": True}, 1, 1, 1026),
        ({"type": "seriesMaster", "recurrence": weekly(), "attendees": [GUEST]}, 1, 1, 1027),
        ({"type": "seriesMaster", "recurrence": weekly()}, 0, 0, 1025),
    ],
)  # fmt: skip
def test_state_of_an_appointment(changes: dict[str, Any], state: int, response: int, icon: int) -> None:
    converted = event_message(record(event(**changes)), BERLIN, nothing)
    assert (value(converted, APPT, 0x8217), value(converted, APPT, 0x8218)) == (state, response)
    assert converted.message.properties[0x10800003] == icon
    assert value(converted, APPT, 0x8229) == (bool(state & 1) and not changes.get("isDraft"))
    assert converted.message.properties[0x0E070003] == (9 if changes.get("isDraft") else 1)


def test_q078_an_event_without_body() -> None:
    for body in (None, {}, {"contentType": "html", "content": None}, {"content": ""}):
        converted = event_message(record(event(body=body)), BERLIN, nothing)
        assert 0x1000001F not in converted.message.properties and 0x10130102 not in converted.message.properties
        assert converted.message.properties[0x0037001F] == "Review"
    graph = event(
        type="seriesMaster",
        recurrence=weekly(),
        exceptionOccurrences=[{"originalStart": "2026-03-09T08:00:00Z", "body": None}],
    )
    (change,) = exceptions(event_message(record(graph), BERLIN, nothing).message)
    assert change.message is not None and 0x1000001F not in change.message.properties


def test_q076_times_of_year_one_are_not_set() -> None:
    never = "0001-01-01T00:00:00Z"
    graph = event(
        attendees=[{**GUEST, "status": {"response": "accepted", "time": never}}], createdDateTime=never,
        responseStatus={"response": "accepted", "time": never}, lastModifiedDateTime="1601-01-01T00:00:00Z",
    )  # fmt: skip
    converted = event_message(record(graph), BERLIN, nothing)
    assert value(converted, APPT, 0x8220) is None
    assert all(0x5FFB0040 not in row for row in converted.message.recipients)
    assert 0x30070040 not in converted.message.properties
    assert codes(converted) == {"date-fallback"}


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("W. Europe Standard Time", "2026-03-14T23:00:00", "2026-03-15T23:00:00"),  # a midnight of Berlin as an instant
        ("W. Europe Standard Time", "2026-03-15T00:00:00", "2026-03-16T00:00:00"),  # the date as written
        ("W. Europe Standard Time", "2026-03-14T23:00:00", None),
    ],
)
def test_q080_an_all_day_event_is_of_its_day_in_its_zone(zone: str, start: str, end: str | None) -> None:
    graph = event(isAllDay=True, originalStartTimeZone=zone, start=utc(start), end=utc(end) if end else None)
    converted = event_message(record(graph), BERLIN, nothing)
    assert value(converted, APPT, 0x8215) is True
    assert value(converted, APPT, 0x820D) == datetime(2026, 3, 14, 23, tzinfo=UTC)
    assert value(converted, APPT, 0x820E) == datetime(2026, 3, 15, 23, tzinfo=UTC)
    assert value(converted, APPT, 0x8213) == 1440
    assert not converted.losses


def test_q080_an_all_day_event_of_the_day_on_which_the_clocks_change() -> None:
    graph = event(isAllDay=True, start=utc("2026-03-28T23:00:00"), end=utc("2026-03-29T22:00:00"))
    converted = event_message(record(graph), BERLIN, nothing)
    assert value(converted, APPT, 0x820E) == datetime(2026, 3, 29, 22, tzinfo=UTC)
    assert value(converted, APPT, 0x8213) == 23 * 60


def test_a_zone_without_a_name_is_that_of_its_definition_else_the_mailboxs() -> None:
    custom = "tzone://Microsoft/Custom"
    tokyo = encode_definition(zone_of(named_zone("Asia/Tokyo")[0], "Ours", datetime(2026, 1, 1)), recurrence=True)  # type: ignore[index]  # noqa: DTZ001
    graph = event(
        type="seriesMaster", recurrence=weekly(recurrenceTimeZone=custom), originalStartTimeZone=custom,
        originalEndTimeZone=custom, start=utc("2026-03-01T23:00:00"), end=utc("2026-03-02T00:00:00"),
    )  # fmt: skip
    blob = {"id": "Binary {00062002-0000-0000-c000-000000000046} Id 0x8260", "value": base64.b64encode(tokyo).decode()}
    with_blob = event_message(record(graph | {"singleValueExtendedProperties": [blob]}), BERLIN, nothing)
    assert first_of(with_blob) == datetime(2026, 3, 2, 8)  # noqa: DTZ001 - 23:00Z the day before
    assert value(with_blob, APPT, 0x8260) == tokyo and not with_blob.losses
    own = event_message(record(graph), Box(time_zone="Asia/Tokyo"), nothing)
    assert first_of(own) == datetime(2026, 3, 2, 8)  # noqa: DTZ001
    assert codes(own) == {"timezone-approximate"}


def first_of(converted: Any) -> datetime:
    blob = value(converted, APPT, 0x8216)
    assert isinstance(blob, bytes)
    return occurrences(parse(blob), date(2026, 12, 1))[0][0]


def test_blobs_that_were_served_are_kept_unchanged() -> None:
    served = {"0x8216": b"blob", "0x8233": b"struct", "0x825e": b"start", "0x825F": b"end", "33376": b"recur"}  # 0x8260
    rows = [
        {"id": f"Binary {{00062002-0000-0000-C000-000000000046}} Id {lid}", "value": base64.b64encode(data).decode()}
        for lid, data in served.items()
    ]
    rows += [
        {"id": "Binary {6ED8DA90-450B-101B-98DA-00AA003F1305} Id 0x3", "value": base64.b64encode(b"id").decode()},
        {"id": "Integer {00062002-0000-0000-C000-000000000046} Id 0x8201", "value": "7"},
        {"id": "Binary 0xfff", "value": "AAAA"},
        {"id": "Binary 0x300b", "value": base64.b64encode(b"k" * 16).decode()},
    ]
    graph = event(type="seriesMaster", recurrence=weekly(), singleValueExtendedProperties=rows)
    converted = event_message(record(graph), BERLIN, nothing)
    got = [value(converted, APPT, lid) for lid in (0x8216, 0x8233, 0x825E, 0x825F, 0x8260, 0x8201)]
    assert got == [b"blob", b"struct", b"start", b"end", b"recur", 7]
    assert value(converted, MEETING, 0x0003) == b"id"
    assert converted.message.properties[0x300B0102] == b"k" * 16
    assert not any(isinstance(tag, int) and tag >> 16 == 0x0FFF for tag in converted.message.properties)


def exceptions(message: Message) -> list[Attachment]:
    return [one for one in message.attachments if one.properties.get(0x7FFD0003) == 2]


def test_an_exception_is_an_attachment_of_its_series(tmp_path: Path) -> None:
    changed = {
        "id": "AAMkE1X1=", "originalStart": "2026-03-30T07:00:00Z", "start": utc("2026-03-31T12:00:00"),
        "end": utc("2026-03-31T13:15:00"),
        "subject": "Review ✓", "location": {"displayName": "Café"}, "showAs": "free",
        "body": {"contentType": "text", "content": "Other"},
        "attendees": [{"type": "required", **HOST}], "isReminderOn": True, "reminderMinutesBeforeStart": 5,
        "hasAttachments": True,
    }  # fmt: skip
    graph = event(
        id="AAMkE1M1=",
        type="seriesMaster",
        recurrence=weekly(),
        attendees=[GUEST],
        exceptionOccurrences=[changed],
        hasAttachments=True,
    )
    files = [
        {
            "@odata.type": "#microsoft.graph.fileAttachment",
            "id": "AAMkE1M1AAA=",
            "name": "all.txt",
            "key": "a",
            "size": 3,
        },
        {
            "@odata.type": "#microsoft.graph.fileAttachment",
            "id": "AAMkE1X1AAA=",
            "name": "one.txt",
            "key": "b",
            "size": 3,
        },
    ]
    converted = event_message(record(graph, attachments=files), BERLIN, bytes_of(a=b"all", b=b"one"))
    assert not converted.losses
    blob = value(converted, APPT, 0x8216)
    assert isinstance(blob, bytes)
    (info,) = parse(blob).changes
    assert (info.subject, info.location, info.flags) == ("Review ✓", "Café", 0x027D)
    assert info.numbers == {"busy": 0, "delta": 5, "reminder": 1, "attachment": 1}
    (read,) = write([converted.message], tmp_path / "one.pst")
    assert read.properties[0x0E070003] == 0x11
    plain, hidden = read.attachments
    assert (plain.name, plain.data) == ("all.txt", b"all")
    got = hidden.properties
    assert (got[0x37050003], got[0x7FFE000B], got[0x7FFA0003], got[0x7FFF000B]) == (5, True, 0, False)
    as_utc = datetime(2026, 3, 31, 14, tzinfo=UTC)  # the wall clock of Berlin, in summer
    assert stamps(got, 0x7FFB0040, 0x7FFC0040, 0x7FF90040) == [
        as_utc,
        as_utc + timedelta(minutes=75),
        datetime(2026, 3, 30, 9, tzinfo=UTC),
    ]
    inner = hidden.message
    assert inner is not None
    assert inner.properties[0x001A001F] == "IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}"
    assert (inner.properties[0x0E070003], inner.subject, inner.properties[0x1000001F]) == (0x19, "Review ✓", "Other")
    assert stamps(inner.properties, 0x00600040, 0x00610040) == [
        datetime(2026, 3, 31, 12, tzinfo=UTC), datetime(2026, 3, 31, 13, 15, tzinfo=UTC)
    ]  # fmt: skip
    assert [(row[0x3001001F], row[0x5FFD0003]) for row in inner.recipients] == [
        ("Ann Bo", 3),
        ("Eve", 1),
        ("Bob", 0x21),
    ]
    assert [(one.name, one.data) for one in inner.attachments] == [("one.txt", b"one")]
    (given,) = exceptions(converted.message)
    assert given.message is not None
    inside = type(converted)(given.message, ())
    assert value(inside, APPT, 0x8228) == datetime(2026, 3, 30, 7, tzinfo=UTC) and value(inside, APPT, 0x8206) is True
    day = value(inside, MEETING, 0x0003)
    assert isinstance(day, bytes) and day[16:20] == bytes.fromhex("07EA031E")
    assert value(inside, MEETING, 0x0023) == value(converted, MEETING, 0x0023)


def stamps(properties: dict[int, Any], *tags: int) -> list[datetime]:
    """FILETIMEs as the checker gives them: as numbers or as times."""
    found = []
    for tag in tags:
        raw = properties[tag]
        found.append(
            raw if isinstance(raw, datetime) else datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=raw // 10)
        )
    return [one.astimezone(UTC) if one.tzinfo else one.replace(tzinfo=UTC) for one in found]


def test_a_change_of_nothing_but_the_time_still_has_its_attachment() -> None:
    moved = {
        "originalStart": "2026-03-09T08:00:00Z",
        "start": utc("2026-03-09T10:00:00"),
        "end": utc("2026-03-09T10:30:00"),
    }
    graph = event(type="seriesMaster", recurrence=weekly(), exceptionOccurrences=[moved])
    converted = event_message(record(graph), BERLIN, nothing)
    (hidden,) = exceptions(converted.message)
    assert hidden.message is not None and 0x0037001F not in hidden.message.properties and not hidden.message.recipients
    assert value(converted, COMMON, 0x8514) is True


@pytest.mark.parametrize("missing", sorted(event()))
def test_q075_any_field_may_be_missing(missing: str, tmp_path: Path) -> None:
    for graph in (
        event(),
        event(type="seriesMaster", recurrence=weekly(), exceptionOccurrences=[{}, None, {"start": "?"}]),
    ):
        graph.pop(missing)
        converted = event_message(record(graph), BERLIN, nothing)
        assert write([converted.message], tmp_path / "one.pst")


def test_an_empty_event_and_one_of_wrong_kinds(tmp_path: Path) -> None:
    wrong = dict.fromkeys(event(attendees=1, locations=1, recurrence=1, categories=1), 7)
    made = [
        event_message(record(graph), Box(), nothing)
        for graph in ({}, wrong, {"recurrence": {"pattern": 1, "range": []}})
    ]
    assert len(write([one.message for one in made], tmp_path / "all.pst")) == 3
    assert all("event-without-start" in codes(one) for one in made)


def test_series_are_read_by_libpff(tmp_path: Path) -> None:
    moved = {
        "originalStart": "2026-03-09T08:00:00Z",
        "start": utc("2026-03-09T10:00:00"),
        "end": utc("2026-03-09T10:30:00"),
    }
    graph = event(type="seriesMaster", recurrence=weekly(), exceptionOccurrences=[moved], attendees=[GUEST])
    path = tmp_path / "series.pst"
    write([event_message(record(graph), BERLIN, nothing).message], path)
    file = pypff().file()
    file.open(str(path))
    tops = [inner for outer in file.get_root_folder().sub_folders for inner in outer.sub_folders]
    folder = next(one for one in tops if one.name == "Inbox")
    item = folder.get_sub_message(0)
    assert item.get_subject() == "Review" and item.get_number_of_attachments() == 1
    file.close()
