"""A tenant whose one mailbox holds as many messages as a test asks for, and the changes of a day in it.

Rules of this file: all bytes differ from message to message, so that a mix-up shows; all follows from numbers, so that the same
arguments give the same tenant. The frame (people, archive, group, calendar, contacts, tasks) is that of `mailbox_data`.
"""

import hashlib
from pathlib import Path
from typing import Any

from exporters.rehearsal.mailbox_rows import made_id
from tests.unit.rehearsal import mailbox_data as data
from tests.unit.rehearsal.mailbox_data import ADA, ARCHIVE, INBOX, TWIN, MailboxWriter, Row, made
from tests.unit.rehearsal.test_rehearsal_calendar import fill

FOLDERS = 12
"""Folders that hold the messages, below the Inbox, beside those of the frame."""
_FIRST = 11  # number of the first of them
_SMIME, _LARGE, _ATTACHED, _TIED = 97, 41, 7, 3
"""Every so many messages one is refused as MIME, is of 40 kB, has an attachment, has the time of the one before."""


def write(root: Path, messages: int) -> Path:
    """The tenant; Ada's mailbox has so many messages in FOLDERS folders, of very different sizes."""

    def more(writer: MailboxWriter) -> None:
        if not writer.user:
            _grow(writer, messages)
        fill(writer)

    return data.write_tenant(root, more)


def _grow(writer: MailboxWriter, messages: int) -> None:
    """Take the place of the frame's messages and folders."""
    folders = [{**row, "_first": 0, "_count": 0, "totalItemCount": 0} for row in data._folders(writer.user)]
    shares = _shares(messages)
    first = 0
    for number, share in enumerate(shares):
        folders.append(_folder(_FIRST + number, first, share))
        first += share
    writer.rows("folders", folders)
    rows: list[Row] = []
    like, mime = data.message(writer, 0, INBOX), bytearray(writer.mime)
    for number, share in enumerate(shares):
        rows += [_message(writer, like, mime, len(rows) + n, _FIRST + number) for n in range(share)]
    writer.mime = bytes(mime)
    writer.rows("messages", rows)


def _shares(messages: int) -> list[int]:
    """The first folder holds a third, the second to last a fiftieth, the last one nothing, the others as much as is left."""
    large, small = messages // 3, messages // 50
    others, rest = divmod(messages - large - small, FOLDERS - 3)
    return [large, *[others + (n < rest) for n in range(FOLDERS - 3)], small, 0]


def _folder(n: int, first: int, count: int) -> Row:
    return {
        "id": made("folder", n),
        "displayName": f"Project {n}",
        "parentFolderId": made("folder", INBOX),
        "isHidden": False,
        "totalItemCount": count,
        "unreadItemCount": 0,
        "sizeInBytes": count * 1000,
        "_wellKnownName": None,
        "_n": n,
        "_parent": INBOX,
        "_first": first,
        "_count": count,
    }


