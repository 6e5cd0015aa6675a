"""Compares contacts, events and tasks of a PST with the truth, field by field.

Rules of this file: the judge's own modules; the tables of reference/mapi-mapping.md §2 to §4 are written here a second time.
A series is expanded from the bytes of its recurrence blob, in the zone of the bytes of its zone definition, and compared in
instants.
"""

import hashlib
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.independent import event_truth
from tests.independent.differences import Differences
from tests.independent.mail_pst_messages import date_of, person, set_date, squashed, text_of_html
from tests.independent.mail_truth import Row, TenantTruth, instant
from tests.independent.pst_reader import Item, Key
from tests.independent.recurrence_reading import (
    BEGIN,
    DAY,
    BlobBroken,
    Bytes,
    Recurrence,
    moment,
    occurrences,
    read_definition,
    read_pattern,
    read_recurrence,
)  # fmt: skip

TEXTS: dict[str, Key] = {
    "displayName": 0x3001, "givenName": 0x3A06, "middleName": 0x3A44, "surname": 0x3A11, "title": 0x3A45,
    "generation": 0x3A05, "initials": 0x3A0A, "nickName": 0x3A4F, "companyName": 0x3A16, "department": 0x3A18,
    "jobTitle": 0x3A17, "profession": 0x3A46, "officeLocation": 0x3A19, "manager": 0x3A4E, "assistantName": 0x3A30,
    "spouseName": 0x3A48, "mobilePhone": 0x3A1C, "businessHomePage": 0x3A51, "fileAs": ("ADDR", 0x8005),
    "yomiGivenName": ("ADDR", 0x802C), "yomiSurname": ("ADDR", 0x802D), "yomiCompanyName": ("ADDR", 0x802E),
    "personalNotes": 0x1000,
}  # fmt: skip
LISTS: dict[str, tuple[Key, ...]] = {
    "businessPhones": (0x3A08, 0x3A1B), "homePhones": (0x3A09, 0x3A2F), "imAddresses": (("ADDR", 0x8062),),
}  # fmt: skip
PLACES: dict[str, dict[str, Key]] = {
    "businessAddress": {"street": ("ADDR", 0x8045), "city": ("ADDR", 0x8046), "state": ("ADDR", 0x8047),
                        "postalCode": ("ADDR", 0x8048), "countryOrRegion": ("ADDR", 0x8049)},
    "homeAddress": {"street": 0x3A5D, "city": 0x3A59, "state": 0x3A5C, "postalCode": 0x3A5B, "countryOrRegion": 0x3A5A},
    "otherAddress": {"street": 0x3A63, "city": 0x3A5F, "state": 0x3A62, "postalCode": 0x3A61, "countryOrRegion": 0x3A60},
}  # fmt: skip
BUSY = {"free": 0, "tentative": 1, "busy": 2, "oof": 3, "workingElsewhere": 4}
SENSITIVITY = {"normal": 0, "personal": 1, "private": 2, "confidential": 3}
IMPORTANCE = {"low": 0, "normal": 1, "high": 2}
RESPONSE = {"none": 0, "organizer": 1, "tentativelyAccepted": 2, "accepted": 3, "declined": 4, "notResponded": 5}
STATUS = {"notStarted": 0, "inProgress": 1, "completed": 2, "waitingOnOthers": 3, "deferred": 4}
RECURRENCE = {
    "daily": 1,
    "weekly": 2,
    "absoluteMonthly": 3,
    "relativeMonthly": 3,
    "absoluteYearly": 4,
    "relativeYearly": 4,
}
ATTENDEE = {"required": 1, "optional": 2, "resource": 3}


