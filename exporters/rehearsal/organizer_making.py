"""Calendars, contacts and tasks of one mailbox of the rehearsal tenant, in the tenant-data format.

Rules of this file: as in `mail_making`; times of events are wall times of their zone.
Source: reference/tenant-data.md, "Users and mailboxes"; reference/graph.md 3.6.
"""

from collections.abc import Iterable
from datetime import date

from exporters.rehearsal.documents import Row
from exporters.rehearsal.lively_mail import CONTACTS, MEETINGS, SHOPPING, TASKS, Meeting, Person, ToDo
from exporters.rehearsal.mail_making import MailboxMaker
from exporters.rehearsal.story import guid

_UNSET = "0001-01-01T00:00:00Z"
_NO_DAY = "0001-01-01"


def make_organizer(box: MailboxMaker, *, with_tasks: bool) -> None:
    """Write everything in a mailbox that is not mail. with_tasks: rooms and the like have none."""
    name, address = box.people[0]
    owner = {"name": name, "address": address}
    calendars = (("Calendar", True), ("Birthdays", False))
    box.rows(
        "calendars",
        [
            {
                "id": box.id_of("calendar", n),
                "name": title,
                "isDefaultCalendar": is_default,
                "canEdit": is_default,
                "color": "auto",
                "owner": owner,
                "_traits": [],
            }
            for n, (title, is_default) in enumerate(calendars)
        ],
    )
    box.rows("events", _events(box))
    folders = (("Contacts", True), ("Suppliers", False))
    box.rows(
        "contactFolders",
        [
            {
                "id": box.id_of("contactFolder", n),
                "displayName": title,
                "parentFolderId": box.id_of("contactFolder", 999 if is_default else 0),
                "_default": is_default,
            }
            for n, (title, is_default) in enumerate(folders)
        ],
    )
    box.rows("contacts", [_contact(box, n, person) for n, person in enumerate(CONTACTS)])
    lists = (("Tasks", "defaultList"), ("Flagged Emails", "flaggedEmails"), ("Einkauf 🛒", "none"))
    box.rows(
        "todoLists",
        [
            {
                "id": box.id_of("list", n),
                "displayName": title,
                "isOwner": True,
                "isShared": False,
                "wellknownListName": known,
            }
            for n, (title, known) in enumerate(lists)
        ],
    )
    tasks = [*((0, one) for one in TASKS), *((2, one) for one in SHOPPING)] if with_tasks else []
    box.rows("tasks", [_task(box, n, place, one) for n, (place, one) in enumerate(tasks)])


def _events(box: MailboxMaker) -> Iterable[Row]:
    rows: list[Row] = []
    for meeting in MEETINGS:
        n = len(rows)
        row = _event(box, n, meeting)
        rows.append(row)
        if meeting.pattern is not None:
            row |= {"type": "seriesMaster", "recurrence": _recurrence(meeting), "_traits": ["recurring"]}
            row["cancelledOccurrences"] = [f"OID.{row['id']}.{day}" for day in meeting.cancelled]
        if meeting.moved is not None:
            rows.append(_exception(box, len(rows), row, meeting.moved))
    return rows


def _event(box: MailboxMaker, n: int, meeting: Meeting) -> Row:
    created = f"{meeting.start[:10]}T06:00:00Z"
    row: Row = {
        "id": box.id_of("event", n),
        "_calendar": box.id_of("calendar", 0),
        "iCalUId": guid(box.seed, box.folder, "event", n).replace("-", "").upper(),
        "subject": meeting.subject,
        "type": "singleInstance",
        "isAllDay": meeting.all_day,
        "isCancelled": False,
        "showAs": "free" if meeting.all_day else "busy",
        "sensitivity": "normal",
        "importance": "normal",
        "start": {"dateTime": f"{meeting.start}.0000000", "timeZone": meeting.zone},
        "end": {"dateTime": f"{meeting.end}.0000000", "timeZone": meeting.zone},
        "originalStartTimeZone": meeting.zone,
        "originalEndTimeZone": meeting.zone,
        "createdDateTime": created,
        "lastModifiedDateTime": created,
        "location": {"displayName": "The pier"},
        "isReminderOn": not meeting.all_day,
        "reminderMinutesBeforeStart": 15,
        "isOrganizer": True,
        "organizer": _mailbox(box.people[0]),
        "categories": ["Red category"] if meeting.pattern else [],
        "hasAttachments": False,
        "responseStatus": {"response": "organizer", "time": _UNSET},
        "body": {"contentType": "text", "content": meeting.text},
        "attendees": [
            {"type": "required", "status": {"response": "none", "time": _UNSET}, **_mailbox(box.person(who))}
            for who in meeting.attendees
        ],
        "_attachments": [],
        "_traits": [],
    }
    if meeting.online:
        url = f"https://meet.willowmere.example/{n}"
        row |= {"isOnlineMeeting": True, "onlineMeetingProvider": "unknown", "onlineMeeting": {"joinUrl": url}}
    return row


