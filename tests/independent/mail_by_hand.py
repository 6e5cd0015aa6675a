"""A tenant with one small mailbox, and a right copy of it, both made by hand: what the judge of mailboxes is tried on.

Rules of this file: of ours only the PST writer is used, for the file's frame; what stands in rows, originals and messages is
written here. `Copy` is changed by the tests before it is written.
"""

import base64
import hashlib
import io
import json
import struct
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from exporters.pst import Attachment, FileSink, Folder, Message, NamedProperty, Writer, recipient
from tests.independent.pst_reader import SETS

Row = dict[str, Any]
USER, BAG, AT = "11111111-1111-4111-8111-111111111111", "mail/anna@tiny.example", "2026-01-02T00:00:00Z"
ANNA, BOB = ("Anna", "anna@tiny.example"), ("Bob Ö", "bob@other.example")
PNG, PHOTO, CMS = b"\x89PNG not really", b"\xff\xd8 a photo", b"0\x80 signed and sealed"
WHEN = datetime(2025, 5, 6, 7, 8, 9, tzinfo=UTC)
GUIDS = {name: UUID(guid) for guid, name in SETS.items()}
# Mo We Fr every 2nd week from 2026-03-02, 10:00-11:00, until 2026-06-30 (reference/mapi-mapping.md §3.2), its tail cut off
PATTERN = "043004300B20010000000000000002000000000000002A000000212000001B00000001000000"


def item_id(kind: int, n: int, *, immutable: bool = False) -> str:
    """As the data's own: the last 20 characters are kind, user and number."""
    digest = hashlib.sha256(f"{kind}.{n}.{immutable}".encode()).digest() + b"\0"
    return ("AAkA" if immutable else "AAMk") + base64.urlsafe_b64encode(
        digest[:30] + struct.pack(">BIQ", kind, 0, n) + b""
    ).decode()


def person(who: tuple[str, str]) -> Row:
    return {"emailAddress": {"name": who[0], "address": who[1]}}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# -- the tenant ---------------------------------------------------------------------------------------------------------


@dataclass
class TinyTenant:
    """The folder of a tenant in the format of reference/tenant-data.md."""

    folder: Path
    pack: bytearray = field(default_factory=bytearray)
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def put(self, data: bytes) -> Row:
        """A content reference."""
        found = {"pack": "pool.bin", "off": len(self.pack), "len": len(data), "sha256": sha(data)}
        self.pack += data
        return found

    def add(self, kind: str, **row: Any) -> Row:
        self.rows.setdefault(kind, []).append(row)
        return row

    def mime(self, data: bytes) -> Row:
        reference = self.put(data)
        return {"pack": "pool.bin", "len": len(data), "sha256": sha(data), "seg": [[reference["off"], len(data)]]}

    def write(self) -> None:
        box = self.folder / "users/u00000"
        box.mkdir(parents=True)
        user = {
            "id": USER, "userPrincipalName": ANNA[1], "mail": ANNA[1], "displayName": ANNA[0], "_n": 0, "_kind": "user",
            "_mailbox": "active", "_dir": "users/u00000", "_drive": None, "proxyAddresses": [f"SMTP:{ANNA[1]}"],
            "mailboxSettings": {"timeZone": "W. Europe Standard Time"},
        }  # fmt: skip
        _lines(self.folder / "users.jsonl", [user])
        _lines(self.folder / "groups.jsonl", [])
        info = {"format": 1, "timeZones": {"W. Europe Standard Time": "Europe/Berlin"}, "now": "2026-01-01T00:00:00Z"}
        (self.folder / "tenant.json").write_text(json.dumps(info))
        (self.folder / "pool.bin").write_bytes(self.pack)
        for name, rows in self.rows.items():
            _lines(box / f"{name}.jsonl", rows)


def _lines(path: Path, rows: list[Row]) -> None:
    path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))


