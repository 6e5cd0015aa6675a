"""Calendars, contacts, tasks and settings as the rehearsal serves them, over HTTP; recurrences by themselves."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from exporters.rehearsal.recurrences import days_of
from tests.unit.rehearsal import mailbox_data as data
from tests.unit.rehearsal.client import Client, Row, running
from tests.unit.rehearsal.mailbox_data import made
from tests.unit.rehearsal.test_rehearsal_mail import FIXTURES, IMMUTABLE, error, needs_fixtures, shape, whole_round

ADA = f"/users/{data.ADA}"
BERLIN = "W. Europe Standard Time"
MARCH = "startDateTime=2025-03-01T00:00:00Z&endDateTime=2025-04-30T00:00:00Z"


def at(moment: str, zone: str = BERLIN) -> Row:
    return {"dateTime": f"{moment}.0000000", "timeZone": zone}


def _event(n: int, calendar: int, kind: str, start: str, end: str, **more: Any) -> Row:
    row = {"id": made("event", n), "_calendar": made("calendar", calendar), "subject": f"event {n}", "type": kind}
    times = {"start": at(start), "end": at(end), "isAllDay": False, "_attachments": [], "_traits": []}
    return {**row, **times, "lastModifiedDateTime": "2025-01-01T00:00:00Z", "body": None, **more}


def fill(writer: data.MailboxWriter) -> None:
    """Of Ada: two calendars named alike, a single event, a weekly series with one day cancelled and one moved, an all-day one."""
    if writer.user:
        return
    owner = {"name": "Ada", "address": "ada@rehearsal.example"}
    calendars = [
        {"id": made("calendar", n), "name": "Calendar", "isDefaultCalendar": n == 0, "owner": owner} for n in (0, 1)
    ]
    weekly = {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"}
    until = {"type": "endDate", "startDate": "2025-03-17", "endDate": "2025-04-14", "recurrenceTimeZone": BERLIN}
    daily = {
        "pattern": {"type": "daily", "interval": 1},
        "range": {"type": "noEnd", "startDate": "2024-03-14", "endDate": "0001-01-01"},
    }
    series = made("event", 1)
    events = [
        _event(0, 0, "singleInstance", "2025-03-05T10:00:00", "2025-03-05T11:00:00"),
        _event(1, 0, "seriesMaster", "2025-03-17T09:00:00", "2025-03-17T10:00:00"),
        _event(2, 0, "exception", "2025-04-08T15:00:00", "2025-04-08T16:00:00", seriesMasterId=series),
        _event(3, 1, "seriesMaster", "2024-03-14T00:00:00", "2024-03-15T00:00:00", isAllDay=True, recurrence=daily),
    ]
    events[1] |= {
        "recurrence": {"pattern": weekly, "range": until},
        "cancelledOccurrences": [f"OID.{series}.2025-03-24"],
    }
    events[2] |= {"_originalStartLocal": "2025-04-07T09:00:00", "occurrenceId": f"OID.{series}.2025-04-07"}
    file = {"@odata.type": "#microsoft.graph.fileAttachment", "name": "agenda.txt", "contentType": "text/plain"}
    events[0]["_attachments"] = [
        {**file, "size": 146, "id": f"{events[0]['id'][:-1]}YXR0=", "_c": writer.reference(b"agenda")}
    ]
    writer.rows("calendars", calendars)
    writer.rows("events", events)
    root = made("contactFolder", 999)
    parents = {0: root, 1: root, 2: made("contactFolder", 0), 3: made("contactFolder", 1)}
    names = ("Contacts", "Suppliers", "Suppliers", "Below")
    writer.rows(
        "contactFolders",
        [
            {"id": made("contactFolder", n), "displayName": name, "parentFolderId": parents[n], "_default": n == 0}
            for n, name in enumerate(names)
        ],
    )
    contacts: list[Row] = [
        {"id": made("contact", n), "parentFolderId": made("contactFolder", n % 4), "displayName": f"contact {n}"}
        for n in range(14)
    ]
    contacts[0]["_photo"] = writer.reference(b"\xff\xd8 a photo")
    writer.rows("contacts", contacts)
    writer.rows(
        "todoLists",
        [
            {"id": made("list", n), "displayName": name, "isOwner": True, "isShared": False, "wellknownListName": known}
            for n, (name, known) in enumerate((("Tasks", "defaultList"), ("Flagged Emails", "flaggedEmails")))
        ],
    )
    items = [{"id": "c1", "displayName": "first", "isChecked": True}]
    writer.rows(
        "tasks",
        [
            {
                "id": made("task", n),
                "_list": made("list", 0),
                "title": f"task {n}",
                "checklistItems": items if n == 0 else [],
            }
            for n in range(3)
        ],
    )


@pytest.fixture(scope="module")
def calendar_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("calendar") / "tenant", fill)


@pytest.fixture
def client(calendar_folder: Path) -> Iterator[Client]:
    with running(calendar_folder) as found:
        yield found


# -- recurrences ----------------------------------------------------------------------------------------------------------

CASES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    (
        "daily",
        {"type": "daily", "interval": 3},
        {"type": "noEnd", "startDate": "2024-02-27"},
        ["2024-02-27", "2024-03-01", "2024-03-04"],
    ),
    (
        "weekly from a Wednesday, weeks begin on Sunday",
        {"type": "weekly", "interval": 2, "daysOfWeek": ["monday", "thursday"], "firstDayOfWeek": "sunday"},
        {"type": "noEnd", "startDate": "2025-01-01"},
        ["2025-01-02", "2025-01-13", "2025-01-16"],
    ),
    (
        "the 31st",
        {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31},
        {"type": "noEnd", "startDate": "2025-01-31"},
        ["2025-01-31", "2025-02-28", "2025-03-31"],
    ),
    (
        "the last Friday of each second month",
        {"type": "relativeMonthly", "interval": 2, "daysOfWeek": ["friday"], "index": "last"},
        {"type": "noEnd", "startDate": "2025-01-31"},
        ["2025-01-31", "2025-03-28", "2025-05-30"],
    ),
    (
        "29 February",
        {"type": "absoluteYearly", "interval": 1, "dayOfMonth": 29, "month": 2},
        {"type": "noEnd", "startDate": "2024-02-29"},
        ["2024-02-29", "2025-02-28", "2026-02-28"],
    ),
    (
        "Thanksgiving, twice",
        {"type": "relativeYearly", "interval": 1, "daysOfWeek": ["thursday"], "index": "fourth", "month": 11},
        {"type": "numbered", "startDate": "2024-11-01", "numberOfOccurrences": 2},
        ["2024-11-28", "2025-11-27"],
    ),
]


@pytest.mark.parametrize(("pattern", "limits", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_patterns_and_their_days(pattern: Row, limits: Row, wanted: list[str]) -> None:
    found = [day.isoformat() for day in days_of({"pattern": pattern, "range": limits}, date(2027, 1, 1))]
    assert found[:3] == wanted


# -- calendars ------------------------------------------------------------------------------------------------------------


def test_q078_calendars_of_the_same_name_and_events_without_a_body(client: Client) -> None:
    rows = client.get(f"{ADA}/calendars")["value"]
    assert [row["name"] for row in rows] == ["Calendar", "Calendar"]
    group = client.get(f"{ADA}/calendarGroups")["value"][0]["id"]
    assert client.get(f"{ADA}/calendarGroups/{group}/calendars")["value"] == rows
    assert client.get(f"{ADA}/calendar")["id"] == rows[0]["id"]
    events = client.get(f"{ADA}/calendars/{rows[0]['id']}/events")["value"]
    assert [(row["subject"], row["body"]) for row in events] == [("event 0", None), ("event 1", None)]
    assert not [key for row in events for key in row if key.startswith("_")]


def test_times_come_in_utc_unless_a_zone_is_asked_for(client: Client) -> None:
    link = f"{ADA}/events/{made('event', 1)}"
    assert client.get(link)["start"] == at("2025-03-17T08:00:00", "UTC")
    answer = client.raw(link, Prefer=f'outlook.timezone="{BERLIN}"')
    assert answer.json()["start"] == at("2025-03-17T09:00:00")
    assert answer.headers["Preference-Applied"] == f'outlook.timezone="{BERLIN}"'
    assert client.raw(link, Prefer='outlook.timezone="Tokyo Standard Time"').json()["end"] == at(
        "2025-03-17T18:00:00", "Tokyo Standard Time"
    )


def test_q079_cancelled_and_changed_occurrences_have_to_be_asked_for(client: Client) -> None:
    link = f"{ADA}/events/{made('event', 1)}"
    assert not {"cancelledOccurrences", "exceptionOccurrences"} & set(client.get(link))
    row = client.get(
        f"{link}?$select=subject,recurrence,cancelledOccurrences,exceptionOccurrences&$expand=exceptionOccurrences"
    )
    assert row["cancelledOccurrences"] == [f"OID.{made('event', 1)}.2025-03-24"]
    assert [(one["id"], one["originalStart"]) for one in row["exceptionOccurrences"]] == [
        (made("event", 2), "2025-04-07T07:00:00Z")
    ]
    assert "exceptionOccurrences" not in client.get(f"{link}?$select=subject,exceptionOccurrences")


def test_instances_of_a_series_across_the_change_of_the_clocks(client: Client) -> None:
    rows = client.get(f"{ADA}/events/{made('event', 1)}/instances?{MARCH}")["value"]
    assert [(row["type"], row["start"]["dateTime"][:16]) for row in rows] == [
        ("occurrence", "2025-03-17T08:00"),
        ("occurrence", "2025-03-31T07:00"),
        ("exception", "2025-04-08T13:00"),
        ("occurrence", "2025-04-14T07:00"),
    ]
    assert {row["seriesMasterId"] for row in rows} == {made("event", 1)}
    again = client.get(f"{ADA}/events/{rows[1]['id']}")
    assert (again["type"], again["start"]) == ("occurrence", rows[1]["start"])
    assert error(client, f"{ADA}/events/{made('event', 1)}/instances")[0] == 400
    assert error(client, f"{ADA}/events/{made('event', 0)}/instances?{MARCH}") == (400, "ErrorInvalidRequest")


def test_q080_a_day_of_an_all_day_series_is_the_instant_of_a_local_midnight(client: Client) -> None:
    window = "startDateTime=2024-03-14T12:00:00Z&endDateTime=2024-03-15T12:00:00Z"
    rows = client.get(f"{ADA}/calendars/{made('calendar', 1)}/calendarView?{window}")["value"]
    assert [row["start"]["dateTime"] for row in rows] == ["2024-03-13T23:00:00.0000000", "2024-03-14T23:00:00.0000000"]
    assert rows[1]["originalStart"] == "2024-03-14T23:00:00Z"


def test_a_view_and_its_delta(client: Client) -> None:
    assert len(client.get(f"{ADA}/calendarView?{MARCH}")["value"]) == 5
    rows, link = whole_round(client, f"{ADA}/calendarView/delta?{MARCH}")
    kinds = [row["type"] for row in rows]
    assert sorted(kinds) == ["exception", "occurrence", "occurrence", "occurrence", "seriesMaster", "singleInstance"]
    client.change(
        {"kind": "event", "user": data.ADA, "id": made("event", 1), "op": "update", "set": {"subject": "new"}}
    )
    client.change({"kind": "event", "user": data.ADA, "id": made("event", 0), "op": "delete"})
    rows, link = whole_round(client, link)
    assert [row["id"] for row in rows if "@removed" in row] == [made("event", 0)]
    assert {row["subject"] for row in rows if row.get("type") == "occurrence"} == {"new"}
    assert whole_round(client, link)[0] == []


def test_a_change_to_one_occurrence_arrives_as_the_whole_series(client: Client) -> None:
    _, link = whole_round(client, f"{ADA}/calendarView/delta?{MARCH}", **IMMUTABLE)
    client.change(
        {"kind": "event", "user": data.ADA, "id": made("event", 2), "op": "update", "set": {"subject": "new"}}
    )
    rows, _ = whole_round(client, link, **IMMUTABLE)
    kinds = [row["type"] for row in rows]
    assert sorted(kinds) == ["exception", "occurrence", "occurrence", "occurrence", "seriesMaster"]
    master = next(row for row in rows if row["type"] == "seriesMaster")
    assert master["id"].startswith("AAkALg")
    assert {row["seriesMasterId"] for row in rows if row is not master} == {master["id"]}
    assert [row["subject"] for row in rows if row["type"] == "exception"] == ["new"]


def test_files_of_events(client: Client) -> None:
    link = f"{ADA}/events/{made('event', 0)}/attachments"
    row = client.get(f"{link}?$select=id,name,size")["value"][0]
    assert client.raw(f"{link}/{row['id']}/$value").content == b"agenda"


def test_a_change_key_changes_with_its_event(client: Client) -> None:
    link = f"{ADA}/events?$select=id,changeKey&$top=1000"
    before = {row["id"]: row["changeKey"] for row in client.get(link)["value"]}
    client.change(
        {"kind": "event", "user": data.ADA, "id": made("event", 0), "op": "update", "set": {"subject": "new"}}
    )
    after = {row["id"]: row["changeKey"] for row in client.get(link)["value"]}
    assert [item_id for item_id in before if before[item_id] != after[item_id]] == [made("event", 0)]


# -- contacts -------------------------------------------------------------------------------------------------------------


def test_contacts_lie_in_folders_that_have_to_be_walked(client: Client) -> None:
    assert [row["displayName"] for row in client.get(f"{ADA}/contacts?$select=displayName")["value"]] == [
        f"contact {n}" for n in (0, 4, 8, 12)
    ]
    folders = client.get(f"{ADA}/contactFolders")["value"]
    assert [row["displayName"] for row in folders] == ["Suppliers", "Suppliers"]
    below = client.get(f"{ADA}/contactFolders/{folders[0]['id']}/childFolders")["value"]
    assert [row["displayName"] for row in below] == ["Below"]
    assert len(client.get(f"{ADA}/contactFolders/{below[0]['id']}/contacts")["value"]) == 3


def test_photos_of_contacts(client: Client) -> None:
    assert client.raw(f"{ADA}/contacts/{made('contact', 0)}/photo/$value").content == b"\xff\xd8 a photo"
    assert error(client, f"{ADA}/contacts/{made('contact', 4)}/photo/$value") == (404, "ErrorItemNotFound")


def test_contacts_by_delta(client: Client) -> None:
    folder = f"{ADA}/contactFolders/{made('contactFolder', 1)}"
    rows, link = whole_round(client, f"{folder}/contacts/delta", **IMMUTABLE)
    assert len({row["id"] for row in rows}) == 4
    client.change(
        {
            "kind": "contact",
            "user": data.ADA,
            "op": "create",
            "row": {"displayName": "new"},
            "to": made("contactFolder", 1),
        },
        {"kind": "contact", "user": data.ADA, "op": "delete", "id": made("contact", 1)},
    )
    found, _ = whole_round(client, link, **IMMUTABLE)
    assert [row.get("displayName", "gone") for row in found] == ["new", "gone"]


# -- tasks ----------------------------------------------------------------------------------------------------------------


def test_lists_tasks_and_what_hangs_on_them(client: Client) -> None:
    lists = client.get(f"{ADA}/todo/lists")["value"]
    assert [row["wellknownListName"] for row in lists] == ["defaultList", "flaggedEmails"]
    tasks = f"{ADA}/todo/lists/{lists[0]['id']}/tasks"
    rows = client.get(tasks)["value"]
    assert [row["title"] for row in rows] == ["task 0", "task 1", "task 2"] and "checklistItems" not in rows[0]
    assert client.get(f"{tasks}/{rows[0]['id']}/checklistItems")["value"][0]["displayName"] == "first"
    assert client.get(f"{tasks}?$expand=checklistItems")["value"][0]["checklistItems"][0]["isChecked"] is True
    assert client.get(f"{tasks}/{rows[0]['id']}/attachments")["value"] == []
    other = f"{ADA}/todo/lists/{lists[1]['id']}/tasks"
    assert error(client, f"{other}/{rows[0]['id']}") == (404, "ErrorItemNotFound")
    assert len(whole_round(client, f"{ADA}/todo/lists/delta")[0]) == 2
    _, link = whole_round(client, f"{tasks}/delta")
    client.change({"kind": "task", "user": data.ADA, "op": "move", "id": rows[1]["id"], "to": lists[1]["id"]})
    assert [row["id"] for row in whole_round(client, link)[0]] == [rows[1]["id"]]
    assert [row["title"] for row in client.get(other)["value"]] == ["task 1"]


# -- settings -------------------------------------------------------------------------------------------------------------


def test_settings_purpose_categories_and_rules(client: Client) -> None:
    assert client.get(f"{ADA}/mailboxSettings/userPurpose")["value"] == "user"
    assert client.get(f"/users/{data.BO}/mailboxSettings")["userPurpose"] == "room"
    settings = client.get(f"{ADA}/mailboxSettings")
    assert settings["timeZone"] == BERLIN and settings["archiveFolder"] == made("folder", data.ARCHIVE)
    assert error(client, f"/users/{data.CY}/mailboxSettings") == (404, "MailboxNotEnabledForRESTAPI")
    assert len(client.get(f"{ADA}/outlook/masterCategories")["value"]) == 4
    rules = client.get(f"{ADA}/mailFolders/inbox/messageRules")["value"]
    assert rules[1]["actions"]["moveToFolder"] == made("folder", data.ARCHIVE)
    assert error(client, f"{ADA}/mailFolders/archive/messageRules")[0] == 400


@needs_fixtures
def test_more_answers_have_the_shapes_of_the_fixtures(client: Client) -> None:
    assert FIXTURES.is_dir()
    for path, fixture in (
        ("calendars", "calendars"),
        ("contactFolders", "contactFolders"),
        ("todo/lists", "todo-lists"),
        ("outlook/masterCategories", "masterCategories"),
        ("mailFolders/inbox/messageRules", "messageRules"),
    ):
        mine, theirs = client.get(f"{ADA}/{path}")["value"][0], shape(f"mail/{fixture}.json")["value"][0]
        said = {"color", "canEdit"} if path == "calendars" else set()  # what this small data leaves out
        assert set(mine) | said == set(theirs), path
    settings = set(client.get(f"{ADA}/mailboxSettings"))
    assert settings == set(shape("mail/mailboxSettings.json"))
    for name in ("event-instances", "events-list"):
        theirs = shape(f"mail/{name}.json")["value"][0]
        row = client.get(f"{ADA}/events/{made('event', 1)}/instances?{MARCH}")["value"][0]
        assert {
            key for key in ("id", "subject", "seriesMasterId", "type", "start", "end", "recurrence") if key in theirs
        } <= set(row)


# -- changes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "path", "gone"),
    [
        ("list", "todo/lists", "task"),
        ("calendar", "calendars", "event"),
        ("contactFolder", "contactFolders", "contact"),
    ],
)
def test_a_place_is_deleted_with_what_lies_in_it(client: Client, kind: Any, path: str, gone: str) -> None:
    place = made(kind, 0 if kind == "list" else 1)

    def left() -> set[str]:
        rows = client.control("GET", f"truth/mailboxes/{data.ADA}")
        return {row["id"] for row in rows if row["kind"] == gone}

    before = left()
    assert client.change({"kind": kind, "user": data.ADA, "id": place, "op": "delete"}) == {f"{kind}-delete": 1}
    assert place not in {row["id"] for row in client.get(f"{ADA}/{path}")["value"]}
    assert left() < before


def test_a_fault_changes_the_tenant_just_before_the_answer(client: Client) -> None:
    change = {"kind": "event", "user": data.ADA, "id": made("event", 0), "op": "delete"}
    client.control(
        "POST", "faults", [{"route": "users/*/calendars", "fault": "change", "count": 1, "changes": [change]}]
    )
    assert client.raw(f"{ADA}/events/{made('event', 0)}").status_code == 200
    client.get(f"{ADA}/calendars")
    assert client.raw(f"{ADA}/events/{made('event', 0)}").status_code == 404
