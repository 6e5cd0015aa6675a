"""A tenant of mailboxes with very many small messages, and one very long one where wanted, made row by row.

Rules of this file: nothing is held of a mailbox but the row at hand; the same call gives the same bytes; every fiftieth message
has a file attached. Source: reference/tenant-data.md (users and mailboxes).
"""

import base64
import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.independent import tiny

Row = dict[str, Any]
FOLDERS = (
    ("Top of Information Store", None, "msgfolderroot", 0), ("Inbox", 0, "inbox", 26), ("Sent Items", 0, "sentitems", 20),
    ("Drafts", 0, "drafts", 1), ("Deleted Items", 0, "deleteditems", 8), ("Archive", 0, "archive", 13),
    *((f"Project {n}", 1, None, 4) for n in range(8)),
)  # fmt: skip
"""(name, number of the one above, well-known name, messages of a hundred)."""
_WORDS = [
    "report", "budget", "meeting", "invoice", "customer", "delivery", "contract", "holiday", "planning", "question", "answer",
    "update", "version", "machine", "office",
]  # fmt: skip
_TILE = 54_720
_ZONE = {"W. Europe Standard Time": "Europe/Berlin"}


def item_id(kind: int, user: int, n: int, *, immutable: bool = False) -> str:
    """As the data's own: the last 20 characters are kind, user and number."""
    noise = hashlib.sha256(f"{kind}.{user}.{n}.{immutable}".encode()).digest()
    body = noise[:30] + struct.pack(">BIQ", kind, user, n)
    return ("AAkALg" if immutable else "AAMkAG") + base64.urlsafe_b64encode(body).decode()


def made_mail_tenant(out: Path, messages: int, *, users: int = 1, huge: int = 0) -> Path:
    """Mailboxes of that many messages each. huge: bytes of a file that the last message of each has attached."""
    tiny.make(out, drives=0, files=0, odd=False)
    template = json.loads((out / "users.jsonl").read_text().splitlines()[0])
    rows = [_user(template, number) for number in range(users)]
    tiny.write_rows(out / "users.jsonl", rows)
    info = json.loads((out / "tenant.json").read_text())
    (out / "tenant.json").write_text(json.dumps({**info, "timeZones": _ZONE}))
    (out / "pool.bin").write_bytes(b"")
    for number in range(users):
        _Mailbox(out, rows[number], number).write(messages, huge)
    return out


def _user(template: Row, number: int) -> Row:
    digest = hashlib.sha256(f"owner {number}".encode()).hexdigest()
    name = f"owner{number}@{tiny.DOMAIN}"
    return {
        **template, "id": f"{digest[:8]}-0000-4000-8000-{digest[8:20]}", "userPrincipalName": name, "mail": name,
        "displayName": f"Owner {number}", "proxyAddresses": [f"SMTP:{name}"], "_n": number, "_drive": None,
        "_dir": f"users/u{number:05}", "mailboxSettings": {"timeZone": "W. Europe Standard Time"},
    }  # fmt: skip


