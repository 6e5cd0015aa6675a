"""Tasks of To Do: the rule of their dates, steps, recurrence, state."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.mail.compose import Box, task_message
from tests.independent.recurrence_expansion import days, parse_pattern
from tests.unit.mail.graph_records import BERLIN, COMMON, PUBLIC, TASK, bytes_of, codes, nothing, record, utc, value
from tests.unit.mail.test_graph_facts import JSON
from tests.unit.mail.written import write

FULL: dict[str, Any] = {
    "id": "AQMkT1", "title": "Buy milk", "status": "inProgress", "importance": "low", "isReminderOn": True, "categories": ["Red"],
    "createdDateTime": "2026-03-01T11:15:19.9359889Z", "lastModifiedDateTime": "2026-03-02T11:15:20.0614375Z",
    "body": {"contentType": "text", "content": "Two litres\n"}, "startDateTime": utc("2026-03-04T00:00:00"),
    "dueDateTime": utc("2026-03-09T23:00:00"), "reminderDateTime": utc("2026-03-09T08:30:00"), "hasAttachments": False,
    "checklistItems": [{"displayName": "Go", "isChecked": True}, {"displayName": "Pay", "isChecked": False}, None],
    "linkedResources": [{"displayName": "Shop", "webUrl": "https://shop.example"}, {"applicationName": "App"}],
}  # fmt: skip


def test_every_field() -> None:
    converted = task_message(record(FULL), BERLIN, nothing)
    got = converted.message.properties
    assert (got[0x001A001F], got[0x0037001F], got[0x10800003], got[0x00170003]) == ("IPM.Task", "Buy milk", 1280, 0)
    expected = {
        0x8101: 1, 0x8102: 0.0, 0x811C: False, 0x8103: False, 0x8113: 1, 0x8112: 1, 0x8129: 0, 0x812A: 0, 0x811A: 0,
        0x8123: 0x7FFFFFFF, 0x811F: "Ann Bo", 0x8126: False, 0x8104: datetime(2026, 3, 4, tzinfo=UTC),
        0x8105: datetime(2026, 3, 10, tzinfo=UTC), 0x810F: None, 0x8116: None,
    }  # fmt: skip
    assert {name: value(converted, TASK, name) for name in expected} == expected
    common = {
        0x8516: datetime(2026, 3, 3, 23, tzinfo=UTC), 0x8517: datetime(2026, 3, 9, 23, tzinfo=UTC), 0x8518: 0, 0x8510: 272,
        0x8503: True,
        0x8502: datetime(2026, 3, 9, 8, 30, tzinfo=UTC), 0x8560: datetime(2026, 3, 9, 8, 30, tzinfo=UTC),
    }  # fmt: skip
    assert {name: value(converted, COMMON, name) for name in common} == common
    assert value(converted, PUBLIC, "Keywords") == ("Red",)
    lines = ["Two litres", "", "[x] Go", "[ ] Pay", "[ ] ", "Shop <https://shop.example>", "App"]
    assert got[0x1000001F] == "\r\n".join(lines)
    assert codes(converted) == {"checklist-in-body"}


@pytest.mark.parametrize(
    ("text", "zone", "day", "lost"),
    [
        ("2026-10-24T00:00:00", "UTC", date(2026, 10, 24), False),
        ("2026-10-24T10:00:00", "Hawaiian Standard Time", date(2026, 10, 24), False),  # set in UTC-10
        ("2026-10-23T10:00:00", "Line Islands Standard Time", date(2026, 10, 24), False),  # set in UTC+14
        ("2026-10-23T22:00:00", "W. Europe Standard Time", date(2026, 10, 24), False),
        (
            "2026-10-25T23:00:00",
            "W. Europe Standard Time",
            date(2026, 10, 26),
            False,
        ),  # the day after the clocks changed
        ("2026-10-23T10:00:00", "W. Europe Standard Time", date(2026, 10, 23), True),
    ],
)
def test_a_date_is_a_day_of_some_zone(text: str, zone: str, day: date, lost: bool) -> None:
    converted = task_message(record({**FULL, "dueDateTime": utc(text)}), Box(time_zone=zone), nothing)
    assert value(converted, TASK, 0x8105) == datetime(day.year, day.month, day.day, tzinfo=UTC)
    assert ("task-date-zone" in codes(converted)) == lost


def test_a_completed_task() -> None:
    graph = {**FULL, "status": "completed", "completedDateTime": utc("2026-03-05T00:00:00")}
    converted = task_message(record(graph), BERLIN, nothing)
    assert [value(converted, TASK, name) for name in (0x8101, 0x8102, 0x811C)] == [2, 1.0, True]
    assert value(converted, TASK, 0x810F) == datetime(2026, 3, 5, tzinfo=UTC)


def test_a_recurring_task_holds_the_first_part_of_the_blob() -> None:
    recurrence = {
        "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"]},
        "range": {"type": "noEnd", "startDate": "2026-03-04", "endDate": "0001-01-01"},
    }
    converted = task_message(record({**FULL, "recurrence": recurrence}), BERLIN, nothing)
    blob = value(converted, TASK, 0x8116)
    assert isinstance(blob, bytes) and value(converted, TASK, 0x8126) is True
    pattern, reader = parse_pattern(blob)
    assert reader.at == len(blob)
    assert list(days(pattern, date(2026, 3, 20))) == [date(2026, 3, 9), date(2026, 3, 16)]
    odd = task_message(record({**FULL, "recurrence": {"pattern": {"type": "often"}}}), BERLIN, nothing)
    assert value(odd, TASK, 0x8126) is False and "task-detail" in codes(odd)


def test_files_and_html(tmp_path: Path) -> None:
    file = {
        "@odata.type": "#microsoft.graph.taskFileAttachment",
        "name": "a.txt",
        "contentType": "text/plain",
        "key": "a",
        "size": 3,
    }
    graph = {**FULL, "body": {"contentType": "html", "content": "<html><body><p>Two</p></body></html>"}}
    converted = task_message(record(graph, attachments=[file]), BERLIN, bytes_of(a=b"abc"))
    (read,) = write([converted.message], tmp_path / "one.pst")
    assert [(one.name, one.data) for one in read.attachments] == [("a.txt", b"abc")]
    assert b"[x] Go" in read.properties[0x10130102] and read.properties[0x10130102].endswith(b"</body></html>")
    assert "[x] Go" in read.properties[0x1000001F]


@given(st.dictionaries(st.sampled_from([*FULL, "recurrence", "completedDateTime"]), JSON))
def test_q075_no_answer_is_too_odd(graph: dict[str, Any]) -> None:
    assert task_message({"id": "x", "graph": graph}, BERLIN, nothing).message.properties[0x001A001F] == "IPM.Task"