def make_tenant(folder: Path) -> TinyTenant:
    """Folders with twins, a hidden one and a search folder; five messages, two events, a contact, a task."""
    tenant = TinyTenant(folder)
    names: list[tuple[str, int | None, str | None, Row]] = [
        ("Top", None, "msgfolderroot", {}), ("Inbox", 0, "inbox", {}), ("Papierkorb", 0, "deleteditems", {}),
        ("Twin", 1, None, {}), ("twin", 1, None, {}), ("Sync", 0, "syncissues", {"isHidden": True}),
        ("Unread", 0, None, {"@odata.type": "#microsoft.graph.mailSearchFolder"}),
        ("Recoverable Items", None, "recoverableitemsroot", {"isHidden": True}),
    ]  # fmt: skip
    for n, (name, above, meaning, more) in enumerate(names):
        parent = item_id(1, above if above is not None else 999)
        tenant.add(
            "folders", id=item_id(1, n), displayName=name, parentFolderId=parent, _wellKnownName=meaning, _n=n, **more
        )
    for n, (place, subject) in enumerate(
        ((1, "RE: Hello Ö"), (3, "Files"), (4, "In the twin"), (1, "Sealed"), (7, "Deleted long ago"))
    ):
        _message(tenant, n, place, subject)
    for n, name in enumerate(("Calendar", "Calendar")):
        tenant.add("calendars", id=item_id(3, n), name=name, isDefaultCalendar=n == 0)
    _event(tenant, 0)
    series = _event(tenant, 1, type="seriesMaster", cancelledOccurrences=[f"OID.x.{day}" for day in ("2026-03-16",)])
    series["recurrence"] = {
        "pattern": {
            "type": "weekly",
            "interval": 2,
            "daysOfWeek": ["monday", "wednesday", "friday"],
            "firstDayOfWeek": "monday",
        },
        "range": {"type": "endDate", "startDate": "2026-03-02", "endDate": "2026-06-30"},
    }
    moved = {
        "subject": "Event 1 (moved)",
        "_originalStartLocal": "2026-04-01T10:00:00",
        "seriesMasterId": item_id(2, 1),
    }
    _event(tenant, 2, type="exception", **moved, start=_at("2026-04-02T15:00:00"), end=_at("2026-04-02T16:30:00"))
    tenant.add(
        "contactFolders", id=item_id(5, 0), displayName="Contacts", parentFolderId=item_id(5, 999), _default=True
    )
    tenant.add(
        "contacts", id=item_id(4, 0), parentFolderId=item_id(5, 0), displayName="Zoë Straße", givenName="Zoë", surname="Straße",
        fileAs="Straße, Zoë", emailAddresses=[{"name": "Zoë", "address": "zoe@other.example"}], birthday="1990-02-03T11:59:00Z",
        businessPhones=["+49 30 1"], businessAddress={"city": "Zürich"}, categories=["Red"], createdDateTime=AT,
        lastModifiedDateTime=AT, companyName=None, _photo=tenant.put(PHOTO),
    )  # fmt: skip
    tenant.add("todoLists", id=item_id(7, 0), displayName="Aufgaben", wellknownListName="defaultList")
    tenant.add(
        "tasks", id=item_id(6, 0), _list=item_id(7, 0), title="Do it", status="inProgress", importance="high", categories=[],
        body={"contentType": "text", "content": "soon"}, createdDateTime=AT, lastModifiedDateTime=AT,
        dueDateTime={"dateTime": "2026-02-03T00:00:00.0000000", "timeZone": "UTC"},
        checklistItems=[{"displayName": "first", "isChecked": True}],
    )  # fmt: skip
    tenant.write()
    return tenant