class ItemJudge:
    """Items of one mailbox. `zone`: its own, which stands in for one that nobody can know."""

    def __init__(self, truth: TenantTruth, found: Differences, zone: str) -> None:
        self.truth, self.found, self.zone = truth, found, zone

    # -- contacts ---------------------------------------------------------------------------------------------------

    def contact(self, where: str, item: Item, row: Row) -> None:
        """§2."""
        same = self.found.same
        same("contact class", where, item[0x001A], "IPM.Contact")
        for key, tag in TEXTS.items():
            if row.get(key):
                same(f"contact {key}", where, squashed(item[tag]), squashed(row[key]))
            elif key in row and key not in ("displayName", "fileAs", "personalNotes"):
                self.found.check(f"contact {key}", f"{where}: {item[tag]!r} is of nothing", not item[tag])
        for key, tags in LISTS.items():
            for tag, value in zip(tags, row.get(key) or (), strict=False):
                held = item[tag]
                same(
                    f"contact {key}",
                    where,
                    squashed(held[0] if isinstance(held, list) and held else held),
                    squashed(value),
                )
        for key, parts in PLACES.items():
            for part, tag in parts.items():
                same(
                    f"contact {key}", f"{where}: {part}", squashed(item[tag]), squashed((row.get(key) or {}).get(part))
                )
        for place, one in enumerate((row.get("emailAddresses") or ())[:3]):
            base = 0x8080 + 0x10 * place
            same("contact emailAddresses", where, item["ADDR", base + 3], one.get("address"))
            shown = str(item["ADDR", base] or "")
            self.found.check("contact emailAddresses", f"{where}: {shown!r}", str(one.get("name") or "") in shown)
        if row.get("children"):
            same("contact children", where, item[0x3A58], row["children"])
        if row.get("birthday"):
            self._birthday(where, item, str(row["birthday"]))
        same("contact categories", where, item["PUBLIC", "Keywords"] or [], row.get("categories") or [])
        photos = [hashlib.sha256(one.data or b"").hexdigest() for one in item.attachments if one.properties.get(0x7FFF)]
        same("contact photo", where, photos, [row["_photo"]["sha256"]] if "_photo" in row else [])
        self._dates(where, "contact", item, row)

    def _birthday(self, where: str, item: Item, value: str) -> None:
        stamp = datetime.fromisoformat(value[:19])
        day = stamp.date() if stamp.time().isoformat() in ("00:00:00", "11:59:00") else self._day(stamp)
        local = date_of(item["ADDR", 0x80DE])
        self.found.same("contact birthday", where, local, datetime.combine(day, datetime.min.time(), UTC))

    def _day(self, stamp: datetime) -> date:
        zone = event_truth.zone_of(self.zone, self.truth.zones) or UTC
        return stamp.replace(tzinfo=UTC).astimezone(zone).date()

    def _dates(self, where: str, kind: str, item: Item, row: Row) -> None:
        for tag, key in ((0x3007, "createdDateTime"), (0x3008, "lastModifiedDateTime")):
            if set_date(row.get(key)) and not (key == "lastModifiedDateTime" and row.get("_changed")):
                self.found.same(f"{kind} {key}", where, date_of(item[tag]), set_date(row[key]))

    # -- tasks ------------------------------------------------------------------------------------------------------

    def task(self, where: str, item: Item, row: Row) -> None:
        """§4.1."""
        same = self.found.same
        same("task class", where, item[0x001A], "IPM.Task")
        same("task title", where, squashed(item.subject), squashed(row.get("title")))
        status = STATUS[row.get("status") or "notStarted"]
        same("task status", where, item["TASK", 0x8101], status)
        same("task complete", where, (item["TASK", 0x8102], item["TASK", 0x811C]), (float(status == 2), status == 2))
        same("task importance", where, item[0x0017], IMPORTANCE[row.get("importance") or "normal"])
        same("task categories", where, item["PUBLIC", "Keywords"] or [], row.get("categories") or [])
        for key, tag in (("startDateTime", 0x8104), ("dueDateTime", 0x8105), ("completedDateTime", 0x810F)):
            value = row.get(key)
            if value and not str(value["dateTime"]).startswith("0001"):
                held = date_of(item["TASK", tag])
                same(f"task {key}", where, held, datetime.combine(self._due(value), datetime.min.time(), UTC))
        body, text = row.get("body") or {}, squashed(item[0x1000])
        content = str(body.get("content") or "")
        wanted = text_of_html(content) if str(body.get("contentType")).lower() == "html" else squashed(content)
        self.found.check("task body", f"{where}: {text[:60]!r}", text.startswith(wanted))
        for one in row.get("checklistItems") or ():
            line = squashed(f"[{'x' if one.get('isChecked') else ' '}] {one.get('displayName')}")
            self.found.check("task checklist", f"{where}: {line!r} is not in the body", line in text)
        same("task recurring", where, bool(item["TASK", 0x8126]), bool(row.get("recurrence")))
        if row.get("recurrence"):
            self._task_series(where, item, row["recurrence"])
        self._attachments(where, "task", item, row)
        self._dates(where, "task", item, row)

    def _due(self, value: Row) -> date:
        at = instant(value, self.truth.zones) or datetime.fromisoformat(str(value["dateTime"])[:19]).replace(tzinfo=UTC)
        return at.date() if not (at.hour or at.minute) else self._day(at.replace(tzinfo=None))

    def _task_series(self, where: str, item: Item, recurrence: Row) -> None:
        try:
            found = read_pattern(Bytes(item["TASK", 0x8116] or b""))
        except BlobBroken as error:
            self.found.say("task series", f"{where}: {error}")
            return
        until = date.fromisoformat(recurrence["range"]["startDate"]) + timedelta(days=366)
        due = []
        for day in event_truth.days_of(recurrence):
            if day > until:
                break
            due.append(day)
        limit = (until - BEGIN.date()).days * DAY
        self.found.same("task series", where, [moment(start).date() for start, _ in occurrences(found, limit)], due)

    def _attachments(self, where: str, kind: str, item: Item, row: Row) -> None:
        held = Counter(
            (one.name, hashlib.sha256(one.data or b"").hexdigest()) for one in item.attachments if one.method == 1
        )
        due = Counter((one["name"], one["_c"]["sha256"]) for one in row.get("_attachments") or () if "_c" in one)
        self.found.same(f"{kind} attachments", where, held, due)

    # -- events -----------------------------------------------------------------------------------------------------

    def event(self, where: str, item: Item, row: Row, others: list[Row]) -> None:
        """§3. others: the changed occurrences of a series."""
        same, zones = self.found.same, self.truth.zones
        same("event class", where, item[0x001A], "IPM.Appointment")
        same("event subject", where, squashed(item.subject), squashed(row.get("subject")))
        if not event_truth.is_series(row):
            for tag, key in ((0x820D, "start"), (0x820E, "end")):
                same(f"event {key}", where, date_of(item["APPT", tag]), instant(row[key], zones))
        same("event isAllDay", where, bool(item["APPT", 0x8215]), bool(row.get("isAllDay")))
        same("event showAs", where, item["APPT", 0x8205], BUSY.get(str(row.get("showAs")), 2))
        place = (row.get("location") or {}).get("displayName")
        same("event location", where, squashed(item["APPT", 0x8208]), squashed(place))
        same("event sensitivity", where, item[0x0036] or 0, SENSITIVITY[row.get("sensitivity") or "normal"])
        same("event importance", where, item[0x0017], IMPORTANCE[row.get("importance") or "normal"])
        same("event categories", where, item["PUBLIC", "Keywords"] or [], row.get("categories") or [])
        same("event reminder", where, bool(item["COMMON", 0x8503]), bool(row.get("isReminderOn")))
        if row.get("isReminderOn"):
            same("event reminder", where, item["COMMON", 0x8501], row.get("reminderMinutesBeforeStart"))
        same(
            "event response",
            where,
            item["APPT", 0x8218],
            RESPONSE[(row.get("responseStatus") or {}).get("response") or "none"],
        )
        state = int(item["APPT", 0x8217] or 0)
        same("event cancelled", where, bool(state & 4), bool(row.get("isCancelled")))
        self.found.check("event is a meeting", f"{where}: state {state}", not row.get("attendees") or bool(state & 1))
        self._event_body(where, item, row)
        self._people(where, item, row)
        self._global_id(where, item, row)
        self._attachments(where, "event", item, row)
        self._dates(where, "event", item, row)
        same("event recurring", where, bool(item["APPT", 0x8223]), event_truth.is_series(row))
        if event_truth.is_series(row):
            same("event recurrence type", where, item["APPT", 0x8231], RECURRENCE[row["recurrence"]["pattern"]["type"]])
            self._series(where, item, row, others)

    def _event_body(self, where: str, item: Item, row: Row) -> None:
        body = row.get("body") or {}
        wanted = text_of_html(str(body.get("content") or ""))
        held = text_of_html(bytes(item[0x1013] or b"").decode("utf-8", "replace")) or squashed(item[0x1000])
        link = squashed((row.get("onlineMeeting") or {}).get("joinUrl"))
        if link and link not in wanted:
            self.found.check("event link", f"{where}: {link} is not in the body", link in held)
            held = held.replace(link, "")
        self.found.check("event body", f"{where}: {held[:60]!r}, due is {wanted[:60]!r}", held.startswith(wanted))
        self.found.check("event body", f"{where}: one that is none", bool(wanted) or not held)

    def _people(self, where: str, item: Item, row: Row) -> None:
        name, address = person(row.get("organizer"))
        self.found.same("event organizer", where, str(item[0x5D02] or item[0x0065] or "").lower(), address.lower())
        self.found.same("event organizer", where, squashed(item[0x0042]), squashed(name))
        due = {(ATTENDEE[one.get("type") or "required"], person(one)[1].lower()) for one in row.get("attendees") or ()}
        held = [
            (int(one.get(0x0C15, 0)), str(one.get(0x39FE) or one.get(0x3003) or "").lower()) for one in item.recipients
        ]
        own = (1, address.lower())  # the first row is the organizer's, who may be among the attendees too
        self.found.check("event attendees", f"{where}: not there: {due - {*held}}", not due - {*held})
        spare = {*held} - due - {own}
        self.found.check("event attendees", f"{where}: too many: {spare}", not spare)

    def _global_id(self, where: str, item: Item, row: Row) -> None:
        uid, held = str(row.get("iCalUId") or ""), bytes(item["MEETING", 0x0023] or b"")
        if not uid:
            return
        is_hex = uid[:32].upper() == "040000008200E00074C5B7101A82E008"
        is_right = held[20:] == bytes.fromhex(uid)[20:] if is_hex else uid.encode() in held
        self.found.check("event global id", f"{where}: {held.hex()}", is_right)

    def _series(self, where: str, item: Item, row: Row, others: list[Row]) -> None:
        try:
            found = read_recurrence(bytes(item["APPT", 0x8216] or b""))
            zone = read_definition(bytes(item["APPT", 0x8260] or b""))
        except BlobBroken as error:
            self.found.say("event series", f"{where}: {error}")
            return
        until = event_truth.horizon(row)
        limit = (until - BEGIN.date()).days * DAY
        held = [(zone.instant(moment(start)), zone.instant(moment(end))) for start, end in occurrences(found, limit)]
        due = event_truth.spans(row, others, self.truth.zones, until)
        if "custom-time-zone" in (row.get("_traits") or ()) and held != due:
            # nobody but the service knows the zone: the mailbox's stands in for it, and the exceptions stay where they are
            due = event_truth.spans(row, others, self.truth.zones, until, self.zone)
            self.found.notes["series in a zone that nobody knows, told in the mailbox's"] += 1
        self.found.agreed["occurrences"] += len({*held} & {*due})
        if held != due:
            extra, missing = sorted({*held} - {*due}), sorted({*due} - {*held})
            text = f"{zone.name}: {len(extra)} too many ({_first(extra)}), {len(missing)} not there ({_first(missing)})"
            self.found.say("event series", f"{where}: {text}; {row['recurrence']}")
        else:
            self.found.agreed["event series"] += 1
        self._exceptions(where, found, row, others)

    def _exceptions(self, where: str, found: Recurrence, row: Row, others: list[Row]) -> None:
        self.found.same("changed occurrences", where, len(found.exceptions), len(others))
        told = sorted(text for one in found.exceptions if (text := squashed(one.values.get("subject", ""))))
        due = sorted(text for one in others if (text := squashed(one.get("subject"))) != squashed(row.get("subject")))
        self.found.same("subjects of changed ones", where, told, due)


def _first(spans: list[Any]) -> str:
    return f"{spans[0][0]:%Y-%m-%d %H:%M} to {spans[0][1]:%H:%M}" if spans else "none"
