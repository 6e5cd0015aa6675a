"""A small tenant with mailboxes in the tenant-data format: Ada, Bo (a room), Cy (guest), Di (inactive), Ed (on-premises).

Rules of this file: all that a test counts is said here; contents are a few bytes. The format is that of reference/tenant-data.md.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from exporters.rehearsal.mailbox_rows import Kind, made_id

Row = dict[str, Any]
ADA, BO, CY, DI, ED = (f"0000000{n}-0000-4000-8000-000000000000" for n in range(1, 6))
GROUP, SECURITY = "0000000a-0000-4000-8000-000000000000", "0000000b-0000-4000-8000-000000000000"
NAMES = (
    "Top of Information Store",
    "Inbox",
    "Archive",
    "Twin",
    "Twin",
    "a/b",
    "Hidden",
    "Unread",
    "Conversation History",
)
TOP, INBOX, ARCHIVE, TWIN, OTHER_TWIN, SLASH, HIDDEN, SEARCH, HISTORY, RECOVERABLE, DELETIONS = range(11)
IN_INBOX = 25  # messages 0 to 24; then two in Twin, one in Deletions
TWIN_FIRST, DELETED = 25, 27
MESSAGES = 28
ZONES = {"W. Europe Standard Time": "Europe/Berlin", "Tokyo Standard Time": "Asia/Tokyo", "UTC": "Etc/UTC"}


def made(kind: Kind, n: int, user: int = 0) -> str:
    """An ordinary id of the data."""
    return made_id(kind, user, n, "data")


class MailboxWriter:
    """Writes one mailbox folder."""

    def __init__(self, root: Path, user: int) -> None:
        self.folder = root / f"users/u{user:05}"
        self.folder.mkdir(parents=True)
        self.user, self.mime, self.content = user, b"", b""

    def rows(self, name: str, rows: list[Row]) -> None:
        lines = [json.dumps(row).encode() + b"\n" for row in rows]
        (self.folder / f"{name}.jsonl").write_bytes(b"".join(lines))

    def reference(self, data: bytes) -> Row:
        """A content of its own."""
        at, self.content = len(self.content), self.content + data
        name = f"users/u{self.user:05}/content.bin"
        return {"pack": name, "off": at, "len": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def segments(self, *parts: bytes | Row) -> Row:
        """A `_mime` of bytes and of contents as base64."""
        import base64

        whole, found = b"", []
        for part in parts:
            if isinstance(part, bytes):
                found.append([len(self.mime), len(part)])
                self.mime += part
                whole += part
            else:
                found.append({"b64": part})
                data = self.content[part["off"] : part["off"] + part["len"]]
                whole += base64.encodebytes(data).replace(b"\n", b"\r\n")
        digest = hashlib.sha256(whole).hexdigest()
        return {"pack": f"users/u{self.user:05}/mime.bin", "len": len(whole), "sha256": digest, "seg": found}

    def close(self) -> None:
        (self.folder / "mime.bin").write_bytes(self.mime)
        (self.folder / "content.bin").write_bytes(self.content)


def _folders(user: int) -> list[Row]:
    known = {TOP: "msgfolderroot", INBOX: "inbox", ARCHIVE: "archive", HISTORY: "conversationhistory"}
    rows = []
    for n, name in enumerate([*NAMES, "Recoverable Items", "Deletions"]):
        parent = {
            TOP: None,
            RECOVERABLE: None,
            DELETIONS: RECOVERABLE,
            OTHER_TWIN: INBOX,
            TWIN: INBOX,
            SLASH: TWIN,
        }.get(n, TOP)
        first, count = {INBOX: (0, IN_INBOX), TWIN: (TWIN_FIRST, 2), DELETIONS: (DELETED, 1)}.get(n, (MESSAGES, 0))
        row: Row = {
            "id": made("folder", n, user),
            "displayName": name,
            "parentFolderId": made("folder", 999 if parent is None else parent, user),
            "isHidden": n in (HIDDEN, RECOVERABLE, DELETIONS),
            "totalItemCount": count,
            "unreadItemCount": 5 if n == INBOX else 0,
            "sizeInBytes": count * 100,
            "_wellKnownName": known.get(n)
            or {RECOVERABLE: "recoverableitemsroot", DELETIONS: "recoverableitemsdeletions"}.get(n),
            "_n": n,
            "_parent": parent,
            "_first": first,
            "_count": count,
        }
        if n == SEARCH:
            row["@odata.type"] = "#microsoft.graph.mailSearchFolder"
        rows.append(row)
    return rows


def message(writer: MailboxWriter, n: int, folder: int) -> Row:
    """Message n: every fifth of the Inbox is not read; 1 is a draft without sender and dates, 2 has attachments, 3 is S/MIME."""
    text = f"From: bo@rehearsal.example\r\nSubject: message {n}\r\n\r\nBody {n}.\r\n".encode()
    row: Row = {
        "id": made("message", n, writer.user),
        "_immutableId": made_id("message", writer.user, n, "data", immutable=True),
        "parentFolderId": made("folder", folder, writer.user),
        "subject": f"message {n}",
        "createdDateTime": f"2025-01-{n + 1:02}T08:00:00Z",
        "lastModifiedDateTime": f"2025-01-{n + 1:02}T08:00:00Z",
        "receivedDateTime": f"2025-01-{n + 1:02}T08:00:00Z",
        "sentDateTime": f"2025-01-{n + 1:02}T07:59:58Z",
        "internetMessageId": f"<{n}@rehearsal.example>",
        "importance": "normal",
        "isRead": n % 5 != 0,
        "isDraft": n == 1,
        "from": {"emailAddress": {"name": "Bo", "address": "bo@rehearsal.example"}},
        "sender": {"emailAddress": {"name": "Bo", "address": "bo@rehearsal.example"}},
        "toRecipients": [{"emailAddress": {"name": "Ada", "address": "ada@rehearsal.example"}}],
        "flag": {"flagStatus": "flagged" if n == 4 else "notFlagged"},
        "categories": ["Red category"] if n == 4 else [],
        "body": {"contentType": "html", "content": f"<p>Body &amp; {n}</p>"},
        "bodyPreview": f"Body & {n}",
        "hasAttachments": n == 2,
        "_class": "IPM.Note",
        "_traits": ["smime-opaque"] if n == 3 else [],
        "_attachments": [],
        "_mime": writer.segments(text),
        "_size": len(text),
    }
    if n == 1:
        for key in ("from", "sender", "receivedDateTime", "sentDateTime"):
            del row[key]
    return row


def attachments(writer: MailboxWriter, owner: Row) -> list[Row]:
    """A file, two without a name of their own, a mail in a mail in a mail, an event, a contact, a link."""
    inner = {
        "@odata.type": "#microsoft.graph.message",
        "subject": "innermost ü",
        "from": owner["from"],
        "toRecipients": owner["toRecipients"],
        "sentDateTime": "2024-05-06T07:08:09Z",
        "body": {"contentType": "text", "content": "deep"},
        "_attachments": [],
    }
    file = {"@odata.type": "#microsoft.graph.fileAttachment", "isInline": False, "contentId": None}
    item = {"@odata.type": "#microsoft.graph.itemAttachment", "isInline": False, "contentType": None, "size": 2000}
    picture = {**file, "name": "image001.png", "contentType": "image/png", "size": 143, "_c": writer.reference(b"png")}
    middle = {**inner, "subject": "middle", "_attachments": [{**item, "name": "innermost", "item": inner}, {**picture}]}
    event = {
        "@odata.type": "#microsoft.graph.event",
        "subject": "Lunch",
        "start": {"dateTime": "2025-02-03T12:00:00.0000000", "timeZone": "UTC"},
    }
    contact = {
        "@odata.type": "#microsoft.graph.contact",
        "displayName": "Zoë",
        "emailAddresses": [{"address": "z@x.test"}],
    }
    link = {"@odata.type": "#microsoft.graph.referenceAttachment", "name": "plan.docx", "size": 380, "isInline": False}
    rows: list[Row] = [
        {
            **file,
            "name": "report.bin",
            "contentType": None,
            "size": 5140,
            "_c": writer.reference(bytes(range(250)) * 20),
        },
        picture,
        {**file, "name": None, "contentType": "text/plain", "size": 140, "_c": writer.reference(b"")},
        {**item, "name": "middle", "item": middle},
        {**item, "name": "Lunch", "item": event},
        {**item, "name": "Zoë", "item": contact},
        {
            **link,
            "contentType": None,
            "sourceUrl": "https://rehearsal.example/plan.docx",
            "providerType": "oneDriveBusiness",
        },
    ]
    return [{**row, "id": f"{owner['id'][:-1]}YXR0{n:04}="} for n, row in enumerate(rows)]


def _user(n: int, user_id: str, name: str, kind: str, mailbox: str, *, folder: bool) -> Row:
    return {
        "id": user_id,
        "userPrincipalName": f"{name.lower()}@rehearsal.example",
        "mail": f"{name.lower()}@rehearsal.example",
        "displayName": name,
        "mailboxSettings": {
            "timeZone": "W. Europe Standard Time",
            "language": {"locale": "de-DE", "displayName": "Deutsch"},
        },
        "_n": n,
        "_kind": kind,
        "_mailbox": mailbox,
        "_dir": f"users/u{n:05}" if folder else None,
        "_drive": None,
    }


def write_tenant(root: Path, more: Any = None) -> Path:
    """The tenant. more: called with the writer of each mailbox before it is closed, for calendars and the like."""
    root.mkdir()
    info = {"format": 1, "tenantId": "11111111-2222-4333-8444-555555555555", "domain": "rehearsal.example"}
    (root / "tenant.json").write_text(json.dumps({**info, "now": "2026-01-01T00:00:00Z", "timeZones": ZONES}))
    users = [
        _user(0, ADA, "Ada", "user", "active", folder=True),
        _user(1, BO, "Bo", "room", "active", folder=True),
        _user(2, CY, "Cy", "guest", "none", folder=False),
        _user(3, DI, "Di", "user", "inactive", folder=True),
        _user(4, ED, "Ed", "user", "onpremises", folder=True),
    ]
    users[0]["_archive"] = "users/u00005"  # its in-place archive: as many folders and messages as a mailbox
    (root / "users.jsonl").write_text("".join(json.dumps(user) + "\n" for user in users))
    groups = [
        {
            "id": GROUP,
            "displayName": "Harbour",
            "mail": "harbour@rehearsal.example",
            "groupTypes": ["Unified"],
            "_members": [ADA, BO],
        },
        {"id": SECURITY, "displayName": "Door keys", "mail": None, "groupTypes": [], "_members": [ADA]},
    ]
    (root / "groups.jsonl").write_text("".join(json.dumps(group) + "\n" for group in groups))
    for number in (0, 1, 5):
        writer = MailboxWriter(root, number)
        messages = [message(writer, n, INBOX) for n in range(IN_INBOX)]
        messages += [message(writer, n, TWIN) for n in range(TWIN_FIRST, DELETED)]
        messages.append(message(writer, DELETED, DELETIONS))
        messages[2]["_attachments"] = attachments(writer, messages[2])
        big = writer.reference(b"\x01" * 200_000)
        messages[4]["_mime"] = writer.segments(b"Subject: long\r\n\r\n", big, b"end\r\n")
        writer.rows("folders", _folders(number))
        writer.rows("messages", messages)
        if more is not None:
            more(writer)
        writer.close()
    return root