def _message(tenant: TinyTenant, n: int, place: int, subject: str) -> None:
    sealed = n == 3
    text = f"Body of {n}\r\n"
    mime = f"From: {BOB[1]}\r\nSubject: {subject}\r\nMessage-ID: <{n}@tiny.example>\r\n\r\n{text}".encode()
    attached: list[Row] = []
    if n == 1:
        inner = {"@odata.type": "#microsoft.graph.message", "subject": "Inner", "from": person(BOB), "sender": person(BOB),
                 "toRecipients": [person(ANNA)], "sentDateTime": "2025-05-06T07:08:09Z", "_class": "IPM.Note",
                 "body": {"contentType": "text", "content": "inside"}, "_attachments": []}  # fmt: skip
        attached = [{"@odata.type": "#microsoft.graph.fileAttachment", "name": "a.png", "_c": tenant.put(PNG)},
                    {"@odata.type": "#microsoft.graph.itemAttachment", "name": "Inner", "item": inner}]  # fmt: skip
    if sealed:
        attached = [{"@odata.type": "#microsoft.graph.fileAttachment", "name": "smime.p7m", "_c": tenant.put(CMS)}]
    tenant.add(
        "messages", id=item_id(0, n), _immutableId=item_id(0, n, immutable=True), parentFolderId=item_id(1, place),
        subject=subject, internetMessageId=f"<{n}@tiny.example>", conversationId="c",
        createdDateTime="2025-05-06T07:08:09Z",
        lastModifiedDateTime="2025-05-06T07:08:09Z", receivedDateTime="2025-05-06T07:08:09Z", sentDateTime="2025-05-06T07:08:09Z",
        importance="high", isRead=True, isDraft=False, sender=person(BOB), toRecipients=[person(ANNA)], ccRecipients=[],
        bccRecipients=[], replyTo=[], categories=["Red", "Blue"], _class="IPM.Note.SMIME" if sealed else "IPM.Note",
        flag={"flagStatus": "flagged", "dueDateTime": {"dateTime": "2025-05-08T00:00:00", "timeZone": "UTC"}},
        hasAttachments=bool(attached), body=None if sealed else {"contentType": "text", "content": text}, _attachments=attached,
        _mime=tenant.mime(mime), _traits=["smime-opaque"] if sealed else [], **{"from": person(BOB)},
    )  # fmt: skip


def _at(wall: str) -> Row:
    return {"dateTime": f"{wall}.0000000", "timeZone": "W. Europe Standard Time"}


def _event(tenant: TinyTenant, n: int, **more: Any) -> Row:
    row = {
        "id": item_id(2, n), "_calendar": item_id(3, 0), "subject": f"Event {n}", "type": "singleInstance", "isAllDay": False,
        "isCancelled": False, "showAs": "oof", "sensitivity": "private", "importance": "normal", "iCalUId": "ABC1",
        "start": _at("2026-03-02T10:00:00"), "end": _at("2026-03-02T11:00:00"), "location": {"displayName": "Room"},
        "isReminderOn": True, "reminderMinutesBeforeStart": 15, "organizer": person(ANNA), "categories": ["Red"],
        "responseStatus": {"response": "organizer"}, "body": {"contentType": "html", "content": "<p>Agenda</p>"},
        "attendees": [{"type": "optional", **person(BOB)}], "createdDateTime": AT, "lastModifiedDateTime": AT, "_attachments": [],
    } | more  # fmt: skip
    return tenant.add("events", **row)


# -- the copy -----------------------------------------------------------------------------------------------------------


@dataclass
class Composed:
    """A message of the PST: where it is to lie, and what it says."""

    row: Row
    folder: tuple[str, ...]
    properties: dict[Any, Any]
    recipients: list[Any] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)