def _recurrence(meeting: Meeting) -> Row:
    start = meeting.start[:10]
    limits = {"type": "endDate", "endDate": meeting.last} if meeting.last else {"type": "noEnd", "endDate": _NO_DAY}
    return {
        "pattern": {
            "month": 0,
            "dayOfMonth": 0,
            "firstDayOfWeek": "sunday",
            "index": "first",
            **(meeting.pattern or {}),
        },
        "range": {**limits, "startDate": start, "recurrenceTimeZone": meeting.zone, "numberOfOccurrences": 0},
    }


def _exception(box: MailboxMaker, n: int, master: Row, moved: tuple[str, str, str]) -> Row:
    day, start, end = moved
    zone = master["start"]["timeZone"]
    kept = {key: value for key, value in master.items() if key not in ("recurrence", "cancelledOccurrences", "_traits")}
    return {
        **kept,
        "id": box.id_of("event", n),
        "type": "exception",
        "subject": f"{master['subject']} (moved)",
        "start": {"dateTime": f"{start}.0000000", "timeZone": zone},
        "end": {"dateTime": f"{end}.0000000", "timeZone": zone},
        "seriesMasterId": master["id"],
        "occurrenceId": f"OID.{master['id']}.{day}",
        "_originalStartLocal": f"{day}{master['start']['dateTime'][10:19]}",
        "_traits": ["recurring-exception"],
    }


def _contact(box: MailboxMaker, n: int, person: Person) -> Row:
    name = f"{person.given} {person.surname}"
    row: Row = {
        "id": box.id_of("contact", n),
        "parentFolderId": box.id_of("contactFolder", 0 if n else 1),
        "displayName": name,
        "givenName": person.given,
        "surname": person.surname,
        "fileAs": f"{person.surname}, {person.given}",
        "companyName": person.company or None,
        "jobTitle": None,
        "emailAddresses": [{"name": name, "address": person.address}],
        "businessPhones": [person.phone],
        "homePhones": [],
        "mobilePhone": None,
        "businessAddress": {
            "street": "Kaistraße 1",
            "city": "Weidenau",
            "countryOrRegion": "Germany",
            "postalCode": "01234",
        },
        "homeAddress": {},
        "otherAddress": {},
        "birthday": f"{date.fromisoformat(person.birthday)}T11:59:00Z" if person.birthday else None,
        "personalNotes": person.notes,
        "categories": [],
        "children": [],
        "imAddresses": [],
        "yomiGivenName": None,
        "createdDateTime": "2024-03-01T08:00:00Z",
        "lastModifiedDateTime": "2024-03-02T08:00:00Z",
    }
    return {**row, "_photo": box.photo(), "_traits": ["contact-photo"]} if person.photo else row


def _task(box: MailboxMaker, n: int, place: int, task: ToDo) -> Row:
    due = {"dateTime": f"{task.due}T00:00:00.0000000", "timeZone": "UTC"} if task.due else None
    steps = [
        {"id": guid(box.folder, "task", n, step), "displayName": text, "isChecked": False}
        for step, text in enumerate(task.steps)
    ]
    return {
        "id": box.id_of("task", n),
        "_list": box.id_of("list", place),
        "title": task.title,
        "status": task.status,
        "importance": task.importance,
        "isReminderOn": False,
        "categories": [],
        "createdDateTime": "2025-11-03T08:00:00Z",
        "lastModifiedDateTime": "2025-11-03T08:05:00Z",
        "body": {"contentType": "text", "content": ""},
        "hasAttachments": False,
        "dueDateTime": due,
        "checklistItems": steps,
    }


def _mailbox(person: tuple[str, str]) -> Row:
    return {"emailAddress": {"name": person[0], "address": person[1]}}