class _Mailbox:
    """Writes the files of one mailbox."""

    def __init__(self, out: Path, owner: Row, number: int) -> None:
        self._owner, self._number, self._dir = owner, number, out / f"users/u{number:05}"
        self._pack = f"users/u{number:05}/mime.bin"
        self._dir.mkdir(parents=True)

    def write(self, messages: int, huge: int) -> None:
        """Folders, messages, the rest."""
        counts = [messages * share // 100 for *_, share in FOLDERS]
        counts[1] += messages - sum(counts)
        folders, first, offset = [], 0, 0
        with (self._dir / "messages.jsonl").open("wb") as lines, (self._dir / "mime.bin").open("wb") as mimes:
            for n, count in enumerate(counts):
                start = offset
                for place in range(first, first + count):
                    is_huge = bool(huge) and place == messages - 1
                    row = self._message(place, n, mimes.tell(), huge if is_huge else 0)
                    mimes.write(row.pop("_bytes"))
                    offset += lines.write(json.dumps(row).encode() + b"\n")
                folders.append(self._folder(n, first, count, start, offset))
                first += count
        tiny.write_rows(self._dir / "folders.jsonl", folders)
        calendar = {"id": item_id(3, self._number, 0), "name": "Calendar", "isDefaultCalendar": True}
        contacts = {"id": item_id(5, self._number, 0), "displayName": "Contacts", "_default": True}
        contacts["parentFolderId"] = item_id(5, self._number, 999)
        todo = {"id": item_id(7, self._number, 0), "displayName": "Tasks", "wellknownListName": "defaultList"}
        for name, row in (("calendars", calendar), ("contactFolders", contacts), ("todoLists", todo)):
            tiny.write_rows(self._dir / f"{name}.jsonl", [row])

    def _folder(self, n: int, first: int, count: int, start: int, end: int) -> Row:
        name, above, known, _ = FOLDERS[n]
        return {
            "id": item_id(1, self._number, n), "displayName": name, "isHidden": False, "totalItemCount": count,
            "parentFolderId": item_id(1, self._number, 9_999 if above is None else above), "unreadItemCount": 0,
            "childFolderCount": sum(one[1] == n for one in FOLDERS), "sizeInBytes": 4_000 * count, "_wellKnownName": known,
            "_n": n, "_parent": above, "_first": first, "_count": count, "_off": start, "_len": end - start,
        }  # fmt: skip

    def _message(self, n: int, folder: int, at: int, huge: int) -> Row:
        sent = f"{2015 + n % 10}-{1 + n % 12:02}-{1 + n % 28:02}T{n % 24:02}:{n % 60:02}:00Z"
        text = _text(n)
        sender = _person("Sender", f"sender{n % 97}@other.example")
        row: Row = {
            "id": item_id(0, self._number, n), "_immutableId": item_id(0, self._number, n, immutable=True),
            "parentFolderId": item_id(1, self._number, folder), "subject": f"Message {n} about the {_WORDS[n % len(_WORDS)]}",
            "internetMessageId": f"<{n}.{self._number}@many.example>", "conversationId": f"conversation{n // 3}",
            "createdDateTime": sent, "lastModifiedDateTime": sent, "receivedDateTime": sent, "sentDateTime": sent,
            "importance": "normal", "isRead": True, "isDraft": False, "from": sender, "sender": sender,
            "toRecipients": [_person(self._owner["displayName"], self._owner["mail"])], "ccRecipients": [], "bccRecipients": [],
            "replyTo": [], "categories": [], "flag": {"flagStatus": "notFlagged"}, "hasAttachments": False,
            "body": {"contentType": "text", "content": text}, "_class": "IPM.Note", "_traits": [], "_attachments": [],
        }  # fmt: skip
        head = _head(row, self._owner["mail"])
        if not huge and n % 50 != 49:
            return row | self._mime(at, f"{head}Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n".encode())
        return row | self._with_file(row["id"], at, head, text, n, huge or 6_000)

    def _mime(self, at: int, data: bytes) -> Row:
        digest = hashlib.sha256(data).hexdigest()
        mime = {"pack": self._pack, "len": len(data), "sha256": digest, "seg": [[at, len(data)]]}
        return {"_mime": mime, "_size": len(data), "_bytes": data}

    def _with_file(self, owner: str, at: int, head: str, text: str, n: int, size: int) -> Row:
        recipe = f"mail.{self._number}.{n}"
        start = (
            f'{head}Content-Type: multipart/mixed; boundary="part{n}"\r\n\r\n--part{n}\r\n'
            f"Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n--part{n}\r\nContent-Type: application/octet-stream\r\n"
            f'Content-Disposition: attachment; filename="file{n}.bin"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        ).encode()
        end = f"--part{n}--\r\n".encode()
        whole, content, length = hashlib.sha256(start), hashlib.sha256(), len(start)
        for piece in _generated(recipe, size):
            lines = base64.encodebytes(piece).replace(b"\n", b"\r\n")
            whole.update(lines)
            content.update(piece)
            length += len(lines)
        whole.update(end)
        held = {"gen": recipe, "len": size, "sha256": content.hexdigest(), "qx": ""}
        seg = [[at, len(start)], {"b64": held}, [at + len(start), len(end)]]
        attachment = {
            "@odata.type": "#microsoft.graph.fileAttachment", "id": f"{owner[:-1]}YXR0=", "name": f"file{n}.bin",
            "contentType": "application/octet-stream", "size": size + 140, "isInline": False, "contentId": None,
            "lastModifiedDateTime": "2025-01-01T00:00:00Z", "_c": held,
        }  # fmt: skip
        mime = {"pack": self._pack, "len": length + len(end), "sha256": whole.hexdigest(), "seg": seg}
        facts = {"_mime": mime, "_size": length + len(end), "_bytes": start + end}
        return facts | {"hasAttachments": True, "_attachments": [attachment]}


def _person(name: str, address: str) -> Row:
    return {"emailAddress": {"name": name, "address": address}}


def _text(n: int) -> str:
    """Some 700 to 3,000 characters."""
    words = (_WORDS[(n * 7 + place * (1 + n % 5)) % len(_WORDS)] for place in range(100 + n * 37 % 330))
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) > 70:
            lines.append(line)
            line = ""
        line += f"{word} "
    return "\r\n".join([*lines, line])


def _head(row: Row, to: str) -> str:
    address = row["from"]["emailAddress"]["address"]
    return (
        f"From: Sender <{address}>\r\nTo: <{to}>\r\nSubject: {row['subject']}\r\nMessage-ID: {row['internetMessageId']}\r\n"
        f"Date: Wed, 01 Jan 2020 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    )


def _generated(recipe: str, size: int) -> Iterator[bytes]:
    """The bytes of a recipe, in pieces that are whole lines of base64."""
    length = min(_TILE, max(size, 8))
    tail = hashlib.shake_256(b"tile1:" + recipe.encode()).digest(length)[8:]
    waiting, made, tile = b"", 0, 0
    while made < size:
        waiting += (tile.to_bytes(8, "big") + tail)[: size - made]
        made, tile = made + length, tile + 1
        whole = len(waiting) // 57 * 57
        yield waiting[:whole]
        waiting = waiting[whole:]
    yield waiting