def _message(writer: MailboxWriter, like: Row, mime: bytearray, n: int, folder: int) -> Row:
    row = {**like, "parentFolderId": made("folder", folder)}
    text = _mime(n)
    segment = [len(mime), len(text)]
    mime += text
    day, second = divmod(n // _TIED, 86_400)
    at = f"2025-{1 + day % 12:02}-{1 + day // 12:02}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
    row |= {
        "id": made("message", n),
        "_immutableId": made_id("message", writer.user, n, "data", immutable=True),
        "subject": f"busy {n}",
        "internetMessageId": f"<busy-{n}@rehearsal.example>",
        "isRead": n % 2 == 0,
        "flag": {"flagStatus": "flagged" if n % 29 == 0 else "notFlagged"},
        "categories": ["Red category"] if n % 31 == 0 else [],
        "body": {"contentType": "text", "content": f"Number {n}"},
        "_traits": ["smime-opaque"] if n % _SMIME == 5 else [],
        "_mime": {**row["_mime"], "len": len(text), "sha256": hashlib.sha256(text).hexdigest(), "seg": [segment]},
        "_size": len(text),
    }
    row |= dict.fromkeys(("receivedDateTime", "sentDateTime", "createdDateTime", "lastModifiedDateTime"), at)
    if row["_traits"]:
        row["_attachments"] = [_attachment(writer, row, n)]
        row["hasAttachments"] = True
    return row


def _attachment(writer: MailboxWriter, row: Row, n: int) -> Row:
    content = writer.reference(_bytes(f"attachment {n}", 500 + n % 700))
    facts = {"@odata.type": "#microsoft.graph.fileAttachment", "isInline": False, "contentId": None}
    named: dict[str, Any] = {"name": f"smime {n}.bin", "contentType": None, "size": content["len"] + 140}
    return {**facts, **named, "_c": content, "id": f"{row['id'][:-1]}YXR0={n}"}


def _bytes(of: str, size: int) -> bytes:
    return hashlib.shake_256(of.encode()).digest(size)


def _mime(n: int) -> bytes:
    """Text alone, or with an attachment; some much larger than others."""
    words = _bytes(f"text {n}", 20_000 if n % _LARGE == 3 else 40 + n % 400).hex()
    lines = "\r\n".join(words[at : at + 76] for at in range(0, len(words), 76))
    head = (
        f"From: Bo <bo@rehearsal.example>\r\nTo: Ada <ada@rehearsal.example>\r\nSubject: busy {n}\r\n"
        f"Message-ID: <busy-{n}@rehearsal.example>\r\nDate: Wed, 01 Jan 2025 08:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    )
    if n % _ATTACHED:
        return f"{head}Content-Type: text/plain\r\n\r\nNumber {n}\r\n{lines}\r\n".encode()
    part = f"--=b{n}\r\nContent-Type: text/plain\r\n\r\nNumber {n}\r\n{lines}\r\n"
    file = (
        f"--=b{n}\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: 7bit\r\n"
        f'Content-Disposition: attachment; filename="file {n}.txt"\r\n\r\n{_bytes(f"file {n}", 300).hex()}\r\n--=b{n}--\r\n'
    )
    return f'{head}Content-Type: multipart/mixed; boundary="=b{n}"\r\n\r\n{part}{file}'.encode()


# -- a day later ----------------------------------------------------------------------------------------------------


def changes(messages: int) -> list[Row]:
    """What happens to a mailbox of so many messages: some of all that can, and to a calendar, contacts and tasks as well. No more
    than a tenth of it goes."""
    found: list[Row] = [
        {"kind": "folder", "op": "rename", "id": made("folder", _FIRST + 2), "name": "Project, renamed"},
        {"kind": "event", "op": "update", "id": made("event", 0), "set": {"subject": "event moved on"}},
        {"kind": "event", "op": "delete", "id": made("event", 3)},
        {"kind": "contact", "op": "update", "id": made("contact", 2), "set": {"displayName": "another name"}},
        {"kind": "contact", "op": "delete", "id": made("contact", 3)},
        {"kind": "task", "op": "update", "id": made("task", 1), "set": {"title": "another title"}},
        {"kind": "folder", "op": "create", "name": "New", "to": made("folder", INBOX)},
    ]
    for n in range(messages):
        message = {"kind": "message", "id": made("message", n)}
        match n % 40:
            case 1:
                found.append({**message, "op": "move", "to": made("folder", ARCHIVE)})
            case 4:
                found.append({**message, "op": "delete"})
            case 8:
                found.append({**message, "op": "update", "set": {"isRead": False}})
            case 28:
                found.append({**message, "op": "update", "set": {"categories": ["Blue category"]}})
            case 11:
                found.append({**message, "op": "update", "set": {"flag": {"flagStatus": "flagged"}}})
            case 13:
                found.append({**message, "op": "move-back", "to": made("folder", TWIN)})
            case 17:
                found.append({**message, "op": "copy", "to": made("folder", _FIRST + 1)})
    gone = {"kind": "folder", "op": "delete", "id": made("folder", _FIRST + FOLDERS - 2)}
    return [{"user": ADA, **change} for change in [*found, gone]]