@dataclass
class Copy:
    """A right copy; change it, then `write`."""

    rows: list[Row] = field(default_factory=list)
    zips: dict[str, dict[str, bytes]] = field(default_factory=dict)
    records: list[Row] = field(default_factory=list)
    lines: dict[str, list[Row]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    folders: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    composed: list[Composed] = field(default_factory=list)
    parts: Row = field(default_factory=lambda: {"superseded": [], "not_composed": []})

    def row(self, kind: str, n: int) -> Row:
        """The n-th row of a kind."""
        return [row for row in self.rows if row["kind"] == kind][n]

    def message(self, kind: str, n: int) -> Composed:
        """The n-th message of the PST of a kind of item."""
        return [one for one in self.composed if one.row["kind"] == kind][n]

    def write(self, store: Path) -> Path:
        """The store; returns it."""
        bag = store / BAG
        (bag / "lastcopy/ledger").mkdir(parents=True)
        for folder in ("sources", "journal", "runs"):
            (store / folder).mkdir()
        _json(store / "lastcopy.json", {"layout": 1, "product": "lastcopy"})
        _json(store / f"sources/{sha(f'mail {USER}'.encode())[:24]}.json", {"bag": BAG, "id": USER, "kind": "mail"})
        _json(bag / "lastcopy/source.json", {"id": USER, "kind": "mail"})
        objects = dict(self.objects)
        for key, entries in self.zips.items():
            objects[key] = _zipped({**entries, "records.jsonl": b"".join(_line(one) for one in self.records)})
        for key, lines in self.lines.items():
            objects[key] = b"".join(_line(one) for one in lines)
        rows = [*self.rows, *(_original(key, data) for key, data in objects.items() if key.count("/") == 2)]
        objects["data/pst/anna.pst"] = self._pst()
        part = {
            "file": "anna.pst",
            "size": len(objects["data/pst/anna.pst"]),
            "sha256": sha(objects["data/pst/anna.pst"]),
        }
        objects["data/pst/parts.json"] = json.dumps({"parts": [part], **self.parts}).encode()
        rows += [{**_original(key, objects[key]), "kind": "derived"} for key in objects if key.startswith("data/pst/")]
        for key, data in objects.items():
            (bag / key).parent.mkdir(parents=True, exist_ok=True)
            (bag / key).write_bytes(data)
        _fold(bag, rows)
        return store

    def _pst(self) -> bytes:
        stream = io.BytesIO()
        with Writer(lambda part: FileSink(stream), seed=b"by hand", display_name="Anna") as writer:
            made: dict[tuple[str, ...], Folder] = {("Deleted Items",): writer.deleted_items, (): writer.top}
            for path, container in self.folders:
                if path not in made:
                    made[path] = writer.add_folder(made[path[:-1]], path[-1], container_class=container)
            for one in self.composed:
                message = Message(one.properties, one.recipients, one.attachments)
                place = writer.add_message(made[one.folder], message)
                one.row["pst"] = {"file": "anna.pst", "folder": "/" + "/".join(one.folder), "node": place.nid}
            writer.close()
            return stream.getvalue()


def _zipped(entries: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return stream.getvalue()


def _line(row: Row) -> bytes:
    return json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _json(path: Path, row: Row) -> None:
    path.write_bytes(_line(row))


def _original(key: str, data: bytes) -> Row:
    return {
        "kind": "original",
        "scope": "",
        "id": key,
        "key": key,
        "outcome": "copied",
        "size": len(data),
        "sha256": sha(data),
    }


def _fold(bag: Path, rows: list[Row]) -> None:
    body = _line({"segment": 1, "previous": None, "at": AT}) + b"".join(_line({"item": row}) for row in rows)
    body += _line({"closed": {"reason": "complete"}})
    end = _line({"end": len(rows) + 1, "sha256": sha(body)})
    (bag / "lastcopy/ledger/000000001.jsonl").write_bytes(body + end)
    _lines(bag / "lastcopy/owed.jsonl", [])
    (bag / "lastcopy/items.jsonl").write_bytes(b"".join(_line(row) for row in rows))
    _json(bag / "lastcopy/head.json", {"closed": True})
    _json(bag / "lastcopy/reconciliation.json", {"independent": []})
    keys = {row["key"]: row["sha256"] for row in rows if row.get("key") and "!" not in row["key"]}
    (bag / "manifest-sha256.txt").write_text("".join(f"{digest}  {key}\n" for key, digest in sorted(keys.items())))


def named(space: str, name: int | str, kind: int) -> NamedProperty:
    return NamedProperty(GUIDS[space], name, kind)


def _day(*date: int) -> datetime:
    return datetime(*date, tzinfo=UTC)  # type: ignore[misc, arg-type]


def make_copy(tenant: TinyTenant) -> Copy:
    """What a right export of the tenant, Recoverable Items asked for, leaves."""
    copy = Copy()
    classes = {"folders": "mail", "calendars": "calendar", "contactFolders": "contacts", "todoLists": "tasks"}
    for file, kind in classes.items():
        for row in tenant.rows[file]:
            name = row.get("displayName", row.get("name"))
            service = {"class": "search" if "@odata.type" in row else kind, "isHidden": row.get("isHidden", False),
                       "wellKnownName": row.get("_wellKnownName")}  # fmt: skip
            path = "/" if row.get("_wellKnownName") == "msgfolderroot" else f"/{name}"
            copy.rows.append({"kind": "folder", "scope": "", "id": row["id"], "name": name, "path": path, "outcome": "copied",
                              "service": service})  # fmt: skip
    copy.folders = [(("Deleted Items",), ""), (("Inbox",), "IPF.Note"), (("Inbox", "Twin"), "IPF.Note"),
                    (("Inbox", "twin (2)"), "IPF.Note"), (("Hidden folders",), "IPF.Note"),
                    (("Hidden folders", "Sync"), "IPF.Note"),
                    (("Recoverable Items",), "IPF.Note"), (("Calendar",), "IPF.Appointment"),
                    (("Calendar", "Calendar"), "IPF.Appointment"), (("Contacts",), "IPF.Contact"),
                    (("Tasks",), "IPF.Task")]  # fmt: skip
    _copy_messages(copy, tenant)
    _copy_items(copy, tenant)
    return copy


def _copy_messages(copy: Copy, tenant: TinyTenant) -> None:
    key = "data/originals/mail-00001.zip"
    entries = copy.zips.setdefault(key, {})
    places = {1: ("Inbox",), 3: ("Inbox", "Twin"), 4: ("Inbox", "twin (2)"), 7: ("Recoverable Items",)}
    truths = {1: ["Inbox"], 3: ["Inbox", "Twin"], 4: ["Inbox", "twin"], 7: ["Recoverable Items"]}
    for n, truth in enumerate(tenant.rows["messages"]):
        place = next(row["_n"] for row in tenant.rows["folders"] if row["id"] == truth["parentFolderId"])
        row = {
            "kind": "message",
            "scope": "",
            "id": truth["_immutableId"],
            "parent": truth["parentFolderId"],
            "record": key,
        }
        graph = {name: value for name, value in truth.items() if not name.startswith("_") and name != "body"}
        record = {"id": row["id"], "parent": row["parent"], "folder": truths[place], "graph": graph, "entry": None}
        if n == 3:
            copy.rows.append(row | {"outcome": "excepted", "code": "mime_refused", "reason": "refused"})
            held = "data/originals/mail-00001/00000001 smime.p7m"
            copy.objects[held] = CMS
            copy.rows.append({**_original(held, CMS), "kind": "attachment", "scope": row["id"], "id": "a"})
        else:
            data = bytes(tenant.pack[truth["_mime"]["seg"][0][0] :][: truth["_mime"]["len"]])
            entry = f"{'!'.join(truths[place])}/{len(entries) + 1:08d} {truth['subject'].replace(':', '')}.eml"
            entries[entry] = data
            copy.rows.append(
                row | {"outcome": "copied", "key": f"{key}!{entry}", "size": len(data), "sha256": sha(data)}
            )
            record |= {"entry": entry, "sha256": sha(data), "size": len(data)}
        copy.records.append(record)
        copy.composed.append(_mail(copy.row("message", n), truth, places[place]))


def _mail(row: Row, truth: Row, folder: tuple[str, ...]) -> Composed:
    attached = [Attachment({0x3707001F: one["name"], 0x3704001F: one["name"]}, data=PNG if one["name"] == "a.png" else CMS)
                for one in truth["_attachments"] if "_c" in one]  # fmt: skip
    inner = {0x0037001F: "Inner", 0x00390040: WHEN, 0x0E060040: WHEN, 0x1000001F: "inside", 0x0E070003: 1, **_from(BOB)}
    attached += [Attachment({0x3001001F: "Inner"}, message=Message(dict(inner), [recipient(1, *ANNA)]))
                 for one in truth["_attachments"] if "item" in one]  # fmt: skip
    properties: dict[Any, Any] = {
        0x001A001F: truth["_class"], 0x0037001F: truth["subject"], 0x00390040: WHEN, 0x0E060040: WHEN, 0x30070040: WHEN,
        0x30080040: WHEN, 0x0E070003: 1, 0x00170003: 2, named("PUBLIC", "Keywords", 0x101F): ["Red", "Blue"], 0x10900003: 2,
        named("TASK", 0x8105, 0x0040): _day(2025, 5, 8), **_from(BOB),
    }  # fmt: skip
    if truth["body"]:
        properties[0x1000001F] = truth["body"]["content"]
    return Composed(row, folder, properties, [recipient(1, *ANNA)], attached)


def _from(who: tuple[str, str]) -> dict[int, Any]:
    return {
        0x0042001F: who[0],
        0x0065001F: who[1],
        0x5D02001F: who[1],
        0x0C1A001F: who[0],
        0x0C1F001F: who[1],
        0x5D01001F: who[1],
    }


def _copy_items(copy: Copy, tenant: TinyTenant) -> None:
    kinds = (("contact", "contacts", "parentFolderId", ("Contacts",)), ("event", "events", "_calendar", ("Calendar",)),
             ("task", "tasks", "_list", ("Tasks",)))  # fmt: skip
    for kind, file, above, folder in kinds:
        key = f"data/originals/{file}-00001.jsonl"
        for truth in tenant.rows[file]:
            if "seriesMasterId" in truth:
                continue
            graph = {name: value for name, value in truth.items() if not name.startswith("_")}
            line: Row = {"kind": kind, "id": truth["id"], "graph": graph, "attachments": []}
            row = {"kind": kind, "scope": "", "id": truth["id"], "parent": truth[above], "outcome": "copied"}
            if kind == "contact":
                held = f"data/originals/{file}-00001/00000001 photo"
                copy.objects[held] = PHOTO
                line["photo"] = {"key": held, "sha256": sha(PHOTO), "size": len(PHOTO)}
                copy.rows.append({**_original(held, PHOTO), "kind": "attachment", "scope": row["id"], "id": "photo"})
            if kind == "event" and "recurrence" in truth:
                moved = tenant.rows["events"][2]
                graph["exceptionOccurrences"] = [
                    {name: value for name, value in moved.items() if not name.startswith("_")}
                    | {"originalStart": "2026-04-01T08:00:00Z"}
                ]
            lines = copy.lines.setdefault(key, [])
            lines.append(line)
            data = _line(line)[:-1]
            copy.rows.append(row | {"key": f"{key}!{len(lines)}", "size": len(data), "sha256": sha(data)})
            maker = {"contact": _contact, "event": _appointment, "task": _task}[kind]
            copy.composed.append(maker(copy.rows[-1], truth, folder))


def _contact(row: Row, truth: Row, folder: tuple[str, ...]) -> Composed:
    photo = {0x3707001F: "ContactPicture.jpg", 0x3704001F: "ContactPicture.jpg", 0x7FFF000B: True}
    properties = {
        0x001A001F: "IPM.Contact", 0x0037001F: truth["displayName"], 0x3001001F: truth["displayName"], 0x3A06001F: "Zoë",
        0x3A11001F: "Straße", named("ADDR", 0x8005, 0x001F): "Straße, Zoë", 0x3A08001F: "+49 30 1",
        named("ADDR", 0x8046, 0x001F): "Zürich", named("ADDR", 0x8083, 0x001F): "zoe@other.example",
        named("ADDR", 0x8080, 0x001F): "Zoë (zoe@other.example)", named("ADDR", 0x80DE, 0x0040): _day(1990, 2, 3),
        named("PUBLIC", "Keywords", 0x101F): ["Red"], 0x30070040: _day(2026, 1, 2), 0x30080040: _day(2026, 1, 2),
    }  # fmt: skip
    return Composed(row, folder, dict(properties), [], [Attachment(dict(photo), data=PHOTO)])


def _task(row: Row, truth: Row, folder: tuple[str, ...]) -> Composed:
    properties = {
        0x001A001F: "IPM.Task", 0x0037001F: "Do it", named("TASK", 0x8101, 0x0003): 1, named("TASK", 0x8102, 0x0005): 0.0,
        named("TASK", 0x811C, 0x000B): False, 0x00170003: 2, named("TASK", 0x8105, 0x0040): _day(2026, 2, 3),
        0x1000001F: "soon\r\n\r\n[x] first", named("TASK", 0x8126, 0x000B): False, 0x30070040: _day(2026, 1, 2),
        0x30080040: _day(2026, 1, 2),
    }  # fmt: skip
    return Composed(row, folder, dict(properties))


def _appointment(row: Row, truth: Row, folder: tuple[str, ...]) -> Composed:
    is_series = "recurrence" in truth
    properties = {
        0x001A001F: "IPM.Appointment", 0x0037001F: truth["subject"], named("APPT", 0x820D, 0x0040): _day(2026, 3, 2, 9),
        named("APPT", 0x820E, 0x0040): _day(2026, 3, 2, 10), named("APPT", 0x8215, 0x000B): False,
        named("APPT", 0x8205, 0x0003): 3, named("APPT", 0x8208, 0x001F): "Room", 0x00360003: 2, 0x00170003: 1,
        named("PUBLIC", "Keywords", 0x101F): ["Red"], named("COMMON", 0x8503, 0x000B): True,
        named("COMMON", 0x8501, 0x0003): 15, named("APPT", 0x8218, 0x0003): 1, named("APPT", 0x8217, 0x0003): 1,
        0x10130102: b"<p>Agenda</p>", 0x1000001F: "Agenda", named("MEETING", 0x0023, 0x0102): b"vCal-Uid\1\0\0\0ABC1\0",
        named("APPT", 0x8223, 0x000B): is_series, named("APPT", 0x8231, 0x0003): 2 * is_series, 0x30070040: _day(2026, 1, 2),
        0x30080040: _day(2026, 1, 2), **_from(ANNA),
    }  # fmt: skip
    if is_series:
        properties[named("APPT", 0x8216, 0x0102)] = series_blob()
        properties[named("APPT", 0x8260, 0x0102)] = berlin()
    organizer = {**recipient(1, *ANNA), 0x5FFD0003: 3}
    return Composed(row, folder, dict(properties), [organizer, {**recipient(2, *BOB), 0x5FFD0003: 1}])


def minutes(*date: int) -> int:
    """Since 1601-01-01."""
    return int((datetime(*date) - datetime(1601, 1, 1)).total_seconds()) // 60  # type: ignore[misc, arg-type] # noqa: DTZ001


def series_blob(
    *, cancelled: tuple[int, ...] = (2026, 3, 16), moved: tuple[int, ...] = (2026, 4, 2, 15, 0), until: int = 30
) -> bytes:
    """Its pattern, one day that is cancelled, one that is moved and has another subject."""
    subject = "Event 1 (moved)"
    start, original = minutes(*moved), minutes(2026, 4, 1, 10)
    blob = bytes.fromhex(PATTERN)
    blob += struct.pack("<III", 2, minutes(*cancelled), minutes(2026, 4, 1)) + struct.pack(
        "<II", 1, start - start % 1440
    )
    blob += struct.pack("<IIIIII", minutes(2026, 3, 2), minutes(2026, 6, until), 0x3006, 0x3009, 600, 660)
    blob += (
        struct.pack("<HIIIHHH", 1, start, start + 90, original, 1, len(subject) + 1, len(subject)) + subject.encode()
    )
    blob += struct.pack("<IIIIIIIH", 0, 4, 0, 0, start, start + 90, original, len(subject)) + subject.encode(
        "utf-16-le"
    )
    return blob + struct.pack("<II", 0, 0)


def berlin(*, bias: int = -60) -> bytes:
    """W. Europe Standard Time, one rule."""
    name = "W. Europe Standard Time"
    head = (
        struct.pack("<BBHHH", 2, 1, 6 + 2 * len(name), 2, len(name)) + name.encode("utf-16-le") + struct.pack("<H", 1)
    )
    changes = struct.pack("<8H", 0, 10, 0, 5, 3, 0, 0, 0) + struct.pack("<8H", 0, 3, 0, 5, 2, 0, 0, 0)
    return head + struct.pack("<BBHHH14xiii", 2, 1, 0x3E, 3, 1601, bias, 0, -60) + changes
